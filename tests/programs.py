"""Our programs as processes that need not import anything first: most of a short one's time goes into that.

Each is a fork of one process that has imported the programs and done nothing else. Its command line, environment and
streams are its own. The end-to-end tests start programs as users do.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.anvil import ROOT

PROGRAMS = ("backend.main", "backend.cli.main", "oracle.cli", "scripts.demo", "scripts.deploy", "scripts.serve")
LIMIT_S = 60
KILLED_WITHIN_S = 10

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__, *PROGRAMS])


@dataclass(frozen=True, slots=True)
class Program:
    """A process, with the part of `subprocess.Popen` that tests use."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Its exit status if it has ended; below zero the signal that ended it."""
        return self.process.exitcode

    def wait(self, timeout: float) -> int:
        """Its exit status; TimeoutExpired if it does not end within so many seconds."""
        self.process.join(timeout)
        status = self.process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    program: str, *words: str, out: Path, err: Path | None = None, environment: Mapping[str, str] | None = None
) -> Program:
    """The program with these words on its command line. What it says is added to `out`, errors to `err` if given."""
    streams = str(out), str(err or out)
    process = _forks.Process(
        target=_enter, name=program, args=(program, words, streams, dict(environment or os.environ))
    )
    process.start()
    return Program(process)


def run(program: str, *words: str, limit_s: float = LIMIT_S) -> "subprocess.CompletedProcess[str]":
    """The program with these words, when it has ended. TimeoutExpired if it does not within so many seconds."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        began = start(program, *words, out=out, err=err)
        try:
            status = began.wait(limit_s)
        finally:
            began.kill()
            began.wait(KILLED_WITHIN_S)
        return subprocess.CompletedProcess([program, *words], status, out.read_text(), err.read_text())


def _enter(program: str, words: tuple[str, ...], streams: tuple[str, str], environment: dict[str, str]) -> None:
    """What `python -m PROGRAM WORDS` does in a process of its own, from the root."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, file, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, streams[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, streams[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(file, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [program, *words]
    importlib.import_module(program).main()
