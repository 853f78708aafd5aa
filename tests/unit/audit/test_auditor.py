"""The audit finds nothing in records that are in order, and names each tampering with them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.audit import Finding, FindingCode
from domain.compression import compress
from domain.errors import EvidenceAltered, Malformed
from domain.evidence import MAX_JSON_BYTES, unpack
from domain.merkle import EMPTY_ROOT
from domain.reading import SignedMeterReading
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
