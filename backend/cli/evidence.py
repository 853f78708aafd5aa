"""`wattledger evidence`: what an evidence store holds, as archives, checked, and no longer than it must."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer
from rich.console import Console

from backend.adapters.clock import SystemClock
from backend.adapters.evidence.sources import store_at
from backend.application.evidence import Evidence
from backend.application.ports import EvidenceStore, Store
from backend.application.retention import Retention
from backend.config import MIN_RETENTION_DAYS, read_secret
from domain.car import Archive, write_car
from domain.cid import blocks_of
from domain.errors import WattledgerError

FOUND_SOMETHING = 1
COULD_NOT_RUN = 2

app = typer.Typer(no_args_is_help=True, help="What an evidence store holds: check it, archive it, let old blobs go.")

Place = Annotated[str, typer.Option("--evidence", help="Store: a folder, or kubo:/ip4/127.0.0.1/tcp/5001")]
Secret = Annotated[Path | None, typer.Option("--ipfs-auth-file", help="File with the secret that Kubo's API asks for")]


@app.command("check")
def check(evidence: Place, ipfs_auth_file: Secret = None) -> None:
    """Reads every blob and computes its CID again. Exit status 1 if one is altered or missing."""
    with _store(evidence, ipfs_auth_file) as store:
        count, wrong = len(store.cids()), list(Evidence(store).flaws())
    console = Console()
    for text in wrong:
        console.print(f"✗ {text}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{count:,} blobs, {len(wrong):,} altered or missing", highlight=False)
    raise typer.Exit(FOUND_SOMETHING if wrong else 0)


@app.command("export")
def export(
    evidence: Place,
    to: Annotated[Path, typer.Option(help="The archive (CARv1) to write; it must not be there yet")],
    cids: Annotated[
        list[str] | None, typer.Argument(help="Blobs to export; all that are kept if none is given")
    ] = None,
    ipfs_auth_file: Secret = None,
) -> None:
    """Writes blobs, each checked, into one archive that every IPFS tool reads."""
    with _store(evidence, ipfs_auth_file) as store:
        if to.exists():
            raise FileExistsError(f"{to} is there already; give another name")
        roots = list(dict.fromkeys(cids or store.cids()))
        blocks = (block for cid in roots for block in blocks_of(store.get(cid)))
        with NamedTemporaryFile(dir=to.parent, prefix=".partial-", delete=False) as partial:
            try:
                partial.writelines(write_car(roots, blocks))
            except BaseException:
                Path(partial.name).unlink()
                raise
        Path(partial.name).replace(to)
    Console().print(f"{len(roots):,} blobs, {to.stat().st_size:,} bytes: {to}", highlight=False, soft_wrap=True)


@app.command("import")
def import_(
    evidence: Place,
    archive: Annotated[Path, typer.Argument(help="Archive (CARv1) whose roots are blobs")],
    ipfs_auth_file: Secret = None,
) -> None:
    """Checks every block of an archive, and only then keeps its blobs."""
    with _store(evidence, ipfs_auth_file) as store, archive.open("rb") as file:
        read = Archive(file)
        store.take(read)
    Console().print(f"{len(read.roots):,} blobs imported", highlight=False)


@app.command("gc")
def gc(
    evidence: Place,
    database: Annotated[Path, typer.Option(help="The backend's database, which says what is settled and disputed")],
    days: Annotated[
        int,
        typer.Option(min=MIN_RETENTION_DAYS, help="Let go what has been settled for this long, by the chain's time"),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and let nothing go")] = False,
    ipfs_auth_file: Secret = None,
) -> None:
    """Lets the evidence of batches go that were settled so long ago, unless a row is in dispute."""
    with _store(evidence, ipfs_auth_file) as store, _database(database) as records:
        retention = Retention(records, store, SystemClock())
        if dry_run:
            found = [{"batch": e.batch, "settlement": e.settlement, "cids": e.cids} for e in retention.expired(days)]
            typer.echo(json.dumps(found, indent=1))
            return
        released = retention.release(days)
    Console().print(f"evidence of {released:,} batches released", highlight=False)


@contextmanager
def _store(place: str, secret_file: Path | None) -> Iterator[EvidenceStore]:
    """The store; what goes wrong with it is told in one line, with exit status 2."""
    try:
        yield store_at(place, secret=read_secret(str(secret_file)) if secret_file else None)
    except (WattledgerError, OSError, ValueError) as error:
        Console(stderr=True).print(f"evidence: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error


@contextmanager
def _database(path: Path) -> Iterator[Store]:
    from backend.adapters.sql.database import SqlStore  # noqa: PLC0415  # Half of each command's start, for one of them.

    if not path.is_file():
        raise FileNotFoundError(f"{path} is no database; give the backend's wattledger.sqlite")
    records = SqlStore(path)
    try:
        yield records
    finally:
        records.close()
