"""The vectors of auctions: the committed file is what the code makes, and it says what it should."""

import json
from typing import Any

import pytest

from domain import errors
from domain.auction.book import decode_book
from domain.auction.zone import ZoneTerms
from domain.errors import BookRefused
from domain.signing import recover
from domain.text import address_text, parse_hex
from domain.units import UnixSeconds
from tests.vectors import make_auction_vectors

VECTORS: dict[str, Any] = json.loads(make_auction_vectors.PATH.read_text())
AUCTIONS = {auction["name"]: auction for auction in VECTORS["auctions"]}
EACH = pytest.mark.parametrize("auction", AUCTIONS.values(), ids=AUCTIONS.keys())


def data(text: str) -> bytes:
    return parse_hex(text, len(text) // 2 - 1)


def decoded(found: dict[str, Any]) -> Any:
    chunks = [data(chunk) for chunk in found["chunks"]]
    return decode_book(chunks, terms=ZoneTerms(**found["terms"]), interval_s=UnixSeconds(found["interval_s"]))


def test_committed_vectors_are_those_that_the_code_makes() -> None:
    assert make_auction_vectors.PATH.read_text() == make_auction_vectors.text(), (
        "run: python -m tests.vectors.make_vectors"
    )


@EACH
def test_book_is_decoded_with_its_digest(auction: dict[str, Any]) -> None:
    found = decoded(auction)
    chain = found.forced_chain(data(auction["forced_nonces"]))
    assert (found.digest(), chain) == (data(auction["digest"]), data(auction["forced_chain"]))
    assert len(found.lines) == auction["count"] == len(auction["fills_wh"])


@EACH
def test_orders_are_signed_by_their_drivers_unless_forced(auction: dict[str, Any]) -> None:
    keys = {key["account"]: key["address"] for key in VECTORS["keys"]}
    for order in auction["orders"]:
        if order["forced"]:
            assert order["signature"] is None
        else:
            signer = recover(data(order["order_hash"]), data(order["signature"]))
            assert address_text(signer) == keys[order["account"]]


@EACH
def test_money_of_an_auction_balances(auction: dict[str, Any]) -> None:
    lines = decoded(auction).lines
    left = sum(-micro if x.sell else micro for x, micro in zip(lines, auction["amount_micro"], strict=True))
    assert left == auction["fees_micro"] >= 0


@EACH
def test_each_altered_claim_is_refused_for_a_reason(auction: dict[str, Any]) -> None:
    assert len(auction["refused_claims"]) >= 2
    for refused in auction["refused_claims"]:
        assert refused["claim"] != auction["claim"]
        assert issubclass(getattr(errors, refused["error"]), errors.ClearingRefused)


def test_vectors_meet_every_reason_to_refuse_a_claim_for_its_numbers() -> None:
    met = {refused["error"] for auction in AUCTIONS.values() for refused in auction["refused_claims"]}
    # The rest is refused before or after the claim: other bytes, other forced lines, the backstop.
    others = {"OtherBook", "ForcedLinesDiffer", "BackstopFilledPastLimit"}
    assert met == {kind.__name__ for kind in errors.ClearingRefused.__subclasses__()} - others


@pytest.mark.parametrize("found", VECTORS["refused_books"], ids=lambda found: str(found["name"]))
def test_refused_book_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(BookRefused):
        decoded(found)


def test_cases_show_what_their_names_say() -> None:
    price = {name: auction["price_micro_per_kwh"] for name, auction in AUCTIONS.items()}
    fills = {name: auction["fills_wh"] for name, auction in AUCTIONS.items()}
    assert price["gsy's book"] == 2_200
    assert price["a negative middle is rounded down"] == -300
    assert price["a middle of zero"] == 0
    assert price["the cap's bids, too many"] == 4_000_000
    assert price["both at the caps, with a fee"] == 4_000_000 - 70_700
    assert price["limits that the fee keeps apart"] is price["only offers"] is None
    assert fills["equal remainders go by line"] == [1, 1, 0, 2]
    assert fills["bids at the price get nothing"] == [5, 0, 5]
    assert AUCTIONS["a fee between both limits"]["fees_micro"] > 0
    assert AUCTIONS["a negative middle is rounded down"]["fees_micro"] == 1
    wide = AUCTIONS["quantities times shares are longer than 64 bits"]["claim"]
    assert wide["share_wh"] * ((1 << 30) - 1) > 1 << 64
    assert len(AUCTIONS["two chunks"]["chunks"]) == 2
