"""Every falsification of a statement is refused.

It is signed anew with the station's own key wherever the signature is not the point: the station itself is not
believed.
"""

from dataclasses import replace
from typing import Any

import pytest

from domain.drawing import draw_up
from domain.errors import (
    FromTheFuture,
    HighS,
    KeyNoLongerValid,
    RowsDiffer,
    RowsDoNotSum,
    SequenceGap,
    StatementRefused,
    StationIsSuspended,
    TariffNotValid,
    TelemetryRootDiffers,
    UnknownSession,
    UnknownTariff,
    WattledgerError,
    WrongSigner,
)
from domain.signing import CURVE_ORDER, SigningDomain
from domain.statement import UNBILLED_EXPORT, UNBILLED_IMPORT, SignedStatement
from domain.tariff import Direction
from domain.units import HOUSE_ACCOUNT, StationId, UnixSeconds
from tests.unit.domain.statements import DAY, TRUE, Falsify, verified, with_row
from tests.vectors.world import (
    ALICE,
    BOB,
    CHAIN_ID,
    CHARGE,
    DISCHARGE,
    EXPIRED,
    FOREIGN,
    OPERATOR,
    OTHER_KEY,
    START_S,
    STATION_DOMAIN,
    STATION_KEY,
    Step,
    altered,
    basis,
    by_id,
    session,
    signed_statement,
    station,
    tariff,
    tariffs,
)


def test_row_changed_after_signing_is_refused() -> None:
    signature = signed_statement(TRUE).signature
    with pytest.raises(WrongSigner):
        verified(SignedStatement(with_row(0, energy_wh=4_502)(TRUE), signature))


def test_account_swapped_after_signing_is_refused() -> None:
    signature = signed_statement(TRUE).signature
    with pytest.raises(WrongSigner):
        verified(SignedStatement(with_row(0, account=BOB)(TRUE), signature))


@pytest.mark.parametrize(
    "change",
    [
        {"station": 2},
        {"sequence": 2},
        {"start_s": START_S + 1},
        {"duration_s": 1},
        {"import_wh": 0},
        {"export_wh": 0},
        {"tariff_base": 1},
        {"telemetry_root": bytes(32)},
        {"rows": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_under_the_signature(change: dict[str, Any]) -> None:
    signature = signed_statement(TRUE).signature
    with pytest.raises((WrongSigner, StatementRefused)):
        verified(SignedStatement(altered(TRUE, **change), signature))


def test_statement_signed_by_another_key_is_refused() -> None:
    with pytest.raises(WrongSigner):
        verified(signed_statement(TRUE, OTHER_KEY))


def test_high_s_twin_of_a_statements_signature_is_refused() -> None:
    signature = signed_statement(TRUE).signature
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(HighS):
        verified(SignedStatement(TRUE, twin))


@pytest.mark.parametrize(
    "elsewhere", [SigningDomain(CHAIN_ID + 1, STATION_DOMAIN.contract), SigningDomain(CHAIN_ID, bytes(20))]
)
def test_statement_for_another_chain_or_contract_is_refused(elsewhere: SigningDomain) -> None:
    signature = STATION_KEY.sign(elsewhere.digest(TRUE.struct_hash()))
    with pytest.raises(WrongSigner):
        verified(SignedStatement(TRUE, signature))


def test_statement_of_a_key_that_was_cut_off_before_its_end_is_refused() -> None:
    cut = station().without_key(STATION_KEY.address, until_s=TRUE.end_s)
    verified(TRUE, replace(DAY, station=cut))
    cut = cut.without_key(STATION_KEY.address, until_s=UnixSeconds(TRUE.end_s - 1))
    with pytest.raises(KeyNoLongerValid):
        verified(TRUE, replace(DAY, station=cut))


@pytest.mark.parametrize("flag", ["suspended_by_operator", "suspended_by_governance"])
def test_statement_of_a_suspended_station_is_neither_drawn_up_nor_taken(flag: str) -> None:
    suspended = replace(DAY, station=altered(station(), **{flag: True}))
    with pytest.raises(StationIsSuspended):
        draw_up(1, suspended)
    with pytest.raises(StationIsSuspended):
        verified(TRUE, suspended)
    assert draw_up(1, replace(suspended, station=altered(suspended.station, **{flag: False}))) == TRUE


def test_statement_that_names_another_station_is_refused() -> None:
    quiet = basis([Step(0), Step(86_400)], {})
    with pytest.raises(WattledgerError):
        verified(replace(draw_up(1, quiet), station=StationId(2)), quiet)


@pytest.mark.parametrize("last_sequence", [1, 2, 5], ids=["replayed", "older", "much older"])
def test_statement_that_was_settled_before_is_refused(last_sequence: int) -> None:
    with pytest.raises(SequenceGap):
        verified(TRUE, last_sequence=last_sequence)


def test_statement_after_a_gap_is_refused() -> None:
    with pytest.raises(SequenceGap):
        verified(replace(TRUE, sequence=3), last_sequence=1)


def test_statement_from_the_future_is_refused() -> None:
    """Not even by a second: the contract would refuse the whole batch."""
    verified(TRUE, now_s=TRUE.end_s)
    with pytest.raises(FromTheFuture):
        verified(TRUE, now_s=TRUE.end_s - 1)


@pytest.mark.parametrize(
    ("falsify", "error"),
    [
        (with_row(0, energy_wh=4_502), RowsDoNotSum),
        (with_row(0, energy_wh=0), RowsDoNotSum),
        (with_row(5, energy_wh=4_568), RowsDoNotSum),
        (with_row(0, account=BOB), RowsDiffer),
        (with_row(0, account=OPERATOR), RowsDiffer),
        (with_row(0, start_offset_s=1), RowsDiffer),
        (with_row(0, duration_s=899), RowsDiffer),
        (with_row(0, account=HOUSE_ACCOUNT), RowsDiffer),
        (with_row(0, account=HOUSE_ACCOUNT, tariff_offset=UNBILLED_IMPORT), RowsDiffer),
        (with_row(0, tariff_offset=UNBILLED_IMPORT), RowsDiffer),
        (with_row(2, tariff_offset=CHARGE - EXPIRED), RowsDiffer),
        (with_row(2, account=ALICE), RowsDiffer),
        (with_row(2, account=ALICE, tariff_offset=CHARGE - EXPIRED), RowsDiffer),
        (with_row(2, tariff_offset=UNBILLED_EXPORT), RowsDoNotSum),
        (with_row(0, tariff_offset=DISCHARGE - EXPIRED), RowsDoNotSum),
        (with_row(0, tariff_offset=100), UnknownTariff),
        (with_row(0, tariff_offset=FOREIGN - EXPIRED), TariffNotValid),
        (lambda s: replace(s, rows=s.rows[1:]), RowsDoNotSum),
        (lambda s: replace(s, rows=()), RowsDoNotSum),
        (lambda s: replace(s, rows=(*s.rows, s.rows[0])), RowsDoNotSum),
        (lambda s: replace(s, rows=(*s.rows, replace(s.rows[0], energy_wh=0))), RowsDiffer),
        (lambda s: replace(s, rows=tuple(reversed(s.rows))), RowsDiffer),
        (lambda s: replace(s, telemetry_root=bytes(32)), TelemetryRootDiffers),
        (lambda s: replace(s, import_wh=s.import_wh + 1), RowsDoNotSum),
        (lambda s: replace(s, import_wh=s.import_wh - 1), RowsDoNotSum),
        (lambda s: replace(s, export_wh=s.export_wh - 1), RowsDoNotSum),
        (lambda s: with_row(0, energy_wh=4_500)(replace(s, import_wh=s.import_wh - 1)), StatementRefused),
        (lambda s: replace(s, start_s=s.start_s - 1), StatementRefused),
        (lambda s: replace(s, start_s=s.start_s - 1, duration_s=s.duration_s + 1), StatementRefused),
        (lambda s: replace(s, duration_s=s.duration_s + 1), StatementRefused),
        (lambda s: replace(s, tariff_base=(1 << 24) - 1), UnknownTariff),
    ],
    ids=[
        "a row's energy raised",
        "a row's energy hidden",
        "energy given back raised",
        "account swapped for another driver",
        "account swapped for the operator",
        "a row moved",
        "a row shortened",
        "the house is billed",
        "a driver's energy put on the house",
        "a driver's row not billed",
        "the house's row is billed",
        "the house's energy put on a driver, unbilled",
        "the house's energy billed to a driver",
        "unbilled energy turned round",
        "charging turned into giving back",
        "a tariff that was never published",
        "a tariff of another operator",
        "a row dropped",
        "all rows dropped",
        "a row twice",
        "an empty row added",
        "rows in another order",
        "another telemetry root",
        "import register above",
        "import register below",
        "export register below",
        "register and row lowered together",
        "start moved",
        "start moved, end kept",
        "end moved",
        "tariff base moved",
    ],
)
def test_station_that_signs_what_its_readings_do_not_say_is_refused(falsify: Falsify, error: type[Exception]) -> None:
    with pytest.raises(error):
        verified(falsify(TRUE))


def test_tariff_that_has_expired_is_refused() -> None:
    with pytest.raises(TariffNotValid, match="valid from"):
        verified(with_row(0, tariff_offset=0)(TRUE))


def test_tariffs_may_be_counted_from_any_base() -> None:
    rows = tuple(replace(r, tariff_offset=r.tariff_offset - 1) if r.billed else r for r in TRUE.rows)
    moved = replace(TRUE, tariff_base=CHARGE, rows=rows)
    assert verified(moved).statement.rows == rows


def test_statements_of_the_same_days_share_their_base() -> None:
    """A batch looks tariffs up once for each base, so stations count from the first of the operator's page."""
    evening = basis([Step(0), Step(900, 0, 900, session(ALICE).session_id)], by_id(session(ALICE)))
    assert draw_up(1, evening).tariff_base == TRUE.tariff_base == EXPIRED


def test_tariff_that_starts_within_the_row_is_refused() -> None:
    later = tariffs()
    later.add(tariff(4, OPERATOR, Direction.CHARGE, 200_000, START_S + 1))
    with pytest.raises(TariffNotValid, match="valid from"):
        verified(with_row(0, tariff_offset=4 - EXPIRED)(TRUE), replace(DAY, tariffs=later))


@pytest.mark.parametrize("dropped", range(len(DAY.readings)))
def test_statement_over_a_series_with_one_reading_dropped_is_refused(dropped: int) -> None:
    fewer = [r for index, r in enumerate(DAY.readings) if index != dropped]
    with pytest.raises(StatementRefused):
        verified(TRUE, replace(DAY, readings=fewer))


def test_statement_over_readings_in_another_order_is_refused() -> None:
    first, second, *rest = DAY.readings
    with pytest.raises(TelemetryRootDiffers):
        verified(TRUE, replace(DAY, readings=[second, first, *rest]))


def test_statement_over_readings_with_another_signature_is_refused() -> None:
    first, *rest = DAY.readings
    other = replace(first, signature=OTHER_KEY.sign(STATION_DOMAIN.digest(first.reading.struct_hash())))
    with pytest.raises(TelemetryRootDiffers):
        verified(TRUE, replace(DAY, readings=[other, *rest]))


def test_statement_over_a_session_that_is_not_given_is_refused() -> None:
    with pytest.raises(UnknownSession):
        verified(TRUE, replace(DAY, sessions={}))
