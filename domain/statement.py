"""Interval statements: what a station says it metered, for whom and at which tariff, under its signature."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from domain.errors import (
    AnotherStation,
    FromTheFuture,
    Malformed,
    OutOfRange,
    RowsDiffer,
    RowsDoNotSum,
    SequenceGap,
    StatementRefused,
    StationIsRevoked,
    TelemetryRootDiffers,
    UnknownSession,
)
from domain.merkle import leaf, merkle_root
from domain.reading import NO_SESSION, MeterReading, Station, VerifiedMeterReading
from domain.session import Session, Usage, charge_session, check_discharge, check_place_and_time
from domain.signing import SigningDomain, check_length, checked_range, typehash, word
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import (
    HOUSE_ACCOUNT,
    AccountId,
    EnergyWh,
    PriceMicroPerKwh,
    StationId,
    TariffId,
    UnixSeconds,
    cost_ceil,
    interval_of,
)

ROW_BYTES = 13
UNBILLED_IMPORT, UNBILLED_EXPORT = 255, 254
"""Tariff bytes of energy that nobody is billed for."""
MAX_TARIFF_OFFSET = UNBILLED_EXPORT - 1
TARIFF_PAGE = 126
MAX_ROWS = (1 << 16) - 1

_TYPEHASH = typehash(
    "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,"
    "uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
)
_check_row = checked_range(
    account=(24, 0), energy_wh=(32, 0), start_offset_s=(24, 0), duration_s=(16, 0), tariff_offset=(8, 0)
)
_check_statement = checked_range(
    station=(24, 0),
    sequence=(24, 0),
    start_s=(40, 0),
    duration_s=(24, 0),
    import_wh=(40, 0),
    export_wh=(40, 0),
    tariff_base=(24, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Energy of one account in one direction within one market interval.

    `start_offset_s` counts from the statement's start, `tariff_offset` from its `tariff_base`;
    the two highest offsets mark energy that nobody is billed for, on the house account.
    """

    account: AccountId
    energy_wh: EnergyWh
    start_offset_s: int
    duration_s: int
    tariff_offset: int

    def __post_init__(self) -> None:
        _check_row(self)

    @property
    def billed(self) -> bool:
        return self.tariff_offset <= MAX_TARIFF_OFFSET

    def packed(self) -> bytes:
        """The row's 13 bytes, as signed and as settled."""
        return (
            self.account.to_bytes(3, "big")
            + self.energy_wh.to_bytes(4, "big")
            + self.start_offset_s.to_bytes(3, "big")
            + self.duration_s.to_bytes(2, "big")
            + self.tariff_offset.to_bytes(1, "big")
        )

    @classmethod
    def unpacked(cls, data: bytes) -> "Row":
        """The row in 13 bytes; Malformed for any other number of them."""
        if len(data) != ROW_BYTES:
            raise Malformed(f"a row has {ROW_BYTES} bytes, this has {len(data)}")
        return cls(
            account=AccountId(int.from_bytes(data[:3], "big")),
            energy_wh=EnergyWh(int.from_bytes(data[3:7], "big")),
            start_offset_s=int.from_bytes(data[7:10], "big"),
            duration_s=int.from_bytes(data[10:12], "big"),
            tariff_offset=data[12],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalStatement:
    """What a station's meter moved since its last statement. Registers are closing registers.

    It starts where the station's last statement ended, with the registers that one closed with.
    """

    station: StationId
    sequence: int
    start_s: UnixSeconds
    duration_s: int
    import_wh: EnergyWh
    export_wh: EnergyWh
    tariff_base: TariffId
    telemetry_root: bytes
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        _check_statement(self)
        check_length("telemetry_root", self.telemetry_root, 32)
        if len(self.rows) > MAX_ROWS:
            raise OutOfRange("number of rows", len(self.rows), 0, MAX_ROWS)

    @property
    def end_s(self) -> UnixSeconds:
        return UnixSeconds(self.start_s + self.duration_s)

    def packed_rows(self) -> bytes:
        return b"".join(row.packed() for row in self.rows)

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `IntervalStatement`."""
        numbers = (
            self.station,
            self.sequence,
            self.start_s,
            self.duration_s,
            self.import_wh,
            self.export_wh,
            self.tariff_base,
        )
        return keccak(_TYPEHASH + b"".join(map(word, numbers)) + self.telemetry_root + keccak(self.packed_rows()))

    def tariff_of(self, row: Row) -> TariffId:
        return TariffId(self.tariff_base + row.tariff_offset)

    def direction_of(self, row: Row, tariffs: TariffTable) -> Direction:
        """Which way the row's energy flowed; UnknownTariff if its tariff does not exist."""
        if row.billed:
            return tariffs.of(self.tariff_of(row)).direction
        return Direction.CHARGE if row.tariff_offset == UNBILLED_IMPORT else Direction.DISCHARGE


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement as it travels: with 65 bytes of signature that nobody has checked yet."""

    statement: IntervalStatement
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that its readings, sessions and tariffs bear out. Made by `verify_statement` alone."""

    statement: IntervalStatement
    signature: bytes
    usage: Mapping[bytes, Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredRow:
    """What the readings say of one session in one market interval and direction."""

    session_id: bytes
    account: AccountId
    direction: Direction
    start_s: UnixSeconds
    end_s: UnixSeconds
    energy_wh: EnergyWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a statement rests on.

    `opening` is the last reading of the station's statement before (None for its first), `readings`
    are those since then, in order; `sessions` holds each session that they name.
    """

    station: Station
    opening: MeterReading | None
    readings: Sequence[VerifiedMeterReading]
    sessions: Mapping[bytes, Session]
    tariffs: TariffTable

    @property
    def start_s(self) -> UnixSeconds:
        return (self.opening or self.readings[0].reading).time_s

    @property
    def telemetry_root(self) -> bytes:
        return merkle_root(leaf(r.reading.struct_hash(), r.signature) for r in self.readings)


def meter_rows(basis: Basis) -> tuple[MeteredRow, ...]:
    """The rows that follow from the readings, by start, account and direction.

    The energy between two readings belongs to the session that the second one names, and to the
    market interval in which both lie. UnknownSession if a reading names a session that is not given.
    """
    spans: dict[tuple[bytes, int, Direction], tuple[int, int, int]] = {}
    before = basis.opening
    for verified in basis.readings:
        reading = verified.reading
        if before is not None:
            for direction, energy_wh in _moved(before, reading):
                key = (reading.session, interval_of(before.time_s), direction)
                start_s, _, sum_wh = spans.get(key, (before.time_s, 0, 0))
                spans[key] = (start_s, reading.time_s, sum_wh + energy_wh)
        before = reading
    rows = (
        MeteredRow(
            session_id=session_id,
            account=_account_of(session_id, basis.sessions),
            direction=direction,
            start_s=UnixSeconds(start_s),
            end_s=UnixSeconds(end_s),
            energy_wh=EnergyWh(energy_wh),
        )
        for (session_id, _, direction), (start_s, end_s, energy_wh) in spans.items()
    )
    return tuple(sorted(rows, key=lambda row: (row.start_s, row.account, row.direction)))


def draw_up(sequence: int, basis: Basis) -> IntervalStatement:
    """The statement that follows from the readings, at the operator's latest tariffs.

    NoTariff if the operator published none for a row; StatementRefused if there is no reading.
    """
    if not basis.readings:
        raise StatementRefused(f"station {basis.station.station}: no reading since the last statement")
    metered = meter_rows(basis)
    tariffs = [_tariff_for(row, basis) for row in metered]
    used = [tariff.tariff for tariff in tariffs if tariff is not None]
    base = _tariff_base(used, basis)
    if used and max(used) - base > MAX_TARIFF_OFFSET:
        raise StatementRefused(
            f"station {basis.station.station}: tariffs {base} to {max(used)} are too far apart for one statement; "
            "close statements more often"
        )
    closing = basis.readings[-1].reading
    return IntervalStatement(
        station=basis.station.station,
        sequence=sequence,
        start_s=basis.start_s,
        duration_s=closing.time_s - basis.start_s,
        import_wh=closing.import_wh,
        export_wh=closing.export_wh,
        tariff_base=base,
        telemetry_root=basis.telemetry_root,
        rows=tuple(_row(row, basis.start_s, base, tariff) for row, tariff in zip(metered, tariffs, strict=True)),
    )


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

    `usage` is what was billed before to the sessions. Raises a StatementRefused, ReadingRefused,
    NotAuthorised or BadSignature that names the first thing that does not hold.
    """
    statement, station = signed.statement, basis.station
    who = f"statement of station {station.station}"
    if station.revoked:
        raise StationIsRevoked(station.station)
    station.check_signature(who, statement.end_s, domain.digest(statement.struct_hash()), signed.signature)
    if statement.station != station.station:
        raise AnotherStation(station.station, statement.station)
    if statement.sequence != last_sequence + 1:
        raise SequenceGap(who, last_sequence + 1, statement.sequence)
    if statement.end_s > now_s:
        raise FromTheFuture(who, statement.end_s, now_s)
    check_against_readings(statement, basis)
    return VerifiedStatement(statement, signed.signature, check_limits(statement, basis, usage))


def check_against_readings(statement: IntervalStatement, basis: Basis) -> None:
    """Whether times, registers, telemetry root and rows are those of the readings; StatementRefused otherwise."""
    check_sums(statement, basis.opening or basis.station, basis.tariffs)
    if not basis.readings:
        raise StatementRefused(f"station {statement.station}: no reading since the last statement")
    root = basis.telemetry_root
    if statement.telemetry_root != root:
        raise TelemetryRootDiffers(statement.station, statement.sequence, root, statement.telemetry_root)
    closing = basis.readings[-1].reading
    expected = (basis.start_s, closing.time_s, closing.import_wh, closing.export_wh)
    found = (statement.start_s, statement.end_s, statement.import_wh, statement.export_wh)
    if expected != found:
        raise StatementRefused(
            f"station {statement.station}: start, end, import and export registers are {found}, "
            f"readings give {expected}"
        )
    metered = meter_rows(basis)
    stated = tuple(_as_metered(statement, row, basis.tariffs) for row in statement.rows)
    for index in range(max(len(metered), len(stated))):
        ours = _shown(metered[index]) if index < len(metered) else "no row"
        theirs = stated[index] if index < len(stated) else "no row"
        if ours != theirs:
            raise RowsDiffer(statement.station, index, ours, theirs)


def check_sums(statement: IntervalStatement, opening: MeterReading | Station, tariffs: TariffTable) -> None:
    """Whether the rows sum to what each register moved; RowsDoNotSum otherwise."""
    sums = {Direction.CHARGE: 0, Direction.DISCHARGE: 0}
    for row in statement.rows:
        sums[statement.direction_of(row, tariffs)] += row.energy_wh
    for direction, register, closing_wh, opening_wh in (
        (Direction.CHARGE, "import", statement.import_wh, opening.import_wh),
        (Direction.DISCHARGE, "export", statement.export_wh, opening.export_wh),
    ):
        if sums[direction] != closing_wh - opening_wh:
            raise RowsDoNotSum(statement.station, register, closing_wh - opening_wh, sums[direction])


def check_limits(statement: IntervalStatement, basis: Basis, usage: Mapping[bytes, Usage]) -> dict[bytes, Usage]:
    """Whether tariffs and drivers' limits allow each row; the sessions' usage after it.

    Rows must already be those of the readings. Raises TariffNotValid or NotAuthorised.
    """
    after: dict[bytes, Usage] = {}
    for metered, row in zip(meter_rows(basis), statement.rows, strict=True):
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
            if price >= 0:
                continue
            # Who sells at a negative price pays: a cost to the driver, though no energy taken.
            price, taken_wh = PriceMicroPerKwh(-price), EnergyWh(0)
        after[metered.session_id] = charge_session(
            session, before, energy_wh=taken_wh, price=price, cost_micro=cost_ceil(row.energy_wh, price)
        )
    return after


def _moved(before: MeterReading, after: MeterReading) -> Iterable[tuple[Direction, int]]:
    if after.import_wh != before.import_wh:
        yield Direction.CHARGE, after.import_wh - before.import_wh
    if after.export_wh != before.export_wh:
        yield Direction.DISCHARGE, after.export_wh - before.export_wh


def _account_of(session_id: bytes, sessions: Mapping[bytes, Session]) -> AccountId:
    if session_id == NO_SESSION:
        return HOUSE_ACCOUNT
    if session_id not in sessions:
        raise UnknownSession(session_id)
    return sessions[session_id].authorisation.account


def _tariff_for(row: MeteredRow, basis: Basis) -> Tariff | None:
    if row.session_id == NO_SESSION:
        return None
    station = basis.station
    return basis.tariffs.latest(station.station, station.payee, row.direction, row.start_s, row.end_s)


def _tariff_base(used: Sequence[TariffId], basis: Basis) -> TariffId:
    """The operator's first tariff of the page that the lowest one used is on.

    Statements of a day then share their base, and a batch looks its tariffs up once. If the page does not
    reach the highest one used, the base is the lowest one used.
    """
    if not used:
        return TariffId(0)
    lowest = min(used)
    page = lowest // TARIFF_PAGE * TARIFF_PAGE
    own = (t.tariff for t in basis.tariffs if t.payee == basis.station.payee)
    first = min(number for number in own if page <= number <= lowest)
    return first if max(used) - first <= MAX_TARIFF_OFFSET else lowest


def _row(row: MeteredRow, start_s: int, base: TariffId, tariff: Tariff | None) -> Row:
    unbilled = UNBILLED_IMPORT if row.direction == Direction.CHARGE else UNBILLED_EXPORT
    return Row(
        account=row.account,
        energy_wh=row.energy_wh,
        start_offset_s=row.start_s - start_s,
        duration_s=row.end_s - row.start_s,
        tariff_offset=unbilled if tariff is None else tariff.tariff - base,
    )


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
