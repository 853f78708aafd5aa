"""What ends is started again, in order, with growing pauses; what is stopped takes everything with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import supervisor as tested
from scripts.anvil import ROOT
from scripts.supervisor import Service, Supervisor

LIMIT_S = 20
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class Unready(Exception):
    pass


def service(name: str, command: list[str] | None = None, wait: Callable[[object], None] = lambda _: None) -> Service:
    return Service(name, lambda: command or SLEEP, wait=wait)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> "object":
    monkeypatch.setattr(tested, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(tested, "LONGEST_PAUSE_S", 0.2)
    made = Supervisor(tmp_path, said.append, (Unready, OSError))
    yield made
    made.stop()


def kill(one: Service) -> None:
    assert one.process is not None
    one.process.kill()
    one.process.wait(timeout=LIMIT_S)


def watch_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        supervisor.watch()
        time.sleep(0.01)


def test_killed_service_runs_again_and_both_is_said(supervisor: Supervisor, said: list[str]) -> None:
    one = service("one")
    supervisor.start(one)
    kill(one)
    watch_until(supervisor, lambda: one.running)
    assert one.starts == 2
    assert "one was killed (SIGKILL); it is started again" in said[0]
    assert said[1] == "one runs again"


def test_nobody_is_started_while_one_before_is_down(supervisor: Supervisor, said: list[str]) -> None:
    ready = False

    def wait(_: object) -> None:
        if one.starts > 1 and not ready:
            raise Unready("not yet")

    one, two = service("one", wait=wait), service("two")
    supervisor.start(one)
    supervisor.start(two)
    kill(one)
    kill(two)
    watch_until(supervisor, lambda: one.starts > 2)
    assert not two.running
    assert two.starts == 1
    ready = True
    watch_until(supervisor, lambda: two.running)
    assert one.running
    assert "one did not come up: not yet" in said


def test_pauses_grow_while_it_keeps_ending(supervisor: Supervisor) -> None:
    one = service("one", [sys.executable, "-c", "import sys; sys.exit(3)"])
    supervisor.start(one)
    began = time.monotonic()
    watch_until(supervisor, lambda: one.starts == 5)
    assert time.monotonic() - began >= 0.1 + 0.2 + 0.2 + 0.2


def test_command_that_cannot_be_made_is_tried_again_after_a_pause(supervisor: Supervisor, said: list[str]) -> None:
    def command() -> list[str]:
        if one.starts:
            raise Unready("no file")
        return SLEEP

    one = Service("one", command)
    supervisor.start(one)
    kill(one)
    watch_until(supervisor, lambda: len(said) >= 3)
    assert said[1:3] == ["one did not come up: no file"] * 2
    assert len(said) < 20


def test_first_start_that_fails_is_raised_and_leaves_no_process(supervisor: Supervisor) -> None:
    def wait(_: object) -> None:
        raise Unready("never")

    one = service("one", wait=wait)
    with pytest.raises(Unready):
        supervisor.start(one)
    assert not one.running


def test_all_are_ended_the_last_one_first(supervisor: Supervisor) -> None:
    order: list[str] = []
    services = [Service(name, lambda: SLEEP, before_stop=lambda name=name: order.append(name)) for name in "abc"]  # type: ignore[misc] # bound now
    for one in services:
        supervisor.start(one)
    supervisor.stop()
    assert order == ["c", "b", "a"]
    assert not any(one.running for one in services)


def test_log_of_a_service_holds_what_it_wrote_in_all_its_lives(supervisor: Supervisor, tmp_path: Path) -> None:
    one = service("one", [sys.executable, "-c", "print('here I was')"])
    supervisor.start(one)
    watch_until(supervisor, lambda: one.starts == 3)
    kill(one)
    assert (tmp_path / "one.log").read_text().count("here I was") >= 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no signal for the death of a parent")
def test_killed_supervisor_takes_its_services_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from scripts.supervisor import Service, Supervisor\n"
        f"s = Supervisor(Path({str(tmp_path)!r}), print, (OSError,))\n"
        f"one = Service('one', lambda: {SLEEP!r}); s.start(one); print(one.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=LIMIT_S)
    parent.stdout.close()
    deadline = time.monotonic() + LIMIT_S
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether it lives; one that nobody has taken leave of yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
