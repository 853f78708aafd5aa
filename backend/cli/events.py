"""`wattledger events`: what the contracts logged, straight from a node, as CSV or JSON lines."""

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from web3.exceptions import Web3Exception

from backend.adapters.chain.deployment import load_deployment
from backend.adapters.chain.reader import ChainReader, EventKind
from backend.application.subjects import ACCOUNT, STATION, Subject, subjects_of
from domain.chain import ChainEvent
from domain.errors import Malformed, OutOfRange, WattledgerError
from domain.text import hex_text

COULD_NOT_RUN = 2
STEP_BLOCKS = 200
"""How many blocks' events are held at a time."""
COLUMNS = ("block", "time", "tx", "log_index", "contract", "event")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which events to export: blocks from `first` to `last`, kinds, and what they must be about."""

    first: int
    last: int
    kinds: Sequence[EventKind]
    subjects: frozenset[Subject]


def events_command(
    rpc: Annotated[str, typer.Option(help="JSON-RPC address of a node that you trust, best your own")],
    deployment: Annotated[Path, typer.Option(help="Deployments file: contracts and ABIs")] = Path(
        "var/deployment.json"
    ),
    form: Annotated[Format, typer.Option("--format", help="How to write them")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if none is given")] = None,
    contract: Annotated[str | None, typer.Option(help="Of this contract only")] = None,
    event: Annotated[str | None, typer.Option(help="Of this name only; in CSV each argument has a column")] = None,
    from_block: Annotated[int | None, typer.Option(min=0, help="First block; else that of the deployment")] = None,
    to_block: Annotated[int | None, typer.Option(min=0, help="Last block; else the chain's present one")] = None,
    account: Annotated[int | None, typer.Option(min=0, help="With this account among the arguments")] = None,
    station: Annotated[int | None, typer.Option(min=0, help="With this station among the arguments")] = None,
) -> None:
    """Exports the contracts' events from a node alone. Integers are exact; addresses, hashes and words are text."""
    try:
        chain = ChainReader(rpc, load_deployment(deployment))
        chain.check_chain()
        kinds = chain.kinds(contract, event)
        named = ((ACCOUNT, account), (STATION, station))
        span = Span(
            first=chain.deployment.block if from_block is None else from_block,
            last=_last(chain.head(), to_block),
            kinds=kinds,
            subjects=frozenset(Subject(kind, number) for kind, number in named if number is not None),
        )
        args = _args(kinds) if event is not None and form == Format.CSV else None
        with _opened(out) as file:
            _export(chain, span, _writer(file, form, args))
    except BrokenPipeError:
        # Whoever reads us has enough. What is left in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (WattledgerError, Web3Exception, OSError) as error:
        Console(stderr=True).print(f"events: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error


def _last(head: int, asked: int | None) -> int:
    """OutOfRange if the chain has no such block yet."""
    if asked is not None and asked > head:
        raise OutOfRange("--to-block", asked, 0, head)
    return head if asked is None else asked


def _args(kinds: Sequence[EventKind]) -> list[str]:
    """The arguments of the one kind of event; Malformed if contracts have different ones of that name."""
    if len({tuple(kind.args) for kind in kinds}) > 1:
        raise Malformed(f"several contracts log it: {', '.join(kind.contract for kind in kinds)}; name one: --contract")
    return kinds[0].args


def _export(chain: ChainReader, span: Span, write: Callable[[ChainEvent, int], None]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading the chain", total=max(span.last - span.first + 1, 0))
        count = 0
        for first in range(span.first, span.last + 1, STEP_BLOCKS):
            last = min(first + STEP_BLOCKS - 1, span.last)
            for event, time_s in _found(chain, span, first, last):
                write(event, time_s)
                count += 1
            progress.update(task, completed=last - span.first + 1, description=f"block {last} · {count} events")
    Console(stderr=True).print(f"{count} events of blocks {span.first} to {span.last}", highlight=False)


def _found(chain: ChainReader, span: Span, first: int, last: int) -> Iterator[tuple[ChainEvent, int]]:
    """The events with the times of their blocks; Malformed if the chain was reorganised meanwhile."""
    block = None
    for event in chain.events_among(span.kinds, first, last):
        if not span.subjects <= subjects_of(event):
            continue
        if block is None or block.number != event.block:
            block = chain.block(event.block)
        if block.block_hash != event.block_hash:
            raise Malformed(f"the chain was reorganised at block {event.block} while it was read; run this again")
        yield event, block.time_s


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that has its name only once it is whole."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _writer(file: IO[str], form: Format, args: Sequence[str] | None) -> Callable[[ChainEvent, int], None]:
    """Writes events one by one. `args` names the arguments that get a column each, None puts all into one."""
    if form == Format.JSONL:
        return lambda event, time_s: print(_json(_record(event, time_s) | {"args": event.plain_args()}), file=file)
    table = csv.writer(file, lineterminator="\n")
    table.writerow([*COLUMNS, *(["args"] if args is None else args)])

    def write(event: ChainEvent, time_s: int) -> None:
        plain = event.plain_args()
        cells = [plain] if args is None else [plain[name] for name in args]
        table.writerow([_cell(value) for value in (*_record(event, time_s).values(), *cells)])

    return write


def _record(event: ChainEvent, time_s: int) -> dict[str, Any]:
    values = (event.block, time_s, hex_text(event.tx), event.log_index, event.contract, event.name)
    return dict(zip(COLUMNS, values, strict=True))


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula. Integers are as they are, also negative ones."""
    if isinstance(value, bool | list | dict):
        return _json(value)
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA) else text


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=False, allow_nan=False)
