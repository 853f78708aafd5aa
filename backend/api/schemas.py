"""JSON schemas of answers, in the words of OpenAPI 3.1. An answer has exactly these fields."""

from typing import Any

from backend.api.requests import I32_MAX, I32_MIN, SERIAL_MAX, U24_MAX, U32_MAX, U40_MAX
from backend.application.records import DisputeState, OutboxState, SessionState, SettlementState, StatementState
from domain.tariff import Direction
from domain.wire import Json


def integer(low: int = 0, high: int | None = None) -> Json:
    return {"type": "integer", "minimum": low} | ({} if high is None else {"maximum": high})


def text(pattern: str | None = None) -> Json:
    return {"type": "string"} | ({} if pattern is None else {"pattern": pattern})


def choice(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def array(item: Json) -> Json:
    return {"type": "array", "items": item}


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def record(**fields: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def listing(item: Json) -> Json:
    return record(items=array(item), next=maybe(integer(0, SERIAL_MAX)))


def joined(schema: Json, **more: Json) -> Json:
    """A record with more fields."""
    return record(**(schema["properties"] | more))


U24, U32, U40, UNSIGNED = integer(0, U24_MAX), integer(0, U32_MAX), integer(0, U40_MAX), integer()
PRICE, FLAG = integer(I32_MIN, I32_MAX), {"type": "boolean"}
ADDRESS, HASH, SIGNATURE = text("^0x[0-9a-fA-F]{40}$"), text("^0x[0-9a-f]{64}$"), text("^0x[0-9a-f]{130}$")
CID, SETTLEMENT, PLACE = text("^b[a-z2-7]{58}$"), text("^[0-9a-f]{32}$"), text("^[0-9]+-[0-9]+$")
FLOW = choice(*(one.label for one in Direction if not one.market))
DIRECTION = choice(*(one.label for one in Direction))

DEBT = record(
    debtor=U24, number=U32, creditor=U24, batch=maybe(UNSIGNED), owed_micro=UNSIGNED, share_micro=UNSIGNED, open=FLAG
)
DISPUTE = record(statement=PLACE, row=UNSIGNED, state=choice(*DisputeState), disputer=U24, answer_until=U40)
ACCOUNT = record(
    account=U24,
    owner=ADDRESS,
    driver_key=maybe(ADDRESS),
    roles=array(choice("governor", "operator", "settler", "auditor", "issuer")),
    closed=FLAG,
    free_micro=UNSIGNED,
    spendable_micro=UNSIGNED,
    locked_micro=UNSIGNED,
    owed_micro=UNSIGNED,
    daily_cap_micro=maybe(UNSIGNED),
    deposited_micro=UNSIGNED,
)
ACCOUNT_WITH_DEBTS = joined(ACCOUNT, debts=array(DEBT))
DEPOSITS = record(deposits=array(record(account=U24, amount_micro=UNSIGNED)))
REPLACEMENT = record(
    station=U24,
    sequence=U24,
    time=U40,
    closing_import_wh=U40,
    closing_export_wh=U40,
    opening_import_wh=U40,
    opening_export_wh=U40,
)
STATION = record(
    station=U24,
    signer=maybe(ADDRESS),
    former_keys=array(record(signer=ADDRESS, valid_until=U40)),
    payee=U24,
    rated_power_w=U32,
    bidirectional=FLAG,
    suspended_by_operator=FLAG,
    suspended_by_governance=FLAG,
    registered_import_wh=U40,
    registered_export_wh=U40,
    meter_replacements=array(REPLACEMENT),
    import_wh=U40,
    export_wh=U40,
    sequence=U24,
    last_reading_sequence=UNSIGNED,
    last_statement_sequence=U24,
)
TARIFF = record(tariff=U24, payee=U24, direction=DIRECTION, price_micro_per_kwh=PRICE, valid_from=U40, valid_to=U40)
METER_READING = record(
    station=U24,
    sequence=UNSIGNED,
    time=U40,
    import_wh=U40,
    export_wh=U40,
    power_w=integer(I32_MIN, I32_MAX),
    session=HASH,
    signature=SIGNATURE,
)
BMS_READING = record(
    account=U24,
    sequence=UNSIGNED,
    time=U40,
    state_of_charge_bp=UNSIGNED,
    state_of_health_bp=UNSIGNED,
    temperature_deci_c=integer(I32_MIN, I32_MAX),
    pack_millivolt=UNSIGNED,
    pack_milliampere=integer(I32_MIN, I32_MAX),
    session=HASH,
    signature=SIGNATURE,
)
_RANGE = record(station=U24, first=UNSIGNED, last=UNSIGNED)
_ANCHOR: dict[str, Json] = {
    "manifest": maybe(CID),
    "tx": maybe(HASH),
    "block": maybe(UNSIGNED),
    "confirmations": UNSIGNED,
}
ROW = record(
    row=UNSIGNED,
    account=U24,
    energy_wh=U32,
    start=U40,
    end=U40,
    tariff=maybe(U24),
    direction=FLOW,
    price_micro_per_kwh=maybe(PRICE),
    payer=maybe(U24),
    payee=maybe(U24),
    owed_micro=UNSIGNED,
    received_micro=UNSIGNED,
    set_aside=FLAG,
    dispute=maybe(choice(*DisputeState)),
)
_SIGNED_ROW = record(account=U24, energy_wh=U32, start_offset_s=U24, duration_s=UNSIGNED, tariff_offset=UNSIGNED)
_STATEMENT_STATE: dict[str, Json] = {
    "id": PLACE,
    "evidence": CID,
    "state": choice(*StatementState),
    "batch": maybe(UNSIGNED),
    "settlement": maybe(SETTLEMENT),
}
STATEMENT = record(
    station=U24,
    sequence=U24,
    start=U40,
    duration_s=U24,
    import_wh=U40,
    export_wh=U40,
    tariff_base=U24,
    telemetry_root=HASH,
    rows=array(_SIGNED_ROW),
    signature=SIGNATURE,
    **_STATEMENT_STATE,
)
STATEMENT["properties"]["refusal"] = text()
STATEMENT_WITH_WAY = joined(STATEMENT, rows=array(ROW), readings=_RANGE, **_ANCHOR)
STATEMENT_WITH_WAY["required"].remove("refusal")
SESSION = record(
    account=U24,
    station=U24,
    max_energy_wh=U40,
    max_price_micro_per_kwh=PRICE,
    max_cost_micro=UNSIGNED,
    discharge_allowed=FLAG,
    not_before=U40,
    expiry=U40,
    nonce=UNSIGNED,
    signature=SIGNATURE,
    session=HASH,
    energy_wh=UNSIGNED,
    cost_micro=UNSIGNED,
    state=choice(*SessionState),
)
SESSION_WITH_WAY = joined(
    SESSION,
    readings=maybe(_RANGE),
    statements=array(record(**_STATEMENT_STATE, readings=_RANGE, rows=array(ROW), **_ANCHOR)),
    more_statements=FLAG,
)
SETTLEMENT_STATE = record(
    settlement=SETTLEMENT,
    batch=maybe(UNSIGNED),
    state=choice(*SettlementState),
    tx=maybe(HASH),
    evidence=CID,
    statements=array(PLACE),
    rows=UNSIGNED,
    paid_micro=maybe(UNSIGNED),
    dust_micro=maybe(UNSIGNED),
    gas_used=maybe(UNSIGNED),
)
_AMOUNT = record(
    statement=PLACE, row=UNSIGNED, payer=U24, payee=U24, owed_micro=UNSIGNED, received_micro=UNSIGNED, set_aside=FLAG
)
SETTLEMENT_WITH_WAY = joined(SETTLEMENT_STATE, **_ANCHOR, amounts=array(_AMOUNT))
TRANSACTION = record(
    tx=HASH,
    sender=ADDRESS,
    nonce=UNSIGNED,
    purpose=text(),
    state=choice(*OutboxState),
    block=maybe(UNSIGNED),
    succeeded=maybe(FLAG),
    gas_used=maybe(UNSIGNED),
)
EVENT = record(block=UNSIGNED, log_index=UNSIGNED, contract=text(), name=text(), args={"type": "object"}, tx=HASH)
HEALTH = record(
    status=choice("ok"),
    chain_id=UNSIGNED,
    block=UNSIGNED,
    indexed_block=UNSIGNED,
    settlement=choice("running", "paused"),
)
STATUS = record(
    status=choice("ok", "attention"),
    attention=array(text()),
    time=U40,
    chain=record(chain_id=UNSIGNED, block=maybe(UNSIGNED), indexed_block=UNSIGNED),
    settlement=choice("running", "paused"),
    evidence=choice("answers", "does not answer"),
    members=record(accounts=UNSIGNED, stations=UNSIGNED, stations_suspended=UNSIGNED),
    sessions=record(authorised=UNSIGNED, open=UNSIGNED),
    readings=record(meter=UNSIGNED, bms=UNSIGNED, newest=maybe(U40)),
    statements=record(
        accepted=UNSIGNED,
        batched=UNSIGNED,
        settled=UNSIGNED,
        refused=UNSIGNED,
        void=UNSIGNED,
        oldest_waiting=maybe(U40),
    ),
    settlements=record(built=UNSIGNED, sent=UNSIGNED, settled=UNSIGNED, failed=UNSIGNED),
    transactions=record(queued=UNSIGNED, sent=UNSIGNED, mined=UNSIGNED, lost=UNSIGNED),
    market=maybe(
        record(
            auctions=record(without_book=UNSIGNED, unsettled=UNSIGNED, oldest=maybe(U40)),
            positions=record(closable=UNSIGNED, oldest=maybe(U40)),
        )
    ),
)
NETWORK = record(
    chain_id=UNSIGNED,
    contracts={"type": "object", "additionalProperties": ADDRESS},
    deploy_block=UNSIGNED,
)
AUDIT = record(head=UNSIGNED, batches=UNSIGNED, how=text())
PROBLEM_TYPE = record(type=text("^/v1/problems/"), title=text(), status=integer(400, 599), meaning=text())
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": text(),
        "status": integer(400, 599),
        "detail": text(),
    },
    "additionalProperties": True,
}
REFUSED = {
    "type": "object",
    "required": ["kind", "index", "type", "detail"],
    "properties": {"kind": choice("meter", "bms"), "index": UNSIGNED, "type": text(), "detail": text()},
    "additionalProperties": True,
}
_VERDICTS = {"type": "string", "pattern": "^[adr]*$", "maxLength": 5000}
DELIVERY = record(
    accepted=UNSIGNED,
    duplicate=UNSIGNED,
    refused=array(REFUSED),
    verdicts=record(meter=_VERDICTS, bms=_VERDICTS),
)
VERDICT = record(verdict=choice("accepted", "duplicate"))
