"""Checks of a statement: against its signature, its readings, the tariffs and what drivers authorised."""

from collections.abc import Mapping

from domain.errors import (
    AnotherStation,
    FromTheFuture,
    RowsDiffer,
    RowsDoNotSum,
    SequenceGap,
    StatementRefused,
    TelemetryRootDiffers,
)
from domain.metering import Basis, Metered, MeteredRow
from domain.session import Usage, charge_session, check_discharge, check_place_and_time
from domain.signing import SigningDomain
from domain.statement import IntervalStatement, Row, SignedStatement, VerifiedStatement
from domain.tariff import Direction, TariffTable
from domain.units import HOUSE_ACCOUNT, EnergyWh, PriceMicroPerKwh, UnixSeconds, cost_ceil


def verify_statement(
    signed: SignedStatement,
    *,
    last_sequence: int,
    basis: Basis,
    usage: Mapping[bytes, Usage],
    domain: SigningDomain,
    now_s: UnixSeconds,
) -> VerifiedStatement:
    """Checks a statement against its signature, its readings, the sessions' limits and the tariffs.

    `usage` is what was billed before to the sessions, `last_sequence` the number of the last statement or
    meter replacement. Raises a StatementRefused, ReadingRefused, NotAuthorised, BadSignature or
    StationIsSuspended that names the first thing that does not hold.
    """
    statement, station = signed.statement, basis.station
    who = f"statement of station {station.station}"
    station.check_signature(who, statement.end_s, domain.digest(statement.struct_hash()), signed.signature)
    if statement.station != station.station:
        raise AnotherStation(station.station, statement.station)
    station.check_active()
    if statement.sequence != last_sequence + 1:
        raise SequenceGap(who, last_sequence + 1, statement.sequence)
    if statement.end_s > now_s:
        raise FromTheFuture(who, statement.end_s, now_s)
    check_against_readings(statement, basis)
    return VerifiedStatement(statement, signed.signature, check_limits(statement, basis, usage))


def check_against_readings(statement: IntervalStatement, basis: Metered) -> None:
    """Whether times, registers, telemetry root and rows are those of the readings; StatementRefused otherwise."""
    closing = basis.closing
    if closing is None:
        raise StatementRefused(f"station {statement.station}: no reading since the last statement")
    check_sums(statement, basis.registers, basis.tariffs)
    root = basis.telemetry_root
    if statement.telemetry_root != root:
        raise TelemetryRootDiffers(statement.station, statement.sequence, root, statement.telemetry_root)
    expected = (basis.start_s, *closing)
    found = (statement.start_s, statement.end_s, statement.import_wh, statement.export_wh)
    if expected != found:
        raise StatementRefused(
            f"station {statement.station}: start, end, import and export registers are {found}, "
            f"readings give {expected}"
        )
    metered = basis.rows
    stated = tuple(_as_metered(statement, row, basis.tariffs) for row in statement.rows)
    for index in range(max(len(metered), len(stated))):
        ours = _shown(metered[index]) if index < len(metered) else "no row"
        theirs = stated[index] if index < len(stated) else "no row"
        if ours != theirs:
            raise RowsDiffer(statement.station, index, ours, theirs)


def check_sums(statement: IntervalStatement, opening: tuple[EnergyWh, EnergyWh], tariffs: TariffTable) -> None:
    """Whether the rows sum to what each register moved since `opening` (import, export); RowsDoNotSum otherwise."""
    sums = {Direction.CHARGE: 0, Direction.DISCHARGE: 0}
    for row in statement.rows:
        sums[statement.direction_of(row, tariffs)] += row.energy_wh
    for direction, register, closing_wh, opening_wh in (
        (Direction.CHARGE, "import", statement.import_wh, opening[0]),
        (Direction.DISCHARGE, "export", statement.export_wh, opening[1]),
    ):
        if sums[direction] != closing_wh - opening_wh:
            raise RowsDoNotSum(statement.station, register, closing_wh - opening_wh, sums[direction])


def check_limits(statement: IntervalStatement, basis: Metered, usage: Mapping[bytes, Usage]) -> dict[bytes, Usage]:
    """Whether tariffs and drivers' limits allow each row; the sessions' usage after it.

    Rows must already be those of the readings. Raises TariffNotValid or NotAuthorised.
    """
    after: dict[bytes, Usage] = {}
    for metered, row in zip(basis.rows, statement.rows, strict=True):
        if not row.billed:
            continue
        tariff = basis.tariffs.checked(
            statement.tariff_of(row),
            station=statement.station,
            payee=basis.station.payee,
            direction=metered.direction,
            start_s=metered.start_s,
            end_s=metered.end_s,
        )
        session = basis.sessions[metered.session_id]
        check_place_and_time(session, station=statement.station, start_s=metered.start_s, end_s=metered.end_s)
        before = after.get(metered.session_id) or usage.get(metered.session_id, Usage())
        price, taken_wh = tariff.price_micro_per_kwh, row.energy_wh
        if metered.direction == Direction.DISCHARGE:
            check_discharge(session, metered.energy_wh)
            if tariff.direction.market or price >= 0:
                continue
            # Who sells at a negative price pays: a cost to the driver, though no energy taken.
            price, taken_wh = PriceMicroPerKwh(-price), EnergyWh(0)
        if tariff.direction.market:
            after[metered.session_id] = charge_session(session, before, energy_wh=taken_wh)
            continue
        after[metered.session_id] = charge_session(
            session, before, energy_wh=taken_wh, price=price, cost_micro=cost_ceil(row.energy_wh, price)
        )
    return after


def _as_metered(statement: IntervalStatement, row: Row, tariffs: TariffTable) -> str:
    start_s = statement.start_s + row.start_offset_s
    account = row.account
    if row.billed == (account == HOUSE_ACCOUNT):
        return f"account {account} {'billed' if row.billed else 'not billed'}"
    return _text(account, statement.direction_of(row, tariffs), row.energy_wh, start_s, start_s + row.duration_s)


def _shown(row: MeteredRow) -> str:
    return _text(row.account, row.direction, row.energy_wh, row.start_s, row.end_s)


def _text(account: int, direction: Direction, energy_wh: int, start_s: int, end_s: int) -> str:
    return f"account {account} {direction.label} {energy_wh} Wh from {start_s} to {end_s}"
