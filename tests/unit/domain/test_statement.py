"""Statements: the ones that follow from the readings are verified, every falsification is refused.

A falsified statement is signed anew with the station's own key wherever the signature is not the point:
the station itself is not believed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from domain.drawing import draw_up
from domain.errors import (
    FromTheFuture,
    HighS,
    KeyNoLongerValid,
    Malformed,
    NoTariff,
    NotAuthorised,
    OutOfRange,
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
from domain.metering import Basis, meter_rows
from domain.session import Session, Usage
from domain.signing import CURVE_ORDER, SigningDomain
from domain.statement import (
    UNBILLED_EXPORT,
    UNBILLED_IMPORT,
    IntervalStatement,
    Row,
    SignedStatement,
    VerifiedStatement,
)
from domain.tariff import Direction, TariffTable
from domain.units import HOUSE_ACCOUNT, AccountId, EnergyWh, StationId, UnixSeconds, cost_ceil
from domain.verification import verify_statement
from tests.vectors.world import (
    ALICE,
    BOB,
    CHAIN_ID,
    CHARGE,
    DISCHARGE,
    EXPIRED,
    FOREIGN,
    NOW_S,
    OPERATOR,
    OTHER_KEY,
    START_S,
    STATION_DOMAIN,
    STATION_KEY,
    Limits,
    Step,
    altered,
    basis,
    busy_day,
    by_id,
    session,
    signed_statement,
    station,
    tariff,
    tariffs,
)

DAY = busy_day()
TRUE = draw_up(1, DAY)
Falsify = Callable[[IntervalStatement], IntervalStatement]


def verified(
    statement: IntervalStatement | SignedStatement,
    over: Basis = DAY,
    *,
    last_sequence: int = 0,
    usage: Mapping[bytes, Usage] | None = None,
    now_s: int = NOW_S,
) -> VerifiedStatement:
    signed = statement if isinstance(statement, SignedStatement) else signed_statement(statement)
    return verify_statement(
        signed,
        last_sequence=last_sequence,
        basis=over,
        usage=usage or {},
        domain=STATION_DOMAIN,
        now_s=UnixSeconds(now_s),
    )


def with_row(index: int, **change: Any) -> Falsify:
    def falsify(statement: IntervalStatement) -> IntervalStatement:
        rows = list(statement.rows)
        rows[index] = altered(rows[index], **change)
        return replace(statement, rows=tuple(rows))

    return falsify


# --- what is true is verified ------------------------------------------------------------------


def test_statement_drawn_up_from_readings_is_verified() -> None:
    assert verified(TRUE).statement == TRUE


def test_rows_of_the_busy_day_are_the_ones_worked_out_by_hand() -> None:
    found = [
        (row.account, row.energy_wh, row.start_offset_s, row.duration_s, TRUE.tariff_base + row.tariff_offset)
        for row in TRUE.rows
    ]
    unbilled = [TRUE.tariff_base + UNBILLED_IMPORT, TRUE.tariff_base + UNBILLED_EXPORT]
    assert found == [
        (ALICE, 4_501, 0, 900, CHARGE),
        (ALICE, 1_999, 900, 450, CHARGE),
        (HOUSE_ACCOUNT, 2, 1_350, 60, unbilled[0]),
        (HOUSE_ACCOUNT, 1, 1_350, 60, unbilled[1]),
        (BOB, 2_000, 1_410, 390, CHARGE),
        (ALICE, 4_567, 1_800, 900, DISCHARGE),
    ]
    assert (TRUE.start_s, TRUE.end_s) == (START_S, START_S + 7_700)


def test_usage_is_what_each_session_was_billed_for() -> None:
    price = tariffs().of(CHARGE).price_micro_per_kwh
    alice, bob = session(ALICE), session(BOB)
    assert verified(TRUE).usage == {
        alice.session_id: Usage(6_500, cost_ceil(EnergyWh(4_501), price) + cost_ceil(EnergyWh(1_999), price)),
        bob.session_id: Usage(2_000, cost_ceil(EnergyWh(2_000), price)),
    }


def test_second_statement_starts_where_the_first_one_ended() -> None:
    alice = session(ALICE)
    opening = DAY.readings[-1].reading
    following = basis([Step(100, 50, 0, alice.session_id)], by_id(alice), opening=opening)
    statement = draw_up(2, following)
    assert statement.start_s == TRUE.end_s
    assert statement.import_wh == TRUE.import_wh + 50
    usage = {alice.session_id: Usage(6_500, 1)}
    assert verified(statement, following, last_sequence=1, usage=usage).usage[alice.session_id].energy_wh == 6_550


def test_statement_of_a_quiet_time_has_no_rows() -> None:
    quiet = basis([Step(0), Step(86_400)], {})
    statement = draw_up(1, quiet)
    assert statement.rows == ()
    assert verified(statement, quiet).usage == {}


def test_two_sessions_of_one_account_are_rows_of_their_own() -> None:
    first, second = session(ALICE, Limits(nonce=1)), session(ALICE, Limits(nonce=2))
    both = basis([Step(0), Step(60, 10, 0, first.session_id), Step(60, 20, 0, second.session_id)], by_id(first, second))
    statement = draw_up(1, both)
    assert [(row.account, row.energy_wh) for row in statement.rows] == [(ALICE, 10), (ALICE, 20)]
    assert verified(statement, both).usage[second.session_id].energy_wh == 20


def test_statement_ends_at_a_tariffs_last_second() -> None:
    alice = session(ALICE)
    ending = TariffTable([tariff(0, OPERATOR, Direction.CHARGE, 1_000, START_S - 900, 1)])
    end_s = ending.of(0).valid_to_s
    steps = [Step(end_s - START_S - 60), Step(60, 10, 0, alice.session_id)]
    over = replace(basis(steps, by_id(alice)), tariffs=ending)
    assert verified(draw_up(1, over), over)


# --- what cannot be drawn up -------------------------------------------------------------------


def test_statement_without_readings_is_refused() -> None:
    empty = replace(DAY, readings=())
    with pytest.raises(StatementRefused, match="no reading"):
        draw_up(1, empty)
    with pytest.raises(StatementRefused):
        verified(TRUE, empty)
    opening = DAY.readings[-1].reading
    nothing = replace(TRUE, sequence=2, rows=(), duration_s=0, start_s=opening.time_s)
    with pytest.raises(StatementRefused, match="no reading"):
        verified(nothing, replace(empty, opening=opening), last_sequence=1)


def test_statement_without_a_tariff_cannot_be_drawn_up() -> None:
    with pytest.raises(NoTariff, match="discharge"):
        draw_up(1, replace(DAY, tariffs=TariffTable([tariffs().of(CHARGE)])))


def test_statement_over_a_session_that_nobody_authorised_cannot_be_drawn_up() -> None:
    with pytest.raises(UnknownSession):
        draw_up(1, replace(DAY, sessions=by_id(session(ALICE))))


def test_tariffs_too_far_apart_for_one_statement_are_named() -> None:
    far = tariffs()
    far.add(tariff(CHARGE + 254, OPERATOR, Direction.CHARGE, 1_000, START_S + 900))
    with pytest.raises(StatementRefused, match="too far apart"):
        draw_up(1, replace(DAY, tariffs=far))


# --- what is not true is refused ---------------------------------------------------------------


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


# --- the drivers' limits -----------------------------------------------------------------------


def one_session(limits: Limits, *steps: Step) -> tuple[Basis, Session]:
    alice = session(ALICE, limits)
    named = [replace(step, session_id=alice.session_id) for step in steps]
    return basis([Step(0), *named], by_id(alice)), alice


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(max_energy_wh=999), "maximum energy"),
        (Limits(max_price_micro_per_kwh=300_000), "maximum price"),
        (Limits(max_cost_micro=300_000), "maximum cost"),
        (Limits(expiry_s=START_S + 1_499), "expiry"),
        (Limits(not_before_s=START_S + 1), "start"),
        (Limits(station=2), "station"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_statement_beyond_the_drivers_limits_is_refused(limits: Limits, limit: str) -> None:
    over, _ = one_session(limits, Step(900, 600), Step(600, 400))
    with pytest.raises(NotAuthorised) as refused:
        verified(draw_up(1, over), over)
    assert refused.value.limit == limit


def test_statement_at_the_drivers_limits_is_verified() -> None:
    limits = Limits(
        max_energy_wh=1_000,
        max_price_micro_per_kwh=300_001,
        max_cost_micro=180_001 + 120_001,
        not_before_s=START_S,
        expiry_s=START_S + 1_500,
    )
    over, alice = one_session(limits, Step(900, 600), Step(600, 400))
    assert verified(draw_up(1, over), over).usage == {alice.session_id: Usage(1_000, 300_002)}


def test_usage_of_earlier_statements_counts_against_the_limits() -> None:
    over, alice = one_session(Limits(max_energy_wh=1_000), Step(900, 600))
    verified(draw_up(1, over), over, usage={alice.session_id: Usage(energy_wh=400)})
    with pytest.raises(NotAuthorised, match="maximum energy"):
        verified(draw_up(1, over), over, usage={alice.session_id: Usage(energy_wh=401)})


def test_energy_given_back_against_the_drivers_will_is_refused() -> None:
    over, _ = one_session(Limits(discharge_allowed=False), Step(900, 0, 600))
    with pytest.raises(NotAuthorised, match="given back"):
        verified(draw_up(1, over), over)


def test_driver_that_would_pay_for_giving_back_is_protected_by_its_limits() -> None:
    """At a negative price the seller pays: that is a cost to the driver like any other."""
    over, _ = one_session(Limits(max_price_micro_per_kwh=2_000_000, max_cost_micro=1_000_000), Step(900, 0, 1_000))
    dear = tariffs()
    dear.add(tariff(4, OPERATOR, Direction.DISCHARGE, -1_000_000))
    at_the_limit = replace(over, tariffs=dear)
    verified(draw_up(1, at_the_limit), at_the_limit)
    dear.add(tariff(5, OPERATOR, Direction.DISCHARGE, -1_000_001))
    with pytest.raises(NotAuthorised):
        verified(draw_up(1, at_the_limit), at_the_limit)


def test_energy_given_back_counts_neither_as_energy_nor_as_cost() -> None:
    over, _ = one_session(Limits(max_energy_wh=0, max_cost_micro=0), Step(900, 0, 600))
    verified(draw_up(1, over), over)


# --- the parts ---------------------------------------------------------------------------------


def test_row_is_packed_into_13_bytes() -> None:
    row = Row(
        account=AccountId(0x010203),
        energy_wh=EnergyWh(0x04050607),
        start_offset_s=0x08090A,
        duration_s=0x0B0C,
        tariff_offset=0x0D,
    )
    assert row.packed() == bytes(range(1, 14))
    assert Row.unpacked(row.packed()) == row


@pytest.mark.parametrize("length", [0, 12, 14])
def test_row_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        Row.unpacked(bytes(length))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", 1 << 24),
        ("energy_wh", 1 << 32),
        ("energy_wh", -1),
        ("start_offset_s", 1 << 24),
        ("duration_s", 1 << 16),
        ("tariff_offset", 256),
    ],
)
def test_row_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange):
        altered(TRUE.rows[0], **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("sequence", 1 << 24), ("duration_s", 1 << 24), ("start_s", 1 << 40), ("import_wh", -1), ("tariff_base", 1 << 24)],
)
def test_statement_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange):
        altered(TRUE, **{field: value})


def test_statement_holds_65535_rows_and_no_more() -> None:
    row = TRUE.rows[0]
    replace(TRUE, rows=(row,) * 65_535)
    with pytest.raises(OutOfRange):
        replace(TRUE, rows=(row,) * 65_536)


def test_highest_two_tariff_bytes_are_unbilled() -> None:
    row = TRUE.rows[0]
    assert [replace(row, tariff_offset=n).billed for n in (0, 253, 254, 255)] == [True, True, False, False]


def test_metered_rows_never_cross_the_edge_of_an_interval() -> None:
    assert all(row.start_s // 900 == (row.end_s - 1) // 900 for row in meter_rows(DAY))
