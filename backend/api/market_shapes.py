"""JSON of the market that goes out."""

from backend.api.problems import problem_of
from backend.application.feed import auction_view
from backend.application.market import Amounts, PositionRecord
from backend.application.market_lists import AuctionWay, BookProof
from backend.application.orders import Verdict
from domain.auction.book import chunks_of
from domain.keccak import keccak
from domain.text import hex_text
from domain.wire import Json


def placed(verdicts: list[Verdict]) -> Json:
    """What became of several orders: their hashes by place, null for those that are refused, and why."""
    taken = [one for one in verdicts if one.record is not None]
    new = sum(one.is_new for one in taken)
    return {
        "accepted": new,
        "duplicate": len(taken) - new,
        "refused": [
            problem_of(one.refusal) | {"index": index} for index, one in enumerate(verdicts) if one.refusal is not None
        ],
        "orders": [hex_text(one.record.order_hash) if one.record else None for one in verdicts],
    }


def auction_way(way: AuctionWay) -> Json:
    cleared = way.record.cleared
    return auction_view(way.record) | {
        "lo_micro_per_kwh": cleared.lo_micro_per_kwh if cleared else None,
        "hi_micro_per_kwh": cleared.hi_micro_per_kwh if cleared else None,
        "forced": way.forced,
        "sealed": way.sealed,
        "sent": [
            {
                "step": step.value,
                "place": place,
                "tx": hex_text(sent.transaction),
                "state": sent.state.value,
                "block": sent.block,
                "gas_used": sent.gas_used,
            }
            for step, place, sent in way.sent
        ],
    }


def book(proof: BookProof) -> Json:
    """A book with all that is needed to check it: chunks, claim, and each signed line's order and signature."""
    kept = proof.book
    chunks = chunks_of(kept.lines)
    forced: list[Json] = [
        {
            "forced": True,
            "account": one.account,
            "sell": one.sell,
            "quantity_wh": one.quantity_wh,
            "limit_micro_per_kwh": one.limit_micro_per_kwh,
            "nonce": one.nonce,
            "order": None,
            "expiry": None,
            "signature": None,
        }
        for one in proof.forced
    ]
    signed: list[Json] = [
        {
            "forced": False,
            "account": one.order.account,
            "sell": one.order.sell,
            "quantity_wh": one.order.quantity_wh,
            "limit_micro_per_kwh": one.order.limit_micro_per_kwh,
            "nonce": one.order.nonce,
            "order": hex_text(one.order_hash),
            "expiry": one.order.expiry_s,
            "signature": hex_text(one.signature),
        }
        for one in proof.orders
    ]
    lines = [one | {"filled_wh": wh} for one, wh in zip(forced + signed, kept.fills, strict=True)]
    return {
        "zone": kept.zone,
        "interval": kept.interval_s,
        "digest": hex_text(kept.digest),
        "chunks": [hex_text(one) for one in chunks],
        "chunk_hashes": [hex_text(keccak(one)) for one in chunks],
        "claim": dict(kept.claim) | {"crosses": bool(kept.claim["crosses"])},
        "lines": lines,
    }


def position(record: PositionRecord) -> Json:
    return {
        "zone": record.zone,
        "interval": record.interval_s,
        "account": record.account,
        "open": _amounts(record.open),
        "closed": _amounts(record.closed),
        "net_micro": record.net_micro,
        "set_aside": record.set_aside,
    }


def _amounts(amounts: Amounts) -> Json:
    return {
        "bought_wh": amounts.bought_wh,
        "sold_wh": amounts.sold_wh,
        "imported_wh": amounts.imported_wh,
        "exported_wh": amounts.exported_wh,
    }
