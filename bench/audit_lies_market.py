"""Tamperings with the market: zones, margins, orders, books, clearings, what was metered, and what positions came to.

They are planted in the record of `bench.audit_market_life`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.audit_liar import Liar, Planted
from bench.audit_market_life import FIRST_S, SECOND_S
from domain.auction.book import LINE_BYTES, book_digest
from domain.auction.forced import ForcedOrder, decode_forced
from domain.auction.order import PROOF_BYTES
from domain.auction.zone import GATE_S
from domain.audit import FindingCode as Code
from domain.audit.market_calls import decode_settle
from domain.chain import Call, ChainEvent
from domain.units import UnixSeconds

Kind = Callable[[Liar], Planted]
Change = Callable[[Liar, Mapping[str, Any]], dict[str, Any]]
STRANGER = b"\x99" * 20
MARKET = ("zone 1", "account ", "escrow", "money held for orders")
"""Where what follows from another book, another order or another price may show."""
_FIXED_BYTES = 4
_FORCED = 2
_MINUTE_S = 60


# --- events --------------------------------------------------------------------------------------


def _place(liar: Liar, name: str, **which: object) -> int:
    """The place of an event, any one of this name with these arguments; a forced order names its interval itself."""
    if name != "BidForced" or "interval" not in which:
        return liar.event(name, **which)
    forced = [at for at, event in enumerate(liar.record.log) if event.name == name]
    sent = {at: _sent(liar.record.log[at].args) for at in forced}
    return liar.rng.choice([at for at in forced if sent[at].interval_s == which["interval"]])


def _sent(args: Mapping[str, Any]) -> ForcedOrder:
    return decode_forced(args["order"], args["account"])


def _told(name: str, code: Code, change: Change, *around: str, where: str = "", **which: object) -> Kind:
    """A kind in which a node tells an event of this name, with these arguments, otherwise than it was."""

    def plant(liar: Liar) -> Planted:
        at = _place(liar, name, **which)
        before = liar.alter(at, **change(liar, liar.record.log[at].args))
        return Planted(((code, where or f"block {before.block}"),), (f"block {before.block}", *around))

    return plant


def _untold(name: str, code: Code, where: str, *around: str, **which: object) -> Kind:
    """A kind in which a node keeps an event to itself."""

    def plant(liar: Liar) -> Planted:
        event = liar.record.log.pop(_place(liar, name, **which))
        return Planted(((code, where or f"block {event.block}"),), (f"block {event.block}", *around))

    return plant


def _made_up(before: str, contract: str, name: str, code: Code, where: str, *around: str, **args: Any) -> Kind:
    """A kind in which a node makes an event up, before the first one of another name."""

    def plant(liar: Liar) -> Planted:
        at = min(at for at, event in enumerate(liar.record.log) if event.name == before)
        liar.insert(at, contract, name, **args)
        return Planted(((code, where),), (where, *around))

    return plant


def _at_another_time(name: str, code: Code, seconds: int, *around: str, **which: object) -> Kind:
    """A kind in which a block is said to have been made at another time."""

    def plant(liar: Liar) -> Planted:
        number = liar.record.log[_place(liar, name, **which)].block
        block = liar.record.blocks[number]
        liar.record.blocks[number] = replace(block, time_s=UnixSeconds(block.time_s + seconds))
        return Planted(((code, f"block {number}"),), (f"block {number}", *around))

    return plant


def _more(*names: str) -> Change:
    return lambda liar, args: {name: args[name] + liar.rng.randint(1, 999) for name in names}


def _flipped(name: str) -> Change:
    def change(liar: Liar, args: Mapping[str, Any]) -> dict[str, Any]:
        data = bytearray(args[name])
        data[liar.rng.randrange(len(data))] ^= 1 << liar.rng.randrange(8)
        return {name: bytes(data)}

    return change


def _not(name: str) -> Change:
    return lambda _, args: {name: not args[name]}


def _other_quantity(_: Liar, args: Mapping[str, Any]) -> dict[str, Any]:
    """One Wh more in an order's word."""
    sent = _sent(args)
    return {"order": replace(sent, quantity_wh=sent.quantity_wh + 1).encode()}


def _other_rows(liar: Liar, args: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(args["rows"])
    rows[liar.rng.randrange(len(rows))] += 1
    return {"rows": rows}


def _other_claim(_: Liar, args: Mapping[str, Any]) -> dict[str, Any]:
    return {"claim": {**args["claim"], "volumeWh": args["claim"]["volumeWh"] - 1}}


# --- the data of calls ---------------------------------------------------------------------------


def _data(liar: Liar, event: ChainEvent, change: Callable[[bytes], bytes]) -> None:
    call = liar.record.calls[event.tx]
    liar.record.calls[event.tx] = Call(to=call.to, data=change(call.data))


def _hidden(name: str) -> Kind:
    def plant(liar: Liar) -> Planted:
        event = liar.record.log[liar.event(name, interval=FIRST_S)]
        liar.record.calls[event.tx] = Call(to=STRANGER, data=liar.record.calls[event.tx].data)
        return Planted(((Code.BOOK_HIDDEN, f"block {event.block}"),), MARKET)

    return plant


def _cut_short(name: str) -> Kind:
    def plant(liar: Liar) -> Planted:
        event = liar.record.log[liar.event(name, interval=FIRST_S)]
        _data(liar, event, lambda data: data[: liar.rng.randrange(_FIXED_BYTES, 500)])
        return Planted(((Code.BOOK_HIDDEN, f"block {event.block}"),), MARKET)

    return plant


def _proof(code: Code, change: Callable[[Liar, bytearray], None]) -> Kind:
    """A kind in which the proof of one order is another one."""

    def plant(liar: Liar) -> Planted:
        event = liar.record.log[liar.event("BookSettled")]
        proofs = decode_settle(liar.record.calls[event.tx].data[_FIXED_BYTES:]).proofs
        at = PROOF_BYTES * liar.rng.randrange(len(proofs) // PROOF_BYTES)
        one = bytearray(proofs[at : at + PROOF_BYTES])
        change(liar, one)
        _data(liar, event, lambda data: data.replace(proofs[at : at + PROOF_BYTES], bytes(one)))
        where = f"chunk 0, line {_FORCED + at // PROOF_BYTES}"
        return Planted(((code, where),), ("zone 1",))

    return plant


def _signature(liar: Liar, proof: bytearray) -> None:
    proof[liar.rng.randrange(32)] ^= 1 << liar.rng.randrange(8)


def _expiry(_: Liar, proof: bytearray) -> None:
    proof[64:69] = (FIRST_S - GATE_S - 1).to_bytes(5, "big")


def _nonce(_: Liar, proof: bytearray) -> None:
    proof[69] = 64


def _other_lines(liar: Liar) -> Planted:
    """What is settled is another book than what was cleared."""
    event = liar.record.log[liar.event("BookSettled")]
    lines = decode_settle(liar.record.calls[event.tx].data[_FIXED_BYTES:]).lines
    at = LINE_BYTES * liar.rng.randrange(_FORCED, len(lines) // LINE_BYTES) + 6
    altered = lines[:at] + bytes([lines[at] ^ 1]) + lines[at + 1 :]
    _data(liar, event, lambda data: data.replace(lines, altered))
    return Planted(((Code.BOOK_MISMATCH, f"block {event.block}"),), MARKET)


def _swapped_lines(liar: Liar) -> Planted:
    """Two signed orders have changed places, in what is committed, cleared and settled."""
    events = {name: liar.event(name, interval=FIRST_S) for name in ("BidsCommitted", "AuctionCleared", "BookSettled")}
    settled = liar.record.log[events["BookSettled"]]
    call = decode_settle(liar.record.calls[settled.tx].data[_FIXED_BYTES:])
    lines, proofs = (
        _swapped(call.lines, LINE_BYTES, _FORCED),
        _swapped(call.proofs, PROOF_BYTES, 0),
    )
    for name in ("AuctionCleared", "BookSettled"):
        _data(liar, liar.record.log[events[name]], lambda data: data.replace(call.lines, lines))
    _data(liar, settled, lambda data: data.replace(call.proofs, proofs))
    count = len(lines) // LINE_BYTES
    liar.alter(events["BidsCommitted"], digest=book_digest(1, UnixSeconds(FIRST_S), count, [lines]))
    return Planted(((Code.ORDER_SEQUENCE, f"block {settled.block}"),), ("zone 1",))


def _swapped(data: bytes, size: int, first: int) -> bytes:
    """With the two items from `first` on in the other order."""
    one, other, after = (first + step for step in range(3))
    return (
        data[: one * size] + data[other * size : after * size] + data[one * size : other * size] + data[after * size :]
    )


def _other_reveal(liar: Liar) -> Planted:
    """The salt that was revealed does not open what was sealed."""
    at = max(at for at, event in enumerate(liar.record.log) if event.name == "BidForced")
    event = liar.record.log[at]
    _data(liar, event, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    return Planted(((Code.SEAL_MISMATCH, f"block {event.block}"),), (f"block {event.block}",))


# --- the chain's state ---------------------------------------------------------------------------


def _state(function: str, where: str) -> Kind:
    """A kind in which a contract of the market holds something else."""

    def plant(liar: Liar) -> Planted:
        asked = [view for view in liar.record.answers if view.function == function]
        view = liar.rng.choice(sorted(asked, key=lambda one: str(one.args)))
        liar.answer(view, _another(liar.record.answers[view]))
        return Planted(((Code.MARKET_STATE, where),), (where,))

    return plant


def _another(answer: Any) -> Any:
    if isinstance(answer, int):
        return answer + 1
    names = getattr(answer, "_fields", None)
    if names is not None:
        last = names[-1]
        return answer._replace(**{last: getattr(answer, last) + 1})
    return [answer[0] + 1, *answer[1:]]


def _unclosed(liar: Liar) -> Planted:
    """A node keeps a closed position to itself: its money is missed, and the contract has none."""
    event = liar.record.log.pop(liar.event("PositionClosed", setAside=False))
    where = f"position of zone 1, interval {event.args['interval']}, account {event.args['account']}"
    return Planted(((Code.MARKET_STATE, where),), (where, "account ", f"block {event.block}"))


def _views(*names: str) -> dict[str, Kind]:
    return {f"state: {name}": _state(name, where) for name, where in zip(names[::2], names[1::2], strict=True)}


_LOCKED = "money held for orders"

MARKET_KINDS: dict[str, Kind] = {
    "zone: without notice": _told("ZoneSet", Code.ZONE_MISMATCH, lambda _, args: {"from": args["from"] - 60}),
    "zone: another grid account": _told(
        "ZoneOpened", Code.ZONE_MISMATCH, lambda *_: {"grid": 1}, "batch 2", *MARKET, where="ZoneSet"
    ),
    "zone: an impossible fee": _told("ZoneSet", Code.ZONE_MISMATCH, lambda *_: {"feeMicroPerKwh": 7}, *MARKET),
    "tariff: begun already": _told(
        "TariffPublished",
        Code.MARKET_TARIFF,
        lambda _, args: {"validFrom": args["validFrom"] - 7_200},
        "tariff ",
        direction=2,
    ),
    "tariff: overlapping": _told(
        "TariffPublished",
        Code.MARKET_TARIFF,
        lambda *_: {"direction": 2},
        "tariff ",
        *MARKET,
        "batch 2",
        "station ",
        direction=3,
    ),
    "tariff: no price": _untold(
        "TariffPublished",
        Code.CLOSING_MISMATCH,
        "positions of zone 1",
        "tariff",
        "station",
        "batch 2",
        *MARKET,
        direction=3,
    ),
    "seat: nobody joined": _untold("Joined", Code.OFF_MARKET, "batch 2", *MARKET, account=6),
    "margin: more than was locked": _told("MarginChanged", Code.MARGIN_MISMATCH, _more("freeMicro"), *MARKET),
    "margin: a lock untold": _untold("Locked", Code.MARGIN_MISMATCH, _LOCKED, "Released", *MARKET),
    "margin: another amount released": _told("Released", Code.MARGIN_MISMATCH, _more("amountMicro"), *MARKET),
    "margin: not given back": _untold("AuctionVoided", Code.MARGIN_MISMATCH, "", *MARKET, interval=SECOND_S),
    "seal: untold": _untold("BidSealed", Code.SEAL_MISMATCH, "zone 1", *MARKET),
    "seal: another one forfeited": _told("SealForfeited", Code.SEAL_MISMATCH, _flipped("commitment")),
    "seal: another one revealed": _other_reveal,
    "seal: forfeited too early": _at_another_time("SealForfeited", Code.SEAL_MISMATCH, -_MINUTE_S),
    "forced: untold": _untold("BidForced", Code.FORCED_MISMATCH, "AuctionCleared", *MARKET, interval=FIRST_S),
    "forced: another quantity": _told(
        "BidForced", Code.FORCED_MISMATCH, _other_quantity, *MARKET, where="AuctionCleared", interval=SECOND_S
    ),
    "forced: after the gate": _at_another_time("BidForced", Code.SEAL_MISMATCH, 7_200, *MARKET, interval=FIRST_S),
    "book: cleared behind another contract": _hidden("AuctionCleared"),
    "book: settled behind another contract": _hidden("BookSettled"),
    "book: clearing cut short": _cut_short("AuctionCleared"),
    "book: settlement cut short": _cut_short("BookSettled"),
    "book: another digest": _told(
        "BidsCommitted", Code.BOOK_MISMATCH, _flipped("digest"), *MARKET, where="AuctionCleared"
    ),
    "book: another count": _told("BidsCommitted", Code.EVENT_MISMATCH, _more("count"), *MARKET, where="AuctionCleared"),
    "book: other lines settled": _other_lines,
    "book: too early": _at_another_time("BidsCommitted", Code.BOOK_TIME, -_MINUTE_S),
    "book: too late": _at_another_time("BidsCommitted", Code.BOOK_TIME, 300),
    "book: never committed": _untold("BidsCommitted", Code.BOOK_TIME, "AuctionCleared", *MARKET, interval=FIRST_S),
    "book: settled too late": _at_another_time("BookSettled", Code.BOOK_TIME, 30_000),
    "order: its signature": _proof(Code.ORDER_SIGNATURE, _signature),
    "order: its expiry": _proof(Code.ORDER_EXPIRED, _expiry),
    "order: a nonce that is none": _proof(Code.ORDER_NONCE, _nonce),
    "order: its place": _swapped_lines,
    "order: its key was another one": _told(
        "DriverKeySet", Code.ORDER_SIGNATURE, lambda *_: {"driverKey": STRANGER}, "account ", where="chunk 0, line"
    ),
    "order: taken back": _made_up(
        "BidForced",
        "AuctionHouse",
        "OrderCancelled",
        Code.ORDER_NONCE,
        "chunk 0, line",
        zone=1,
        interval=FIRST_S,
        account=6,
        nonce=0,
    ),
    "clearing: another price": _told("AuctionCleared", Code.CLEARING_MISMATCH, _more("priceMicroPerKwh")),
    "clearing: another claim": _told("AuctionCleared", Code.CLEARING_MISMATCH, _other_claim, *MARKET, interval=FIRST_S),
    "clearing: another end": _told(
        "Concluded", Code.CLEARING_MISMATCH, _more("priceMicroPerKwh"), *MARKET, interval=FIRST_S
    ),
    "clearing: no end": _untold("Concluded", Code.CLEARING_MISMATCH, "", *MARKET),
    "clearing: never settled": _untold("BookSettled", Code.CLEARING_MISMATCH, "Concluded", *MARKET),
    "metered: other rows": _told("Metered", Code.METERING_MISMATCH, _other_rows, where="batch 2 (rows in the market)"),
    "metered: nothing": _untold("Metered", Code.METERING_MISMATCH, "batch 2 (rows in the market)"),
    "metered: without a batch": _made_up(
        "BidForced", "PositionBook", "Metered", Code.METERING_MISMATCH, "Metered", rows=[1]
    ),
    "closing: another position": _told("PositionClosed", Code.POSITION_MISMATCH, _more("importedWh")),
    "closing: another amount": _told("PositionClosed", Code.CLOSING_MISMATCH, _more("owedMicro", "receivedMicro")),
    "closing: another payer": _told("PositionClosed", Code.CLOSING_MISMATCH, _not("accountPays")),
    "closing: set aside": _told("PositionClosed", Code.SET_ASIDE_MISMATCH, _not("setAside")),
    "closing: another debt": _told("DebtRecorded", Code.DEBT_MISMATCH, _more("owedMicro"), "account "),
    "closing: too early": _at_another_time("PositionClosed", Code.CLOSING_MISMATCH, -7_200, interval=FIRST_S),
    "closing: untold": _unclosed,
    **_views(
        *("positionOf", "position of zone 1"),
        *("resultOf", "end of zone 1"),
        *("seatOf", "(its seat, free margin)"),
        *("bookOf", "book of zone 1"),
        *("forcedOf", "forced orders of zone 1"),
        *("gridOf", "zone 1, grid account"),
        *("settleWithinS", "market, settleWithinS"),
    ),
}
"""By their names. Each code of the market has one at least."""
