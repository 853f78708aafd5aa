"""Books of several chunks, books that were cleared in parts, and calls that no book can be read from."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from domain.auction.book import OrderBook
from domain.auction.claim import CLAIM_NAMES, CrossingClaim, NothingCrosses, PlainClaim, claim_of, plain_claim
from domain.auction.columns import Shares
from domain.auction.order import decode_proofs
from domain.audit import FindingCode
from domain.audit.market_calls import (
    CLEAR_SELECTOR,
    SETTLE_SELECTOR,
    decode_clear,
    decode_settle,
)
from domain.audit.market_state import MarketState
from domain.chain import Call
from domain.errors import Malformed
from domain.keccak import keccak
from domain.plain import plain, shaped
from scripts.compile import compiled
from tests.unit.audit.market_record import CLAIM_TYPE, GRID, INTERVAL_S, ZONE, MadeMarket
from tests.unit.audit.record import AUCTIONS

LARGE = 1_100


def large_book(market: MadeMarket) -> OrderBook:
    """Two chunks: buyers and sellers whose limits overlap."""
    members = market.members(18)
    orders = [
        market.order(
            members[number // 64], number % 64, 100 + number, 1_000 * (number % 300), sell=number // 64 % 2 == 1
        )
        for number in range(LARGE)
    ]
    return market.commit(orders)


def positions_of(market: MadeMarket) -> dict[int, tuple[int, int]]:
    """What members bought and sold, as the auditor has it."""
    positions = market.record.audit().state().market.positions
    return {account: (one.bought_wh, one.sold_wh) for (_, _, account), one in positions.items()}


def expected_of(made: OrderBook, fills: tuple[int, ...]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {one.order.account: (0, 0) for one in made.orders}
    for one, wh in zip(made.orders, fills, strict=True):
        bought, sold = found[one.order.account]
        found[one.order.account] = (bought, sold + wh) if one.order.sell else (bought + wh, sold)
    return found


@pytest.fixture(scope="module")
def whole() -> tuple[MadeMarket, OrderBook, tuple[int, ...]]:
    market = MadeMarket()
    made = large_book(market)
    found = market.clear(made)
    market.settle(made, found)
    return market, made, found.fills


def test_book_of_two_chunks_gives_each_account_its_fills(whole: tuple[MadeMarket, OrderBook, tuple[int, ...]]) -> None:
    market, made, fills = whole
    auditor = market.record.audit()
    assert list(auditor.findings) == []
    assert sum(fills) > 0
    assert positions_of(market) == expected_of(made, fills)
    assert (auditor.tally.auctions, auditor.tally.orders, auditor.tally.traded_wh) == (1, LARGE, sum(fills) // 2)


def test_book_that_was_cleared_in_parts_is_rebuilt_when_it_is_settled() -> None:
    market = MadeMarket()
    made = large_book(market)
    found = market.clear(made, first=1_024)
    market.settle(made, found)
    assert market.record.findings() == []
    assert positions_of(market) == expected_of(made, found.fills)


def test_book_that_was_cleared_in_parts_with_a_false_claim_is_named_when_it_is_settled() -> None:
    market = MadeMarket()
    made = large_book(market)
    found = market.clear(made, first=1_024)
    assert isinstance(found.claim, CrossingClaim)
    false = replace(found, claim=replace(found.claim, volume_wh=found.claim.volume_wh - 1))
    market.settle(made, false)
    assert FindingCode.CLEARING_MISMATCH in {finding.code for finding in market.record.findings()}


def test_book_in_parts_in_which_nothing_crosses_cannot_be_read() -> None:
    market = MadeMarket()
    members = market.members(18)
    orders = [market.order(members[n // 64], n % 64, 100, 1_000) for n in range(LARGE)]
    market.clear(market.commit(orders), first=1_024)
    assert {finding.code for finding in market.record.findings()} == {FindingCode.BOOK_HIDDEN}


def test_account_that_buys_from_itself_is_named() -> None:
    market = MadeMarket()
    [member] = market.members(1)
    made = market.commit([market.order(member, 0, 10, 5_000), market.order(member, 1, 10, 1_000, sell=True)])
    market.settle(made, market.clear(made))
    assert {finding.code for finding in market.record.findings()} == {FindingCode.CLEARING_MISMATCH}


def test_order_with_a_nonce_of_another_one_is_named() -> None:
    market = MadeMarket()
    one, other = market.members(2)
    made = market.commit([market.order(one, 7, 10, 5_000), market.order(other, 7, 10, 1_000, sell=True)])
    record = market.record
    record.event("AuctionHouse", "OrderCancelled", zone=ZONE, interval=INTERVAL_S, account=one, nonce=7)
    record.times[record.events[-1].block] = record.times[record.events[-2].block]
    market.settle(made, market.clear(made))
    found = [(finding.code, finding.where) for finding in record.findings()]
    assert [code for code, _ in found] == [FindingCode.ORDER_NONCE] * 2  # It was taken back too late as well.


def test_state_with_a_book_survives_its_plain_form(whole: tuple[MadeMarket, OrderBook, tuple[int, ...]]) -> None:
    state = whole[0].record.audit().state().market
    assert state.books
    assert shaped(MarketState, plain(state)) == state


def test_positions_and_books_go_once_nothing_can_change_them(
    whole: tuple[MadeMarket, OrderBook, tuple[int, ...]],
) -> None:
    state = whole[0].record.audit().state().market
    accounts = len(state.positions)
    state.forget(INTERVAL_S)
    assert (len(state.books), len(state.positions)) == (1, accounts)
    state.forget(INTERVAL_S + 1)
    open_positions = [key for key, one in state.positions.items() if any(one.energy)]
    assert (len(state.books), len(state.positions)) == (0, len(open_positions))
    assert GRID not in {account for _, _, account in state.positions}


# --- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [bytes(32), b"\xff" * 32, ZONE.to_bytes(2, "big") + b"\xff" * 30])
def test_forced_order_that_no_zone_can_have_is_named(word: bytes) -> None:
    market = MadeMarket()
    [account] = market.members(1)
    tx = keccak(word)
    market.record.calls[tx] = Call(to=AUCTIONS, data=b"")
    market.record.event("AuctionHouse", "BidForced", tx, account=account, order=word)
    assert FindingCode.FORCED_MISMATCH in {finding.code for finding in market.record.findings()}


CLAIM = (True, 7, -300, 200, 2, 9, 4, 3, 1)
CLEAR_TYPES = ["uint16", "uint40", CLAIM_TYPE, "bytes", "bytes", "uint256", "uint256"]
SETTLE_TYPES = ["uint16", "uint40", "uint256", CLAIM_TYPE, "bytes32[]", "uint256", "bytes", "bytes", "bytes"]


def test_call_of_clear_is_read_as_it_was_encoded() -> None:
    call = decode_clear(encode(CLEAR_TYPES, [3, 900, CLAIM, b"\x05", b"lines", 8, 2]))
    assert (call.zone, call.interval_s, call.claim) == (3, 900, PlainClaim(*CLAIM))
    assert (call.forced_nonces, call.lines, call.count, call.first) == (b"\x05", b"lines", 8, 2)


def test_call_of_settle_is_read_as_it_was_encoded() -> None:
    hashes = [keccak(b"a"), keccak(b"b")]
    call = decode_settle(encode(SETTLE_TYPES, [3, 900, 5, CLAIM, hashes, 1, b"lines", b"\x01\x02", b"proofs"]))
    assert (call.zone, call.interval_s, call.count, call.chunk) == (3, 900, 5, 1)
    assert (call.claim, call.chunk_hashes) == (PlainClaim(*CLAIM), tuple(hashes))
    assert (call.lines, call.forced_nonces, call.proofs) == (b"lines", b"\x01\x02", b"proofs")


def test_selectors_are_those_of_the_contract() -> None:
    methods = compiled()["AuctionHouse"].abi
    known = {
        keccak(f"{one['name']}({','.join(map(collapse_if_tuple, one['inputs']))})".encode())[:4]
        for one in methods
        if one["type"] == "function"
    }
    assert {CLEAR_SELECTOR, SETTLE_SELECTOR} <= known


def test_fields_of_a_claim_have_the_contracts_names_in_its_order() -> None:
    [clear] = [one for one in compiled()["AuctionHouse"].abi if one.get("name") == "clear"]
    [claim] = [one for one in clear["inputs"] if one["type"] == "tuple"]
    assert [field["name"] for field in claim["components"]] == list(CLAIM_NAMES)


@pytest.mark.parametrize("length", [0, 31, 300, 480])
def test_call_that_is_cut_short_is_malformed(length: int) -> None:
    for decode, data in (
        (decode_clear, encode(CLEAR_TYPES, [3, 900, CLAIM, b"\x05" * 40, b"lines" * 20, 8, 2])),
        (decode_settle, encode(SETTLE_TYPES, [3, 900, 5, CLAIM, [keccak(b"a")], 1, b"l" * 99, b"", b"p" * 99])),
    ):
        with pytest.raises(Malformed):
            decode(data[:length])


def test_list_that_begins_or_ends_far_away_is_malformed() -> None:
    data = bytearray(encode(CLEAR_TYPES, [3, 900, CLAIM, b"\x05", b"lines", 8, 2]))
    for at in (11 * 32, int.from_bytes(data[11 * 32 : 12 * 32], "big")):
        altered = bytearray(data)
        altered[at : at + 32] = b"\xff" * 32
        with pytest.raises(Malformed):
            decode_clear(bytes(altered))


def test_proofs_are_cut_at_seventy_bytes() -> None:
    [proof] = decode_proofs(b"\x01" * 64 + (900).to_bytes(5, "big") + b"\x07")
    assert (proof.signature, proof.expiry_s, proof.nonce) == (b"\x01" * 64, 900, 7)
    assert decode_proofs(proof.encode() * 2) == [proof, proof]
    with pytest.raises(Malformed):
        decode_proofs(bytes(71))


@pytest.mark.parametrize(
    "claim",
    [
        NothingCrosses(-100),
        CrossingClaim(5, 100, 200, None),
        CrossingClaim(5, 100, 200, Shares(True, 9, 4, 3, 1)),
        CrossingClaim(5, 100, 200, Shares(False, 9, 4, 9, 0)),
    ],
)
def test_claim_comes_back_from_its_plain_form(claim: CrossingClaim | NothingCrosses) -> None:
    told = plain_claim(claim)
    assert claim_of(told) == claim
    assert PlainClaim.of_named(told.named()) == told


def test_claim_that_rations_no_side_there_is_is_malformed() -> None:
    with pytest.raises(Malformed):
        claim_of(PlainClaim(True, 1, 0, 0, 3, 0, 0, 0, 0))
