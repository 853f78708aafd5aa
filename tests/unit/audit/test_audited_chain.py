"""What the chain says is held against itself: altered events, batches that do not follow, claims that differ."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.audit_life import claims_from
from domain.audit import Finding, FindingCode
from domain.audit.claims import Claims, compare_claims
from domain.batch import SettlementBatch, decode_batch, encode_batch
from domain.chain import Call, ChainEvent
from domain.signing import word
from tests.unit.audit.record import Evidence, Record, enrolled, settle, settled_world, two_days
from tests.unit.audit.test_auditor import codes
from tests.vectors.world import ALICE, BOB, OTHER_KEY, altered, signed_statement


def _event(record: Record, name: str) -> int:
    return next(i for i, e in enumerate(record.events) if e.name == name)


def _altered_event(record: Record, name: str, **args: object) -> None:
    at = _event(record, name)
    event: ChainEvent = record.events[at]
    record.events[at] = replace(event, args={**event.args, **args})


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("BatchSettled", {"paidMicro": 1}, FindingCode.AMOUNT_MISMATCH),
        ("BatchSettled", {"dustMicro": 10**6}, FindingCode.AMOUNT_MISMATCH),
        ("BatchSettled", {"batch": 7}, FindingCode.BATCH_NUMBER),
        ("BatchSettled", {"evidence": bytes(32)}, FindingCode.EVENT_MISMATCH),
        ("BatchSettled", {"statements": [1]}, FindingCode.EVENT_MISMATCH),
        ("BatchSettled", {"statements": []}, FindingCode.EVENT_MISMATCH),
        ("BatchSettled", {"digest": bytes(32)}, FindingCode.BATCH_DIGEST),
        ("BatchSettled", {"digest": bytes(32)}, FindingCode.BATCH_CHAIN),
        ("Deposited", {"amountMicro": 1}, FindingCode.BALANCE_MISMATCH),
        ("StationRegistered", {"signer": OTHER_KEY.address}, FindingCode.STATEMENT_SIGNATURE),
        ("StationRegistered", {"importWh": 0}, FindingCode.REGISTER_MISMATCH),
        ("StationRegistered", {"payee": 5}, FindingCode.TARIFF_INVALID),
        ("StationRegistered", {"ratedPowerW": 1}, FindingCode.READING_IMPLAUSIBLE),
    ],
)
def test_altered_event_is_named(name: str, args: dict[str, object], code: FindingCode) -> None:
    record = settled_world()
    _altered_event(record, name, **args)
    assert code in codes(record.findings())


def test_altered_price_changes_amounts() -> None:
    record = settled_world()
    at = next(i for i, e in enumerate(record.events) if e.name == "TariffPublished" and e.args["tariff"] == 1)
    record.events[at] = replace(record.events[at], args={**record.events[at].args, "priceMicroPerKwh": 300_002})
    assert FindingCode.AMOUNT_MISMATCH in codes(record.findings())


def test_altered_balance_is_named_with_the_account() -> None:
    record = settled_world()
    record.balances[BOB] += 1
    findings = record.findings()
    assert codes(findings) == {FindingCode.BALANCE_MISMATCH}
    assert findings[0].where.startswith(f"account {BOB}")


def _with_batch(record: Record, change: Callable[[SettlementBatch], SettlementBatch]) -> None:
    tx = record.events[_event(record, "BatchSettled")].tx
    data = record.calls[tx].data
    length = int.from_bytes(data[36:68], "big")
    changed = encode_batch(change(decode_batch(data[68 : 68 + length])))
    record.calls[tx] = Call(
        to=record.calls[tx].to, data=data[:4] + word(32) + word(len(changed)) + changed + bytes(-len(changed) % 32)
    )


def test_account_swapped_in_a_settled_row_breaks_the_signature() -> None:
    def swap(batch: SettlementBatch) -> SettlementBatch:
        signed = batch.statements[0]
        rows = (altered(signed.statement.rows[0], account=BOB), *signed.statement.rows[1:])
        statement = altered(signed.statement, rows=rows)
        return replace(batch, statements=(replace(signed, statement=statement),))

    record = settled_world()
    _with_batch(record, swap)
    assert codes(record.findings()) >= {FindingCode.STATEMENT_SIGNATURE, FindingCode.BALANCE_MISMATCH}


def test_replayed_statement_is_out_of_sequence() -> None:
    record = settled_world()
    day = two_days()[0]
    settle(record, [day], {})
    assert FindingCode.STATEMENT_SEQUENCE in codes(record.findings())


def test_hidden_session_breaks_the_register() -> None:
    record = enrolled()
    day = two_days()[0]
    statement = altered(day.statement.statement, rows=day.statement.statement.rows[1:])
    settle(record, [Evidence(signed_statement(statement), day.authorisations, day.readings)], {})
    assert FindingCode.REGISTER_MISMATCH in codes(record.findings())


def test_batch_behind_another_contract_is_hidden() -> None:
    record = settled_world()
    tx = record.events[_event(record, "BatchSettled")].tx
    record.calls[tx] = Call(to=bytes(20), data=record.calls[tx].data)
    assert FindingCode.BATCH_HIDDEN in codes(record.findings())


def test_trailing_bytes_make_a_batch_malformed() -> None:
    record = settled_world()
    tx = record.events[_event(record, "BatchSettled")].tx
    data = record.calls[tx].data
    length = int.from_bytes(data[36:68], "big") - 1
    record.calls[tx] = Call(to=record.calls[tx].to, data=data[:36] + word(length) + data[68:])
    assert FindingCode.BATCH_MALFORMED in codes(record.findings())


def test_unreported_set_aside_is_named() -> None:
    record = enrolled()
    at = next(i for i, e in enumerate(record.events) if e.name == "Deposited" and e.args["account"] == ALICE)
    record.events[at] = replace(record.events[at], args={**record.events[at].args, "amountMicro": 1})
    record.balances[ALICE] = 1
    settle(record, [two_days()[0]], {})
    assert record.findings() == []
    record.events = [e for e in record.events if e.name != "RowSetAside"]
    assert codes(record.findings()) == {FindingCode.SET_ASIDE_MISMATCH}


def test_row_set_aside_outside_of_a_batch_is_named() -> None:
    record = settled_world()
    record.event("SessionSettlement", "RowSetAside", station=1, batch=1, payer=ALICE, sequence=1, row=0, owedMicro=1)
    assert codes(record.findings()) == {FindingCode.SET_ASIDE_MISMATCH}


# What a server claims.


def _claims(record: Record) -> Claims:
    return claims_from(record.audit().books, record.events[-1].block)


def _compared(claims: Claims) -> list[Finding]:
    auditor = settled_world().audit()
    compare_claims(claims, auditor.books, auditor.report)
    return list(auditor.findings)


def test_true_claims_have_no_findings() -> None:
    assert _compared(_claims(settled_world())) == []


def test_each_kind_of_false_claim_is_named() -> None:
    claims = _claims(settled_world())
    amounts = list(claims.amounts)
    first = amounts[0]
    assert codes(_compared(replace(claims, amounts=[replace(first, owed_micro=1), *amounts[1:]]))) == {
        FindingCode.CLAIM_AMOUNT
    }
    assert codes(_compared(replace(claims, amounts=[replace(first, set_aside=True), *amounts[1:]]))) == {
        FindingCode.CLAIM_AMOUNT
    }
    assert codes(_compared(replace(claims, amounts=amounts[1:]))) == {FindingCode.CLAIM_MISSING}
    assert codes(_compared(replace(claims, amounts=[*amounts, replace(first, row=99)]))) == {FindingCode.CLAIM_UNPROVEN}
    assert codes(_compared(replace(claims, balances={**claims.balances, BOB: 0}))) == {FindingCode.CLAIM_BALANCE}
    assert codes(_compared(replace(claims, stations={1: (0, 0, 0)}))) == {FindingCode.CLAIM_STATION}
