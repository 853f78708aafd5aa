"""The spool: what was committed stays, and a number stands for one content."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.errors import SignedDifferently, SpoolUnusable
from oracle.spool import Spool


def opened(folder: Path, owner: str = "stations on chain 1") -> Spool:
    return Spool(folder / "spool.db", owner=owner)


def test_messages_come_back_in_the_order_they_were_made_until_they_are_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.add("meter", 2, 1, 10, "a")
        spool.add("meter", 1, 1, 11, "b")
        spool.add("statement", 2, 1, 12, "c")
    with opened(tmp_path) as spool:
        assert spool.unsent(0, 10) == []  # closed without a commit: nobody has seen them
        for number, (kind, device) in enumerate((("meter", 2), ("meter", 1), ("statement", 2)), 1):
            spool.add(kind, device, 1, number, str(number))  # type: ignore[arg-type]
        spool.commit()
    with opened(tmp_path) as spool:
        waiting = spool.unsent(0, 10)
        assert [m.body for m in waiting] == ["1", "2", "3"]
        spool.mark_sent([waiting[0].id, waiting[2].id])
    with opened(tmp_path) as spool:
        assert [m.body for m in spool.unsent(0, 10)] == ["2"]
        assert spool.counts() == {"meter_signed": 2, "meter_sent": 1, "statement_signed": 1, "statement_sent": 1}


def test_a_number_cannot_be_signed_with_other_content(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.add("meter", 1, 1, 10, "a")
        spool.add("meter", 1, 1, 10, "a")
        with pytest.raises(SignedDifferently, match="meter 1 of 1 was already signed"):
            spool.add("meter", 1, 1, 10, "b")
        assert spool.get("meter", 1, 1) == "a"


def test_acknowledgments_can_be_taken_back(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for sequence in range(1, 6):
            spool.add("meter", 1, sequence, sequence, str(sequence))
        spool.mark_sent(m.id for m in spool.unsent(0, 10))
        assert spool.send_again("meter", 1, 3) == 2
        assert [m.sequence for m in spool.unsent(0, 10)] == [4, 5]


def test_counts_follow_each_step_and_are_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        assert spool.counts() == {}
        for sequence in (1, 2, 3, 3):
            spool.add("meter", 1, sequence, sequence, str(sequence))
        assert spool.counts() == {"meter_signed": 3, "meter_sent": 0}
        ids = [m.id for m in spool.unsent(0, 10)]
        spool.mark_sent(ids[:2])
        spool.mark_sent(ids[:2])
        assert spool.counts() == {"meter_signed": 3, "meter_sent": 2}
        spool.send_again("meter", 1, 1)
        spool.send_again("meter", 1, 0)
        spool.send_again("statement", 1, 0)
        counts = {"meter_signed": 3, "meter_sent": 0}
        assert {name: n for name, n in spool.counts().items() if name.startswith("meter")} == counts
    with opened(tmp_path) as spool:
        assert spool.counts() == counts


def test_a_spool_is_used_by_one_process_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(SpoolUnusable, match="in use"):
        opened(tmp_path)
    with opened(tmp_path):
        pass


def test_a_spool_of_another_network_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with pytest.raises(SpoolUnusable, match="belongs to stations on chain 1"):
        opened(tmp_path, owner="stations on chain 2")


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_text("something else, long enough to be no database" * 50)
    with pytest.raises(SpoolUnusable, match="no spool"):
        opened(tmp_path)


def test_a_session_turned_away_may_be_admitted_later_but_never_changes_after(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.keep_session("s", 1, None)
        spool.keep_session("s", 1, "admitted")
        spool.keep_session("s", 1, "otherwise")
        spool.keep_session("s", 1, None)
        assert [s.body for s in spool.sessions(1)] == ["admitted"]


def test_registers_at_registration_are_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        assert spool.opening(1) is None
        spool.keep_opening(1, 5, 6)
        spool.keep_opening(1, 7, 8)
        assert spool.opening(1) == (5, 6)


WRITER = """
import sys
from pathlib import Path
from oracle.spool import Spool
spool = Spool(Path(sys.argv[1]), owner="stations on chain 1")
last = spool.last("meter", 1)
number = last.sequence if last else 0
while True:
    for _ in range(7):
        number += 1
        spool.add("meter", 1, number, number, f"reading {number}")
    spool.commit()
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "spool.db")],
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        told += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        process.stdout.close()
        with opened(tmp_path) as spool:
            kept = spool.since("meter", 1, 0)
        assert kept[-1].sequence >= told[-1]
        assert [m.sequence for m in kept] == list(range(1, kept[-1].sequence + 1))
        assert all(m.body == f"reading {m.sequence}" for m in kept)
