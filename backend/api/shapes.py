"""JSON that goes out."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from backend.application.accounts import AccountView
from backend.application.market_standing import MarketStanding
from backend.application.records import (
    DebtRecord,
    DisputeRecord,
    SessionRecord,
    SettlementRecord,
    StatementRecord,
    StatementRow,
    StationRecord,
    TransactionRecord,
)
from backend.application.status import Standing
from backend.application.ways import Anchor, SessionWay, SettlementWay, StatementWay
from domain.chain import ChainEvent
from domain.session import SignedAuthorisation
from domain.tariff import Tariff
from domain.text import address_text, hex_text
from domain.wire import Json, authorisation_to_json, replacement_to_json, statement_to_json

Item = TypeVar("Item")
State = TypeVar("State", bound=StrEnum)

ROLES = {1: "governor", 2: "operator", 4: "settler", 8: "auditor", 16: "issuer"}
ROLE_BITS = {name: bit for bit, name in ROLES.items()}


def page(items: Sequence[Item], limit: int, shape: Callable[[Item], Json], cursor: Callable[[Item], int]) -> Json:
    """A page of a list. `next` is null when there is no more."""
    more = cursor(items[-1]) if len(items) == limit else None
    return {"items": [shape(item) for item in items], "next": more}


def account(view: AccountView) -> Json:
    record = view.record
    return {
        "account": record.account,
        "owner": address_text(record.owner),
        "driver_key": address_text(record.driver_key) if record.driver_key else None,
        "roles": [name for bit, name in ROLES.items() if record.roles & bit],
        "closed": record.closed,
        "free_micro": view.balance.free_micro,
        "spendable_micro": view.balance.spendable_micro,
        "locked_micro": view.balance.locked_micro,
        "owed_micro": view.owed_micro,
        "daily_cap_micro": record.daily_cap_micro or None,
        "deposited_micro": record.deposited_micro,
    }


def account_with_debts(view: AccountView) -> Json:
    return account(view) | {"debts": [debt(one) for one in view.debts]}


def debt(record: DebtRecord) -> Json:
    return {
        "debtor": record.debtor,
        "number": record.number,
        "creditor": record.creditor,
        "batch": record.batch or None,
        "owed_micro": record.owed_micro,
        "share_micro": record.share_micro,
        "open": record.owed_micro != 0,
    }


def dispute(record: DisputeRecord) -> Json:
    return {
        "statement": statement_id((record.station, record.sequence)),
        "row": record.row,
        "state": record.state.value,
        "disputer": record.disputer,
        "answer_until": record.answer_until_s,
    }


def transaction(record: TransactionRecord) -> Json:
    return {
        "tx": hex_text(record.transaction),
        "sender": address_text(record.sender),
        "nonce": record.nonce,
        "purpose": record.purpose,
        "state": record.state.value,
        "block": record.block,
        "succeeded": record.succeeded,
        "gas_used": record.gas_used,
    }


def station(record: StationRecord) -> Json:
    known = record.station
    former = [{"signer": address_text(key), "valid_until": until_s} for key, until_s in known.former_keys.items()]
    return {
        "station": known.station,
        "signer": address_text(known.signer) if known.signer else None,
        "former_keys": former,
        "payee": known.payee,
        "rated_power_w": known.rated_power_w,
        "bidirectional": known.bidirectional,
        "suspended_by_operator": known.suspended_by_operator,
        "suspended_by_governance": known.suspended_by_governance,
        "registered_import_wh": known.import_wh,
        "registered_export_wh": known.export_wh,
        "meter_replacements": [replacement_to_json(one) for one in known.replacements],
        "import_wh": record.import_wh,
        "export_wh": record.export_wh,
        "sequence": record.sequence,
        "last_reading_sequence": record.last_reading,
        "last_statement_sequence": record.last_statement,
    }


def tariff(published: Tariff) -> Json:
    return {
        "tariff": published.tariff,
        "payee": published.payee,
        "direction": published.direction.label,
        "price_micro_per_kwh": published.price_micro_per_kwh,
        "valid_from": published.valid_from_s,
        "valid_to": published.valid_to_s,
    }


def session(record: SessionRecord) -> Json:
    signed = SignedAuthorisation(record.session.authorisation, record.session.signature)
    return authorisation_to_json(signed) | {
        "session": hex_text(record.session.session_id),
        "energy_wh": record.usage.energy_wh,
        "cost_micro": record.usage.cost_micro,
        "state": record.state.value,
    }


def statement_id(place: tuple[int, int]) -> str:
    return f"{place[0]}-{place[1]}"


def statement(record: StatementRecord) -> Json:
    shape = statement_to_json(record.signed) | {
        "id": statement_id(record.place),
        "evidence": record.evidence,
        "state": record.state.value,
        "batch": record.batch,
        "settlement": record.settlement,
    }
    return shape if record.refusal is None else shape | {"refusal": record.refusal}


def statement_way(way: StatementWay) -> Json:
    return statement(way.record) | _anchor(way.anchor) | {"readings": _readings(way.record), "rows": _rows(way)}


def session_way(way: SessionWay) -> Json:
    limits = way.record.session.authorisation
    named = way.first_reading is not None
    readings = {"station": limits.station, "first": way.first_reading, "last": way.record.last_reading}
    return session(way.record) | {
        "readings": readings if named else None,
        "statements": [_billed(one) for one in way.statements],
        "more_statements": way.more,
    }


def settlement(record: SettlementRecord) -> Json:
    return {
        "settlement": record.settlement,
        "batch": record.batch,
        "state": record.state.value,
        "tx": hex_text(record.transaction),
        "evidence": record.evidence,
        "statements": [statement_id(place) for place in record.statements],
        "rows": record.rows,
        "paid_micro": record.paid_micro,
        "dust_micro": record.dust_micro,
        "gas_used": record.gas_used,
    }


def settlement_way(way: SettlementWay) -> Json:
    amounts = [_amount(one, row) for one, rows in way.statements for row in rows if row.payment is not None]
    return settlement(way.record) | _anchor(way.anchor) | {"amounts": amounts}


def event(seen: ChainEvent) -> Json:
    return {
        "block": seen.block,
        "log_index": seen.log_index,
        "contract": seen.contract,
        "name": seen.name,
        "args": seen.plain_args(),
        "tx": hex_text(seen.tx),
    }


def status(standing: Standing) -> Json:
    counts = standing.counts
    return {
        "status": "attention" if standing.attention else "ok",
        "attention": list(standing.attention),
        "time": standing.time_s,
        "chain": {"chain_id": standing.chain_id, "block": standing.block, "indexed_block": counts.indexed_block},
        "settlement": "paused" if counts.paused else "running",
        "evidence": "answers" if standing.evidence_answers else "does not answer",
        "members": {
            "accounts": counts.accounts,
            "stations": counts.stations,
            "stations_suspended": counts.stations_suspended,
        },
        "sessions": {"authorised": counts.sessions, "open": counts.sessions_open},
        "readings": {
            "meter": counts.meter_readings,
            "bms": counts.bms_readings,
            "newest": counts.newest_reading_s,
        },
        "statements": _states(counts.statements) | {"oldest_waiting": counts.oldest_waiting_s},
        "settlements": _states(counts.settlements),
        "transactions": _states(counts.transactions),
        "market": _market(standing.market) if standing.market else None,
    }


def _market(found: MarketStanding) -> Json:
    return {
        "auctions": {
            "without_book": found.without_book,
            "unsettled": found.unsettled,
            "oldest": found.oldest_auction_s,
        },
        "positions": {"closable": found.closable, "oldest": found.oldest_closable_s},
    }


def _states(counts: Mapping[State, int]) -> Json:
    return {state.value: number for state, number in counts.items()}


def _anchor(anchor: Anchor) -> Json:
    return {
        "manifest": anchor.manifest,
        "tx": hex_text(anchor.transaction) if anchor.transaction else None,
        "block": anchor.block,
        "confirmations": anchor.confirmations,
    }


def _readings(record: StatementRecord) -> Json:
    return {"station": record.statement.station, "first": record.first_reading, "last": record.last_reading}


def _rows(way: StatementWay) -> list[Json]:
    return [_row(way.record, row, way.disputes.get(row.index)) for row in way.rows]


def _billed(way: StatementWay) -> Json:
    """A statement as its session shows it: without what its other rows and its signature say."""
    record = way.record
    return {
        "id": statement_id(record.place),
        "state": record.state.value,
        "evidence": record.evidence,
        "settlement": record.settlement,
        "batch": record.batch,
        "readings": _readings(record),
        "rows": _rows(way),
    } | _anchor(way.anchor)


def _row(record: StatementRecord, row: StatementRow, dispute: DisputeRecord | None) -> Json:
    start_s = record.statement.start_s + row.row.start_offset_s
    payment = row.payment
    return {
        "row": row.index,
        "account": row.row.account,
        "energy_wh": row.row.energy_wh,
        "start": start_s,
        "end": start_s + row.row.duration_s,
        "tariff": record.statement.tariff_of(row.row) if row.row.billed else None,
        "direction": row.direction.label,
        "price_micro_per_kwh": row.price_micro_per_kwh,
        "payer": payment.payer if payment else None,
        "payee": payment.payee if payment else None,
        "owed_micro": payment.owed_micro if payment else 0,
        "received_micro": payment.received_micro if payment else 0,
        "set_aside": row.set_aside,
        "dispute": dispute.state.value if dispute else None,
    }


def _amount(record: StatementRecord, row: StatementRow) -> Json:
    payment = row.payment
    if payment is None:
        return {}
    return {
        "statement": statement_id(record.place),
        "row": row.index,
        "payer": payment.payer,
        "payee": payment.payee,
        "owed_micro": payment.owed_micro,
        "received_micro": payment.received_micro,
        "set_aside": row.set_aside,
    }
