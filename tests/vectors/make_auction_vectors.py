"""Writes `auction.json`: orders, books, claims and clearings that every implementation must agree on, to the unit.

`make_vectors.py` writes it with its own file. Each auction has its claim, which must be taken, and claims with one
number changed, which must be refused; `error` is the name in `domain/errors.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from domain.auction.book import Book
from domain.auction.check import check_claim
from domain.auction.claim import Claim, CrossingClaim, NothingCrosses
from domain.auction.clearing import Clearing, clear
from domain.auction.columns import Shares
from domain.auction.order import AcceptedOrder
from domain.auction.zone import ZoneTerms
from domain.errors import BookRefused, ClearingRefused
from domain.text import address_text, hex_text
from tests.vectors.auction_cases import Case, cases, refused_books
from tests.vectors.auctions import AUCTION_DOMAIN, INTERVAL_S, TERMS, key_of
from tests.vectors.world import CHAIN_ID

PATH = Path(__file__).with_name("auction.json")


def vectors() -> dict[str, Any]:
    accounts = sorted({one.order.account for case in cases() for one in case.orders})
    return {
        "chain_id": CHAIN_ID,
        "domain": {"contract": address_text(AUCTION_DOMAIN.contract), "separator": hex_text(AUCTION_DOMAIN.separator)},
        "keys": [
            {
                "account": account,
                "secret": hex_text(key_of(account).secret),
                "address": address_text(key_of(account).address),
            }
            for account in accounts
        ],
        "auctions": [auction_json(case) for case in cases()],
        "refused_books": [
            {"name": name, "terms": asdict(TERMS), **book_json(book, _counted(book)), "error": BookRefused.__name__}
            for name, book in refused_books()
        ],
    }


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


def auction_json(case: Case) -> dict[str, Any]:
    result = clear(case.book, case.terms)
    return {
        "name": case.name,
        "terms": asdict(case.terms),
        "orders": [order_json(one) for one in case.orders],
        **book_json(case.book, _forced_nonces(case)),
        "claim": claim_json(result.claim),
        **clearing_json(result),
        "refused_claims": list(refused_claims(case.book, case.terms, result)),
        "claim_packed": hex_text(packed(result.claim)),
        "refused_claims_packed": hex_text(
            b"".join(packed(claim) for _, claim in altered_claims(case.book, case.terms, result))
        ),
    }


def packed(claim: Claim) -> bytes:
    """44 bytes, the fields as the contract's claim has them: for a reader to which JSON is slow."""
    fields = claim_json(claim)
    side = ("none", "buy", "sell").index(fields["rationed"])
    lo = fields["lo"] if fields["crosses"] else fields["price"]
    numbers = ((int(fields["crosses"]), 1), (fields["volume_wh"], 8), (lo, 4), (fields["hi"], 4), (side, 1))
    shares = ((fields["at_wh"], 8), (fields["share_wh"], 8), (fields["remainder"], 8), (fields["line"], 2))
    return b"".join(number.to_bytes(size, "big", signed=number < 0) for number, size in numbers + shares)


def order_json(accepted: AcceptedOrder) -> dict[str, Any]:
    return {
        **asdict(accepted.order),
        "forced": accepted.forced,
        "struct_hash": hex_text(accepted.order.struct_hash()),
        "order_hash": hex_text(accepted.order_hash),
        "signature": hex_text(accepted.signature) if accepted.signature else None,
    }


def _forced_nonces(case: Case) -> bytes:
    orders = case.orders
    return bytes(one.order.nonce for one in orders if one.forced) if orders else _counted(case.book)


def _counted(book: Book) -> bytes:
    """Nonces for forced lines that stand for no orders: their numbers."""
    return bytes(range(sum(line.forced for line in book.lines)))


def book_json(book: Book, forced_nonces: bytes) -> dict[str, Any]:
    return {
        "interval_s": INTERVAL_S,
        "count": len(book.lines),
        "chunks": [hex_text(chunk) for chunk in book.chunks()],
        "digest": hex_text(book.digest()),
        "forced_count": sum(line.forced for line in book.lines),
        "forced_nonces": hex_text(forced_nonces),
        "forced_chain": hex_text(book.forced_chain(forced_nonces)),
    }


def claim_json(claim: Claim) -> dict[str, Any]:
    """All fields are there in each claim, so that a reader without options can read them; zeros where none is meant."""
    if isinstance(claim, NothingCrosses):
        return {"crosses": False, "price": claim.price, **_crossing_json(CrossingClaim(0, 0, 0, None))}
    return {"crosses": True, "price": 0, **_crossing_json(claim)}


def _crossing_json(claim: CrossingClaim) -> dict[str, Any]:
    shares = claim.shares or Shares(False, 0, 0, 0, 0)
    side = "sell" if shares.sell else "buy"
    return {
        "volume_wh": claim.volume_wh,
        "lo": claim.lo,
        "hi": claim.hi,
        "rationed": side if claim.shares else "none",
        **{name: getattr(shares, name) for name in ("at_wh", "share_wh", "remainder", "line")},
    }


def clearing_json(result: Clearing) -> dict[str, Any]:
    money = {trade.line: trade for trade in result.trades}
    lines = range(len(result.fills))
    return {
        "price_micro_per_kwh": result.price_micro_per_kwh,
        "fills_wh": list(result.fills),
        "amount_micro": [money[line].amount_micro if line in money else 0 for line in lines],
        "fees_micro": result.fees_micro,
    }


def refused_claims(book: Book, terms: ZoneTerms, result: Clearing) -> Iterator[dict[str, Any]]:
    """Claims beside the right one, and the error that each meets."""
    for what, claim in altered_claims(book, terms, result):
        try:
            check_claim(book.lines, claim, terms)
        except ClearingRefused as error:
            yield {"altered": what, "claim": claim_json(claim), "error": type(error).__name__}
        else:
            raise AssertionError(f"{what} is accepted")


def altered_claims(book: Book, terms: ZoneTerms, result: Clearing) -> Iterator[tuple[str, Claim]]:
    """The right claim with one number changed, and claims of other kinds."""
    claim, price, tick = result.claim, result.price_micro_per_kwh, terms.tick_micro_per_kwh
    if isinstance(claim, NothingCrosses) or price is None:
        yield "something crosses", CrossingClaim(1, 0, 0, None)
        yield "no energy crosses", CrossingClaim(0, 0, 0, None)
        return
    yield "nothing crosses", NothingCrosses(price)
    for by in (-1, 1):
        yield f"volume {by:+}", replace(claim, volume_wh=claim.volume_wh + by)
    for by in (-tick, -1, 1, tick):
        yield f"lo {by:+}", replace(claim, lo=claim.lo + by)
        yield f"hi {by:+}", replace(claim, hi=claim.hi + by)
        yield f"lo and hi {by:+}", replace(claim, lo=claim.lo + by, hi=claim.hi + by)
    for sell in (False, True):
        own = (x for x in book.lines if x.sell == sell)
        at_wh = sum(x.quantity_wh for x in own if terms.net(sell=sell, limit=x.limit_micro_per_kwh) == price)
        all_of_it = Shares(sell, at_wh, at_wh, at_wh, 0)
        yield f"{'sellers' if sell else 'buyers'} share all that they want", replace(claim, shares=all_of_it)
    if claim.shares is None:
        yield "a rationed side", replace(claim, shares=Shares(False, claim.volume_wh + 1, claim.volume_wh, 1, 0))
        return
    yield "no rationed side", replace(claim, shares=None)
    yield "the other side rationed", replace(claim, shares=replace(claim.shares, sell=not claim.shares.sell))
    for name in ("at_wh", "share_wh", "remainder", "line"):
        for by in (-1, 1):
            moved = {name: getattr(claim.shares, name) + by}
            if moved[name] >= 0:
                yield f"{name} {by:+}", replace(claim, shares=replace(claim.shares, **moved))


def write() -> None:
    """Writes the file."""
    PATH.write_text(text())


if __name__ == "__main__":
    write()
