"""JSON that goes out."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from backend.application.accounts import AccountView
from backend.application.records import (
    SessionRecord,
    SettlementRecord,
    StatementRecord,
    StatementRow,
    StationRecord,
)
from domain.chain import ChainEvent
from domain.session import SignedAuthorisation
from domain.tariff import Tariff
from domain.text import address_text, hex_text
from domain.wire import Json, authorisation_to_json, statement_to_json

Item = TypeVar("Item")

ROLES = {1: "governor", 2: "operator", 4: "settler", 8: "auditor", 16: "issuer"}
LOG_INDEX_BITS = 20
_ADDRESS_BYTES = 20


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
        "free_micro": view.free_micro,
        "deposited_micro": record.deposited_micro,
    }


def station(record: StationRecord) -> Json:
    known = record.station
    return {
        "station": known.station,
        "signer": address_text(known.signer),
        "payee": known.payee,
        "rated_power_w": known.rated_power_w,
        "bidirectional": known.bidirectional,
        "revoked": known.revoked,
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


def statement_with_amounts(record: StatementRecord, rows: Sequence[StatementRow]) -> Json:
    return statement(record) | {"rows": [_row(record, row) for row in rows]}


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


def settlement_with_amounts(
    record: SettlementRecord, statements: Sequence[tuple[StatementRecord, Sequence[StatementRow]]]
) -> Json:
    amounts = [_amount(one, row) for one, rows in statements for row in rows if row.payment is not None]
    return settlement(record) | {"amounts": amounts}


def event(seen: ChainEvent) -> Json:
    return {
        "block": seen.block,
        "log_index": seen.log_index,
        "contract": seen.contract,
        "name": seen.name,
        "args": {name: _argument(value) for name, value in seen.args.items()},
        "tx": hex_text(seen.tx),
    }


def event_cursor(seen: ChainEvent) -> int:
    return seen.block << LOG_INDEX_BITS | seen.log_index


def _row(record: StatementRecord, row: StatementRow) -> Json:
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


def _argument(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    return address_text(value) if len(value) == _ADDRESS_BYTES else hex_text(value)
