"""Processes of a pool: they leave Ctrl-C to the process that began them, and end when it does, however that happens."""

import os
import signal
import threading
from multiprocessing import parent_process


def begin(parent: int) -> None:
    """To be called first in a process of a pool that process `parent` began."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    process = parent_process()
    if process is not None and process.pid == parent:
        process.join()
    os._exit(1)
