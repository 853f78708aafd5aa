"""What runs beside a platform for good: its command line, how it is told to stop, and how it tries again."""

import argparse
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from scripts.platform import Platform

AFTER_FAILURE_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The platform, the recording of its site from `from_s` on, where that is, and whether it is time to stop."""

    at: Platform
    sessions: Path
    from_s: int
    zone: ZoneInfo
    stopped: threading.Event


def beside(name: str, description: str | None, *, level: int) -> Beside:
    """What the command line of `python -m scripts.name` says. Logs from `level` on; SIGTERM and Ctrl-C stop it."""
    arguments = _parser(name, description).parse_args()
    logging.basicConfig(level=level, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.ERROR)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    at = Platform(arguments.folder, lambda _: None, url=arguments.backend, rpc=arguments.rpc)
    at.make_secrets()
    return Beside(
        at=at,
        sessions=arguments.sessions,
        from_s=int(arguments.since.timestamp()),
        zone=arguments.zone,
        stopped=stopped,
    )


def repeat(
    step: Callable[[], float], stopped: threading.Event, log: logging.Logger, *, failures: tuple[type[Exception], ...]
) -> None:
    """Takes steps until it is told to stop. Each says how many seconds the next one waits; one that fails, a few."""
    pause_s = 0.0
    while not stopped.wait(pause_s):
        try:
            pause_s = step()
        except failures as error:
            log.warning("not now, again in %d s: %s", AFTER_FAILURE_S, error)
            pause_s = AFTER_FAILURE_S


def _parser(name: str, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m scripts.{name}", description=description)
    parser.add_argument("--folder", type=Path, required=True, help="data folder of the platform")
    parser.add_argument("--backend", required=True, help="its URL, without /v1")
    parser.add_argument("--rpc", required=True, help="JSON-RPC address of the chain")
    parser.add_argument("--sessions", type=Path, required=True, help="recorded sessions, ACN-Data CSV")
    parser.add_argument("--from", dest="since", type=datetime.fromisoformat, required=True, help="first moment")
    parser.add_argument("--zone", type=ZoneInfo, required=True, help="where the site is")
    return parser
