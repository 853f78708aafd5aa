"""Fetches what a backend claims over REST, for the audit to hold against the chain."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from backend.application.ports import Clock
from domain.audit.book_claims import BookClaim
from domain.audit.claims import AmountClaim, Claims
from domain.errors import Malformed

TIMEOUT_S = 30
WAIT_LIMIT_S = 60
POLL_S = 0.2
PAGE = 200
MAX_PAGES = 100_000


def fetch_claims(address: str, least_block: int, clock: Clock) -> Claims:
    """All amounts, balances, station states and books that the server at `address` claims, as they stand at one block.

    It is waited for, within limits, until the server has read the chain up to `least_block`, and until no block
    comes in while it is asked. Malformed if it does not answer or does not get there. Amounts and books are fetched
    as they are gone through: there may be many.
    """
    with _asking(address) as client:
        deadline_s = clock.monotonic_s() + WAIT_LIMIT_S
        while True:
            block = _block(client)
            balances = {item["account"]: item["free_micro"] for item in _items(client, "/v1/accounts")}
            stations = {
                item["station"]: (item["import_wh"], item["export_wh"], item["sequence"])
                for item in _items(client, "/v1/stations")
            }
            auctions = list(_items(client, "/v1/auctions", state="concluded"))
            if block >= least_block and _block(client) == block:
                return Claims(
                    block=block,
                    amounts=_amounts(address, block),
                    balances=balances,
                    stations=stations,
                    books=_books(address, auctions),
                )
            if clock.monotonic_s() > deadline_s:
                raise Malformed(_not_there(address, block, least_block))
            clock.sleep(POLL_S)


def _not_there(address: str, block: int, least_block: int) -> str:
    if block < least_block:
        return f"{address} has read the chain up to block {block} only, and {least_block} was audited; try again later"
    return f"{address} takes in blocks faster than it can be asked"


def _block(client: httpx.Client) -> int:
    return int(_get(client, "/v1/audit", {})["head"])


@contextmanager
def _asking(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.rstrip("/"), timeout=TIMEOUT_S) as client:
        try:
            yield client
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise Malformed(f"cannot fetch the claims of {address}: {error!r}") from error


def _amounts(address: str, block: int) -> Iterator[AmountClaim]:
    """Amounts of what was settled up to `block`. One that is claimed of a later one is missed in its own."""
    with _asking(address) as client:
        yield from _amounts_of(client, block)


def _amounts_of(client: httpx.Client, block: int) -> Iterator[AmountClaim]:
    for settlement in _items(client, "/v1/settlements"):
        if settlement["state"] != "settled":
            continue
        detail = _get(client, f"/v1/settlements/{settlement['settlement']}", {})
        if detail["block"] is not None and detail["block"] > block:
            continue
        for item in detail["amounts"]:
            station, sequence = item["statement"].split("-")
            yield AmountClaim(
                station=int(station),
                sequence=int(sequence),
                row=item["row"],
                payer=item["payer"],
                payee=item["payee"],
                owed_micro=item["owed_micro"],
                received_micro=item["received_micro"],
                set_aside=item["set_aside"],
            )


def _books(address: str, auctions: Sequence[Mapping[str, Any]]) -> Iterator[BookClaim]:
    """The books of auctions that ended, but for those that were built elsewhere."""
    with _asking(address) as client:
        for auction in auctions:
            path = f"/v1/auctions/{auction['zone']}/{auction['interval']}/book"
            response = client.get(path)
            if response.status_code == httpx.codes.NOT_FOUND:
                continue
            book = response.raise_for_status().json()
            yield BookClaim(
                zone=auction["zone"],
                interval_s=auction["interval"],
                chunks=[bytes.fromhex(chunk[2:]) for chunk in book["chunks"]],
                price_micro_per_kwh=auction["price_micro_per_kwh"],
                fills=[line["filled_wh"] for line in book["lines"]],
            )


def _items(client: httpx.Client, path: str, **wanted: str) -> Iterator[dict[str, Any]]:
    after: str | int | None = None
    for _ in range(MAX_PAGES):
        page = _get(client, path, {"limit": PAGE, **wanted} | ({"after": after} if after is not None else {}))
        yield from page["items"]
        if page["next"] is None:
            return
        if page["next"] == after:
            raise ValueError(f"{path} returns the same page again")
        after = page["next"]
    raise ValueError(f"{path} has more than {MAX_PAGES} pages")


def _get(client: httpx.Client, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
    response = client.get(path, params=parameters)
    response.raise_for_status()
    value = response.json()
    if not isinstance(value, dict):
        raise TypeError(f"{path} did not answer with an object")
    return value
