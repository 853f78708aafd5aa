"""How far an audit is, on the standard error: a bar on a terminal, a line now and then anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from backend.adapters.clock import SystemClock
from backend.application.audit import Progress

LINE_EVERY_S = 5


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Progress], None]]:
    """What shows an audit's progress while the context lasts."""
    pace = _Pace(SystemClock().monotonic_s())
    if not console.is_terminal:
        yield lambda progress: _line(console, pace, progress)
        return
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()),
        *(TimeElapsedColumn(), TextColumn("{task.fields[pace]}")),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading the chain", total=None, pace="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.tally.batches,
                total=progress.batches,
                description=f"{progress.tally.batches:,} of {progress.batches:,} batches",
                pace=pace.text(progress),
            )

        yield show


@dataclass(slots=True)
class _Pace:
    """How quick the audit is, since it began or was resumed at `readings` and `batches`."""

    began_s: float
    told_s: float = 0
    readings: int | None = None
    batches: int = 0

    def text(self, progress: Progress) -> str:
        """Readings done and known about, how many a second, and the time left."""
        tally = progress.tally
        if self.readings is None:
            # The first call is after one batch: what a checkpoint had before it took no time now.
            self.readings, self.batches = tally.readings, tally.batches
        passed_s = SystemClock().monotonic_s() - self.began_s
        done, left = tally.batches - self.batches, progress.batches - tally.batches
        rate = (tally.readings - self.readings) / passed_s
        known = tally.readings * progress.batches // max(1, tally.batches)
        text = f"{tally.readings:,} of about {known:,} readings, {rate:,.0f} a second"
        return text + (f", about {left * passed_s / done:,.0f} s left" if done else "")


def _line(console: Console, pace: _Pace, progress: Progress) -> None:
    now_s = SystemClock().monotonic_s()
    pace.told_s = pace.told_s or pace.began_s
    if now_s - pace.told_s >= LINE_EVERY_S:
        pace.told_s = now_s
        batches = f"{progress.tally.batches:,} of {progress.batches:,} batches"
        console.print(f"audit: {batches}, {pace.text(progress)}", highlight=False, soft_wrap=True)
    else:
        pace.text(progress)
