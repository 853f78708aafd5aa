"""`wattledger auctions` and `wattledger positions`: what was traded, at which price, and what it came to."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from backend.cli.rest import DEFAULT_BACKEND, BackendFailed, Rest
from domain.units import MICRO_PER_EURO, WH_PER_KWH

COULD_NOT_RUN = 2
SHOWN = 500

Backend = Annotated[str, typer.Option(help="Address of the backend")]
Zone = Annotated[int | None, typer.Option(min=0, help="Of this zone only")]
Interval = Annotated[int | None, typer.Option(help="Of the interval that begins at this second only")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for programs")]
Columns = Mapping[str, Callable[[Any], str]]


def auctions_command(
    zone: Zone = None, interval: Interval = None, backend: Backend = DEFAULT_BACKEND, as_json: AsJson = False
) -> None:
    """Lists auctions: how far each is, its price, and what was traded."""
    found = _asked(backend, "/v1/auctions", zone=zone, interval=interval)
    _show(found, "Auctions", _AUCTION, as_json=as_json)


def positions_command(
    account: Annotated[int | None, typer.Option(min=1, help="Of this account only")] = None,
    zone: Zone = None,
    interval: Interval = None,
    backend: Backend = DEFAULT_BACKEND,
    as_json: AsJson = False,
) -> None:
    """Lists positions: what was traded and metered, and the money that closed it."""
    found = _asked(backend, "/v1/positions", account=account, zone=zone, interval=interval)
    _show(found, "Positions", _POSITION, as_json=as_json)


def _asked(backend: str, path: str, **query: object) -> list[Any]:
    """All pages of a list."""
    rest, items, after = Rest(backend), list[Any](), None
    try:
        while True:
            page = rest.get(path, limit=SHOWN, after=after, **query)
            items += page["items"]
            after = page["next"]
            if after is None:
                return items
    except BackendFailed as error:
        Console(stderr=True).print(f"market: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error


def _show(items: Sequence[Any], title: str, columns: Columns, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"items": items}) + "\n")
        return
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name)
    for one in items:
        table.add_row(*(text(one) for text in columns.values()))
    Console().print(table)


def _time(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")


def _kwh(wh: int | None) -> str:
    return "" if wh is None else f"{wh / WH_PER_KWH:,.3f} kWh"


def _euro(micro: int | None, unit: str = "€") -> str:
    return "" if micro is None else f"{micro / MICRO_PER_EURO:,.4f} {unit}"


def _energy(what: str) -> Callable[[Any], str]:
    """What of it is open and closed, together."""
    return lambda one: _kwh(one["open"][what] + one["closed"][what])


_AUCTION: Columns = {
    "zone": lambda one: str(one["zone"]),
    "interval (UTC)": lambda one: _time(one["interval"]),
    "state": lambda one: str(one["state"]),
    "orders": lambda one: str(one["orders"]),
    "price": lambda one: _euro(one["price_micro_per_kwh"], "€/kWh"),
    "traded": lambda one: _kwh(one["volume_wh"]),
}
_POSITION: Columns = {
    "zone": lambda one: str(one["zone"]),
    "interval (UTC)": lambda one: _time(one["interval"]),
    "account": lambda one: str(one["account"]),
    "bought": _energy("bought_wh"),
    "sold": _energy("sold_wh"),
    "imported": _energy("imported_wh"),
    "exported": _energy("exported_wh"),
    "paid": lambda one: _euro(one["net_micro"]),
    "": lambda one: "owed as a debt" if one["set_aside"] else "open" if any(one["open"].values()) else "closed",
}
