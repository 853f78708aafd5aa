"""The audit finds nothing in records that are in order, and names each tampering with them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.audit import Finding, FindingCode
from domain.audit.claims import AmountClaim, Claims, compare_claims
from domain.batch import SettlementBatch, decode_batch, encode_batch
from domain.chain import Call, ChainEvent
from domain.compression import compress
from domain.errors import EvidenceAltered, Malformed
from domain.evidence import MAX_JSON_BYTES, unpack
from domain.merkle import EMPTY_ROOT
from domain.reading import SignedMeterReading
from domain.signing import word
from domain.units import UnixSeconds
from tests.unit.audit.record import (
    OTHER_STATION,
    Evidence,
    Record,
    blobs_of,
    bms_series,
    enrolled,
    settle,
    settled_world,
    two_days,
)
from tests.vectors.world import (
    ALICE,
    BOB,
    DRIVER_KEYS,
    OTHER_KEY,
    START_S,
    STATION_KEY,
    altered,
    signed_reading,
    signed_statement,
)


def codes(findings: list[Finding]) -> set[FindingCode]:
    return {finding.code for finding in findings}


def test_records_in_order_have_no_findings() -> None:
    auditor = settled_world().audit()
    assert list(auditor.findings) == []
    tally = auditor.tally
    assert (tally.batches, tally.statements, tally.bms_readings) == (2, 2, 7)
    assert tally.meter_readings == sum(len(e.readings) for e in two_days())
    assert tally.paid_micro > 0


def test_flipped_byte_of_any_blob_is_an_altered_blob() -> None:
    for kind in (b"statement-evidence", b"vehicle-evidence", b"evidence-manifest"):
        record = settled_world()
        cid = next(blobs_of(record, kind))
        data = record.blobs[cid]
        record.blobs[cid] = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        assert codes(record.findings()) >= {FindingCode.EVIDENCE_ALTERED, FindingCode.EVIDENCE_MALFORMED}


def test_blob_that_unpacks_to_more_than_a_blob_may_hold_is_malformed() -> None:
    record = settled_world(lambda _: compress(bytes(MAX_JSON_BYTES + 1)))
    assert codes(record.findings()) == {FindingCode.EVIDENCE_MALFORMED}


def test_each_missing_blob_is_named() -> None:
    for cid in settled_world().blobs:
        record = settled_world()
        del record.blobs[cid]
        missing = [f for f in record.findings() if f.code == FindingCode.EVIDENCE_MISSING]
        assert len(missing) == 1
        assert cid in missing[0].where


def test_blob_that_its_store_calls_altered_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose blocks lead to no file has no bytes to show."""
    record = settled_world()
    cid = next(blobs_of(record, b"vehicle-evidence"))

    def read(_: Record, asked: str) -> bytes:
        if asked == cid:
            raise EvidenceAltered(cid, "no file")
        return record.blobs[asked]

    monkeypatch.setattr(Record, "read", read)
    [finding] = [f for f in record.findings() if f.code == FindingCode.EVIDENCE_ALTERED]
    assert cid in finding.where


def test_altered_reading_is_named_with_its_place() -> None:
    record = settled_world()
    cid = next(blobs_of(record, b"statement-evidence"))
    record.blobs[cid] = compress(unpack(record.blobs[cid]).replace(b'"power_w":18000', b'"power_w":18001', 1))
    findings = record.findings()
    assert codes(findings) >= {FindingCode.EVIDENCE_ALTERED, FindingCode.READING_SIGNATURE, FindingCode.TELEMETRY_ROOT}
    assert any("station 1 statement 1, reading 2" in f.where for f in findings)


# An operator who controls the backend commits these blobs on chain under their true CIDs.


def _swap_in(stranger: SignedMeterReading) -> Callable[[Evidence], bytes]:
    def meddle(evidence: Evidence) -> bytes:
        readings = list(evidence.readings)
        readings[1] = stranger
        return Evidence(evidence.statement, evidence.authorisations, readings).blob()

    return meddle


def test_committed_reading_of_another_station_is_a_swapped_reading() -> None:
    reading = two_days()[0].readings[1].reading
    stranger = signed_reading(altered(reading, station=OTHER_STATION), OTHER_KEY)
    findings = settled_world(_swap_in(stranger)).findings()
    assert codes(findings) == {FindingCode.READING_SWAPPED, FindingCode.TELEMETRY_ROOT}
    swapped = next(f for f in findings if f.code == FindingCode.READING_SWAPPED)
    assert "of station 2, genuinely signed" in swapped.found


def test_committed_reading_of_another_place_is_a_swapped_reading() -> None:
    stranger = two_days()[0].readings[4]
    findings = settled_world(_swap_in(stranger)).findings()
    assert FindingCode.READING_SWAPPED in codes(findings)


def test_committed_reading_signed_anew_by_its_station_has_another_root() -> None:
    reading = two_days()[0].readings[1].reading
    forged = signed_reading(altered(reading, power_w=1), STATION_KEY)
    assert FindingCode.TELEMETRY_ROOT in codes(settled_world(_swap_in(forged)).findings())


def test_dropped_reading_is_a_gap() -> None:
    def meddle(evidence: Evidence) -> bytes:
        return Evidence(
            evidence.statement, evidence.authorisations, evidence.readings[:2] + evidence.readings[3:]
        ).blob()

    found = codes(settled_world(meddle).findings())
    assert FindingCode.TELEMETRY_ROOT in found
    assert found & {FindingCode.READING_SEQUENCE, FindingCode.READING_SWAPPED}


def test_statement_over_no_reading_at_all_is_named() -> None:
    """A station's key and a settler who does not check are enough to settle it; the signed root is the empty one."""
    record = enrolled()
    day = two_days()[0]
    statement = altered(day.statement.statement, telemetry_root=EMPTY_ROOT)
    settle(record, [Evidence(signed_statement(statement), day.authorisations, [])], {})
    assert codes(record.findings()) == {FindingCode.ROWS_MISMATCH}


def test_reading_numbered_0_after_a_lost_blob_does_not_stop_the_audit() -> None:
    def meddle(evidence: Evidence) -> bytes:
        if evidence.statement.statement.sequence == 1:
            return b"lost"
        first = evidence.readings[0].reading
        return Evidence(
            evidence.statement,
            evidence.authorisations,
            [signed_reading(altered(first, sequence=0)), *evidence.readings[1:]],
        ).blob()

    found = codes(settled_world(meddle).findings())
    assert found >= {FindingCode.EVIDENCE_MALFORMED, FindingCode.READING_SEQUENCE, FindingCode.TELEMETRY_ROOT}


def test_tariff_that_no_event_published_does_not_stop_the_audit() -> None:
    record = settled_world()
    record.events = [e for e in record.events if e.name != "TariffPublished"]
    assert codes(record.findings()) >= {FindingCode.TARIFF_INVALID, FindingCode.ROWS_MISMATCH}


def test_events_with_a_missing_beginning_cannot_be_audited() -> None:
    record = settled_world()
    record.events = [e for e in record.events if e.name != "AccountOpened"]
    with pytest.raises(Malformed, match="must name the first block"):
        record.findings()


def test_dropped_authorisation_leaves_rows_without_a_driver() -> None:
    def meddle(evidence: Evidence) -> bytes:
        return Evidence(evidence.statement, evidence.authorisations[:1], evidence.readings).blob()

    assert FindingCode.ROWS_MISMATCH in codes(settled_world(meddle).findings())


def test_forged_authorisation_is_named() -> None:
    def meddle(evidence: Evidence) -> bytes:
        signed = evidence.authorisations[0]
        forged = replace(signed, signature=OTHER_KEY.sign(bytes(32)))
        return Evidence(evidence.statement, [forged, *evidence.authorisations[1:]], evidence.readings).blob()

    assert FindingCode.AUTHORISATION_SIGNATURE in codes(settled_world(meddle).findings())


def _with_new_key(replaced_at_s: int, new_key: bytes) -> Record:
    """Alice replaced her vehicle key at this time; what is settled afterwards was signed with the old one."""
    record = enrolled()
    record.times[len(record.events)] = UnixSeconds(replaced_at_s)
    old = DRIVER_KEYS[ALICE].address
    record.event("AccountRegistry", "DriverKeySet", account=ALICE, driverKey=new_key, previousKey=old)
    day, following = two_days()
    settle(record, [day], {ALICE: bms_series(ALICE, 1, 3)})
    settle(record, [following], {})
    return record


@pytest.mark.parametrize("new_key", [OTHER_KEY.address, bytes(20)], ids=["another key", "no key"])
def test_replaced_vehicle_key_signs_for_what_began_before(new_key: bytes) -> None:
    began_s = max(bms_series(ALICE, 3, 1)[0].reading.time_s, START_S + 300)
    assert _with_new_key(began_s, new_key).findings() == []


@pytest.mark.parametrize("new_key", [OTHER_KEY.address, bytes(20)], ids=["another key", "no key"])
def test_replaced_vehicle_key_signs_for_nothing_that_began_later(new_key: bytes) -> None:
    """Who stole the old key has the backend on his side: it took the authorisation all the same."""
    found = codes(_with_new_key(START_S - 1, new_key).findings())
    assert found >= {FindingCode.AUTHORISATION_SIGNATURE, FindingCode.READING_SIGNATURE}


def test_blob_of_another_statement_is_unrelated() -> None:
    other = two_days()[1]

    def meddle(evidence: Evidence) -> bytes:
        return other.blob()

    assert FindingCode.EVIDENCE_UNRELATED in codes(settled_world(meddle).findings())


def test_bms_reading_of_a_stranger_is_named() -> None:
    record = enrolled()
    series = bms_series(ALICE, 1, 3)
    series[1] = replace(series[1], signature=bms_series(BOB, 2, 1)[0].signature)
    settle(record, [two_days()[0]], {ALICE: series})
    assert codes(record.findings()) >= {FindingCode.READING_SIGNATURE}


def test_bms_gap_is_named() -> None:
    record = enrolled()
    settle(record, [two_days()[0]], {ALICE: [*bms_series(ALICE, 1, 1), *bms_series(ALICE, 3, 1)]})
    assert codes(record.findings()) == {FindingCode.READING_SEQUENCE}


# A chain that lies: no honest node does, the audit still says what does not add up.


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
    books = record.audit().books
    return Claims(
        block=record.events[-1].block,
        amounts=[
            AmountClaim(
                station=p.station,
                sequence=p.sequence,
                row=p.row,
                payer=p.payer,
                payee=p.payee,
                owed_micro=p.owed_micro,
                received_micro=p.received_micro,
                set_aside=aside,
            )
            for p, aside in books.payments.values()
        ],
        balances={account: book.free_micro for account, book in books.accounts.items()},
        stations={n: (s.import_wh, s.export_wh, s.sequence) for n, s in books.stations.items()},
    )


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
