"""JSON schemas of the market's answers, with an example of each."""

from backend.api.requests import U40_MAX
from backend.api.schemas import (
    FLAG,
    HASH,
    PRICE,
    SIGNATURE,
    U24,
    U40,
    UNSIGNED,
    array,
    choice,
    integer,
    joined,
    maybe,
    record,
    text,
)
from backend.application.market import AuctionState, OrderState, Step
from backend.application.records import OutboxState
from domain.wire import Json

ZONE, WH, NONCE = integer(0, 65_535), integer(0, U40_MAX), integer(0, 63)
HEX = text("^0x([0-9a-f]{2})*$")
SIGNED = integer(-(1 << 63), (1 << 63) - 1)

ORDER = record(
    account=U24,
    zone=ZONE,
    interval=U40,
    sell=FLAG,
    quantity_wh=WH,
    limit_micro_per_kwh=PRICE,
    expiry=U40,
    nonce=NONCE,
    signature=SIGNATURE,
    order=HASH,
    state=choice(*OrderState),
    reason=maybe(text()),
    filled_wh=maybe(WH),
    taken_at=U40,
)
REFUSED_ORDER = {
    "type": "object",
    "required": ["index", "type", "detail"],
    "properties": {"index": UNSIGNED, "type": text(), "detail": text()},
    "additionalProperties": True,
}
PLACED = record(
    accepted=UNSIGNED,
    duplicate=UNSIGNED,
    refused=array(REFUSED_ORDER),
    orders=array(maybe(HASH)),
)
AUCTION = record(
    zone=ZONE,
    interval=U40,
    state=choice(*AuctionState),
    orders=UNSIGNED,
    digest=maybe(HASH),
    price_micro_per_kwh=maybe(PRICE),
    volume_wh=maybe(UNSIGNED),
    fee_micro_per_kwh=maybe(UNSIGNED),
    chunks_settled=UNSIGNED,
    tx=maybe(HASH),
    reason=maybe(text()),
)
_SENT = record(
    step=choice(*Step),
    place=UNSIGNED,
    tx=HASH,
    state=choice(*OutboxState),
    block=maybe(UNSIGNED),
    gas_used=maybe(UNSIGNED),
)
AUCTION_WITH_WAY = joined(
    AUCTION,
    lo_micro_per_kwh=maybe(PRICE),
    hi_micro_per_kwh=maybe(PRICE),
    forced=UNSIGNED,
    sealed=UNSIGNED,
    sent=array(_SENT),
)
CLAIM = record(
    crosses=FLAG,
    volumeWh=UNSIGNED,
    lo=PRICE,
    hi=PRICE,
    rationed=integer(0, 2),
    atWh=UNSIGNED,
    shareWh=UNSIGNED,
    remainder=UNSIGNED,
    line=integer(0, 65_535),
)
_LINE = record(
    forced=FLAG,
    account=U24,
    sell=FLAG,
    quantity_wh=WH,
    limit_micro_per_kwh=PRICE,
    nonce=NONCE,
    filled_wh=WH,
    order=maybe(HASH),
    expiry=maybe(U40),
    signature=maybe(SIGNATURE),
)
BOOK = record(
    zone=ZONE, interval=U40, digest=HASH, chunks=array(HEX), chunk_hashes=array(HASH), claim=CLAIM, lines=array(_LINE)
)
_AMOUNTS = record(bought_wh=UNSIGNED, sold_wh=UNSIGNED, imported_wh=UNSIGNED, exported_wh=UNSIGNED)
POSITION = record(
    zone=ZONE, interval=U40, account=U24, open=_AMOUNTS, closed=_AMOUNTS, net_micro=SIGNED, set_aside=FLAG
)

_HASH, _SIGNATURE, _INTERVAL = "0x" + "ab" * 32, "0x" + "cd" * 64 + "1b", 1561972500
ORDER_SENT: Json = {
    "account": 12,
    "zone": 1,
    "interval": _INTERVAL,
    "sell": False,
    "quantity_wh": 1650,
    "limit_micro_per_kwh": 310_000,
    "expiry": 1561972200,
    "nonce": 0,
    "signature": _SIGNATURE,
}
ORDER_EXAMPLE: Json = ORDER_SENT | {
    "order": _HASH,
    "state": "void",
    "reason": "the book was not settled in time",
    "filled_wh": 0,
    "taken_at": 1561970000,
}
PLACED_EXAMPLE: Json = {
    "accepted": 1,
    "duplicate": 0,
    "refused": [{"index": 1, "type": "/v1/problems/gate-closed", "detail": "the book of 1561972500 closed"}],
    "orders": [_HASH, None],
}
AUCTION_EXAMPLE: Json = {
    "zone": 1,
    "interval": _INTERVAL,
    "state": "void",
    "orders": 2,
    "digest": _HASH,
    "price_micro_per_kwh": 205_000,
    "volume_wh": 1650,
    "fee_micro_per_kwh": 20_000,
    "chunks_settled": 1,
    "tx": _HASH,
    "reason": "the book was not settled in time",
}
AUCTION_WITH_WAY_EXAMPLE: Json = AUCTION_EXAMPLE | {
    "lo_micro_per_kwh": 120_000,
    "hi_micro_per_kwh": 290_000,
    "forced": 1,
    "sealed": 0,
    "sent": [{"step": "commit", "place": 0, "tx": _HASH, "state": "mined", "block": 21, "gas_used": 61_000}],
}
BOOK_EXAMPLE: Json = {
    "zone": 1,
    "interval": _INTERVAL,
    "digest": _HASH,
    "chunks": ["0x00000c0000067280" + "04baf0"],
    "chunk_hashes": [_HASH],
    "claim": {
        "crosses": True,
        "volumeWh": 1650,
        "lo": 120_000,
        "hi": 290_000,
        "rationed": 0,
        "atWh": 0,
        "shareWh": 0,
        "remainder": 0,
        "line": 0,
    },
    "lines": [
        {
            "forced": False,
            "account": 12,
            "sell": False,
            "quantity_wh": 1650,
            "limit_micro_per_kwh": 310_000,
            "nonce": 0,
            "filled_wh": 1650,
            "order": _HASH,
            "expiry": 1561972200,
            "signature": _SIGNATURE,
        }
    ],
}
POSITION_EXAMPLE: Json = {
    "zone": 1,
    "interval": _INTERVAL,
    "account": 12,
    "open": {"bought_wh": 0, "sold_wh": 0, "imported_wh": 0, "exported_wh": 0},
    "closed": {"bought_wh": 1650, "sold_wh": 0, "imported_wh": 1700, "exported_wh": 0},
    "net_micro": 392_750,
    "set_aside": False,
}
EVENTS = text()
EVENTS_EXAMPLE = 'id: 12\nevent: cleared\ndata: {"zone":1,"interval":1561972500,"state":"cleared"}\n\n'
