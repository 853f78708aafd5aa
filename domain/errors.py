"""All errors of the domain. Each carries the values that explain it and says what to do.

HTTP status codes are assigned in `backend.api.problems`, by class.
"""

from domain.text import address_text, hex_text


class WattledgerError(Exception):
    """Root of all errors that this project raises on purpose."""


# --- values that cannot be what they claim -----------------------------------------------------


class Malformed(WattledgerError):
    """Bytes or text that do not follow the published format."""


class OutOfRange(Malformed):
    """An integer that does not fit its field."""

    def __init__(self, field: str, value: int, low: int, high: int) -> None:
        shown = str(value) if abs(value) < 1 << 64 else f"a {value.bit_length()}-bit integer"
        super().__init__(f"{field} is {shown}; it must be within {low} and {high}")
        self.field, self.value, self.low, self.high = field, value, low, high


class BadSignature(WattledgerError):
    """A signature that no key can have made over these values."""


class HighS(BadSignature):
    """The high-s twin of a signature: valid mathematics, refused so that signatures are unique."""

    def __init__(self) -> None:
        super().__init__("signature has s in the upper half of the curve order; send the low-s form")


class WrongSigner(BadSignature):
    """Signed by another key, for another chain or contract, or altered after signing."""

    def __init__(self, what: str, expected: bytes, recovered: bytes) -> None:
        """`expected` is the zero address if no key is registered at present."""
        super().__init__(
            f"{what}: signature recovers to {address_text(recovered)}, the registered key is {address_text(expected)}; "
            "check the key, the chain id and the contract address that were signed"
        )
        self.what, self.expected, self.recovered = what, expected, recovered


class KeyNoLongerValid(BadSignature):
    """Signed by a key that was replaced or revoked, for a time in which it no longer counts."""

    def __init__(self, what: str, recovered: bytes, until_s: int, time_s: int) -> None:
        limit = f"for nothing after {until_s}, this is of {time_s}" if until_s else "for nothing"
        super().__init__(f"{what}: key {address_text(recovered)} was replaced or revoked; it signs {limit}")
        self.what, self.recovered, self.until_s, self.time_s = what, recovered, until_s, time_s


# --- things that are not there -----------------------------------------------------------------


class NotFound(WattledgerError):
    """What was asked for does not exist."""


class UnknownStation(NotFound):
    """No station has this number."""

    def __init__(self, station: int) -> None:
        super().__init__(f"station {station} is not registered; register it on chain first")
        self.station = station


class UnknownAccount(NotFound):
    """No account has this number."""

    def __init__(self, account: int) -> None:
        super().__init__(f"account {account} does not exist; open it on chain first")
        self.account = account


class UnknownTariff(NotFound):
    """No tariff has this number."""

    def __init__(self, tariff: int) -> None:
        super().__init__(f"tariff {tariff} was never published")
        self.tariff = tariff


class UnknownSession(NotFound):
    """No authorisation of a driver is known under this digest."""

    def __init__(self, session: bytes) -> None:
        super().__init__(f"session {hex_text(session)} has no authorisation; submit the driver's authorisation first")
        self.session = session


class EvidenceMissing(NotFound):
    """The evidence store has no blob of this name."""

    def __init__(self, cid: str) -> None:
        super().__init__(f"no blob {cid} in the evidence store")
        self.cid = cid


# --- readings ----------------------------------------------------------------------------------


class ReadingRefused(WattledgerError):
    """A reading that cannot follow what the station or vehicle sent before."""


class AnotherStation(ReadingRefused):
    """A reading or statement that names another station than the one it is checked for."""

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"it names station {received}, it was sent for station {expected}")
        self.expected, self.received = expected, received


class SequenceGap(ReadingRefused):
    """Something before it is missing."""

    def __init__(self, who: str, expected: int, received: int) -> None:
        super().__init__(f"{who}: sequence {received} after {expected - 1}; send {expected} first")
        self.who, self.expected, self.received = who, expected, received


class SequenceReused(ReadingRefused):
    """Another reading or statement was already accepted under this number."""

    def __init__(self, who: str, sequence: int) -> None:
        super().__init__(f"{who}: sequence {sequence} was already used for other content; it cannot be replaced")
        self.who, self.sequence = who, sequence


class RegisterWentBack(ReadingRefused):
    """A cumulative register never falls: replay, tampering or an unreported meter change."""

    def __init__(self, station: int, register: str, previous_wh: int, received_wh: int) -> None:
        super().__init__(f"station {station}: {register} register {received_wh} Wh after {previous_wh} Wh")
        self.station, self.register = station, register
        self.previous_wh, self.received_wh = previous_wh, received_wh


class MoreThanRated(ReadingRefused):
    """More energy than the station's rated power can carry in the time between two readings."""

    def __init__(self, station: int, moved_wh: int, limit_wh: int, duration_s: int) -> None:
        super().__init__(
            f"station {station}: {moved_wh} Wh in {duration_s} s, its rated power allows {limit_wh} Wh; "
            "check the register's unit and the registered rated power"
        )
        self.station, self.moved_wh, self.limit_wh, self.duration_s = station, moved_wh, limit_wh, duration_s


class TimeWentBack(ReadingRefused):
    """A reading must be later than the one before it."""

    def __init__(self, who: str, previous_s: int, received_s: int) -> None:
        super().__init__(f"{who}: time {received_s} is not after {previous_s}; set the device's clock")
        self.who, self.previous_s, self.received_s = who, previous_s, received_s


class FromTheFuture(ReadingRefused):
    """A reading or statement is ahead of the clock."""

    def __init__(self, who: str, time_s: int, now_s: int) -> None:
        super().__init__(f"{who}: time {time_s} is {time_s - now_s} s ahead of {now_s}; set the device's clock")
        self.who, self.time_s, self.now_s = who, time_s, now_s


class ExportNotPossible(ReadingRefused):
    """Only a bidirectional station can give energy back."""

    def __init__(self, station: int) -> None:
        super().__init__(f"station {station} is not registered as bidirectional, but its export register moved")
        self.station = station


class SpansIntervals(ReadingRefused):
    """Energy between two readings cannot be split between market intervals; a reading is missing at the edge."""

    def __init__(self, station: int, start_s: int, end_s: int) -> None:
        super().__init__(
            f"station {station}: energy moved between {start_s} and {end_s}, across an interval's edge; "
            "send a reading at each multiple of 900 s while energy flows"
        )
        self.station, self.start_s, self.end_s = station, start_s, end_s


# --- sessions ----------------------------------------------------------------------------------


class AuthorisationRefused(Malformed):
    """A session authorisation that could never be valid."""


class NotAuthorised(WattledgerError):
    """Energy was billed that the driver's authorisation does not cover."""

    def __init__(self, session: bytes, limit: str, allowed: int, asked: int) -> None:
        super().__init__(f"session {hex_text(session)}: {limit} allows {allowed}, {asked} was billed")
        self.session, self.limit, self.allowed, self.asked = session, limit, allowed, asked


class NeedRefused(Malformed):
    """A driver asks for more, or for longer, than its own authorisation of the session allows."""

    def __init__(self, session: bytes, limit: str, allowed: int, asked: int) -> None:
        super().__init__(
            f"session {hex_text(session)}: {limit} of its authorisation is {allowed}, the need asks for {asked}; "
            "ask for less, or authorise another session"
        )
        self.session, self.limit, self.allowed, self.asked = session, limit, allowed, asked


class NeedOutdated(WattledgerError):
    """A later need of the same session is known."""

    def __init__(self, session: bytes, known_s: int, received_s: int) -> None:
        super().__init__(
            f"session {hex_text(session)}: a need of {known_s} is known, this one is of {received_s}; say it anew"
        )
        self.session, self.known_s, self.received_s = session, known_s, received_s


# --- statements and settlement -----------------------------------------------------------------


class StatementRefused(WattledgerError):
    """A statement that its own evidence does not bear out."""


class StationIsSuspended(WattledgerError):
    """Nothing that the station states is settled for now; the same statement is taken once it is re-activated."""

    def __init__(self, station: int) -> None:
        super().__init__(
            f"station {station} is suspended by its operator or by governance; send the statement again when it "
            "is re-activated, its readings are taken meanwhile"
        )
        self.station = station


class RowsDoNotSum(StatementRefused):
    """The rows must sum to exactly what the register moved."""

    def __init__(self, station: int, register: str, moved_wh: int, billed_wh: int) -> None:
        super().__init__(f"station {station}: rows sum to {billed_wh} Wh, the {register} register moved {moved_wh} Wh")
        self.station, self.register, self.moved_wh, self.billed_wh = station, register, moved_wh, billed_wh


class RowsDiffer(StatementRefused):
    """The rows are not the ones that follow from the readings."""

    def __init__(self, station: int, row: int, expected: str, found: str) -> None:
        super().__init__(f"station {station}, row {row}: readings give {expected}, the statement says {found}")
        self.station, self.row, self.expected, self.found = station, row, expected, found


class TelemetryRootDiffers(StatementRefused):
    """The statement was signed over other readings than were sent."""

    def __init__(self, station: int, sequence: int, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"station {station}, statement {sequence}: its readings have root {hex_text(expected)}, "
            f"it was signed with {hex_text(found)}; send all readings before the statement"
        )
        self.station, self.sequence, self.expected, self.found = station, sequence, expected, found


class TariffNotValid(StatementRefused):
    """The tariff belongs to another operator, or is not valid during the whole row."""

    def __init__(self, station: int, tariff: int, reason: str) -> None:
        super().__init__(f"station {station}: tariff {tariff} {reason}")
        self.station, self.tariff, self.reason = station, tariff, reason


class NoTariff(StatementRefused):
    """The operator published no price for a row."""

    def __init__(self, station: int, direction: str, start_s: int, end_s: int) -> None:
        super().__init__(
            f"station {station}: no published {direction} tariff of its operator covers {start_s} to {end_s}"
        )
        self.station, self.direction, self.start_s, self.end_s = station, direction, start_s, end_s


class OffMarket(StatementRefused):
    """Energy of a member of the market was stated beside it, or that of somebody else in it."""

    def __init__(self, station: int, row: int, account: int, tariff: int, reason: str) -> None:
        super().__init__(f"station {station}, row {row} under tariff {tariff}: account {account} {reason}")
        self.station, self.row, self.account, self.tariff, self.reason = station, row, account, tariff, reason


class NothingToSettle(WattledgerError):
    """Nothing waits for settlement."""

    def __init__(self) -> None:
        super().__init__("no accepted statement and no new evidence waits for settlement")


# --- evidence ----------------------------------------------------------------------------------


class InvalidCid(Malformed):
    """Text that names no blob."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:80]!r} is no CID of version 1 in base32 (it starts with 'b')")


class EvidenceAltered(WattledgerError):
    """A blob whose content is not what its name says."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"blob {expected} has content of {found}; restore it from another replica")
        self.expected, self.found = expected, found


# --- auctions ----------------------------------------------------------------------------------


class OrderRefused(Malformed):
    """An order that the zone's terms, or the other orders of the book, leave no place for."""


class OffTick(OrderRefused):
    """A price that is no multiple of the zone's tick."""

    def __init__(self, price_micro_per_kwh: int, tick_micro_per_kwh: int) -> None:
        super().__init__(f"{price_micro_per_kwh} micro-euro per kWh is no multiple of {tick_micro_per_kwh}")
        self.price_micro_per_kwh, self.tick_micro_per_kwh = price_micro_per_kwh, tick_micro_per_kwh


class ExpiresBeforeGate(OrderRefused):
    """An order that has expired when its book closes."""

    def __init__(self, expiry_s: int, closes_s: int) -> None:
        super().__init__(f"the order expires at {expiry_s}, its book closes at {closes_s}; sign a later expiry")
        self.expiry_s, self.closes_s = expiry_s, closes_s


class OtherAuction(OrderRefused):
    """An order for another zone or interval than the book's."""

    def __init__(self, field: str, expected: int, received: int) -> None:
        super().__init__(f"the order is for {field} {received}, the book for {expected}")
        self.field, self.expected, self.received = field, expected, received


class NonceTaken(OrderRefused):
    """Two orders of one account with the same nonce, or the same order twice."""

    def __init__(self, account: int, nonce: int) -> None:
        super().__init__(f"account {account} has two orders with nonce {nonce} in this book; leave one out")
        self.account, self.nonce = account, nonce


class BackstopPastLimit(OrderRefused):
    """More of the grid account than the zone may import or export in an interval."""

    def __init__(self, direction: str, limit_wh: int, asked_wh: int) -> None:
        super().__init__(f"the grid account has {asked_wh} Wh of {direction}, the zone's limit is {limit_wh} Wh")
        self.direction, self.limit_wh, self.asked_wh = direction, limit_wh, asked_wh


class BookRefused(Malformed):
    """Lines that are no book of this zone."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} of the book: {reason}")
        self.line, self.reason = line, reason


class QuantitiesDiffer(WattledgerError):
    """A rule for orders of one quantity was asked to clear a book with several."""

    def __init__(self, least_wh: int, most_wh: int) -> None:
        super().__init__(f"the orders have {least_wh} to {most_wh} Wh; SBBA takes orders of one quantity, use MUDA")
        self.least_wh, self.most_wh = least_wh, most_wh


class ClearingRefused(WattledgerError):
    """A claimed clearing that its book does not bear out."""


class OtherBook(ClearingRefused):
    """The lines are not those that were committed."""

    def __init__(self, expected: bytes, found: bytes) -> None:
        super().__init__(f"digest {hex_text(expected)} was committed, these lines have {hex_text(found)}")
        self.expected, self.found = expected, found


class ForcedLinesDiffer(ClearingRefused):
    """A forced order was left out, added, altered or moved."""

    def __init__(self, expected: bytes, found: bytes) -> None:
        super().__init__(f"the forced lines have chain {hex_text(found)}, those of the interval {hex_text(expected)}")
        self.expected, self.found = expected, found


class PriceNotPossible(ClearingRefused):
    """A claimed price interval that is empty or leaves the zone's range."""

    def __init__(self, lo: int, hi: int) -> None:
        super().__init__(f"no prices from {lo} to {hi} are possible in this zone")
        self.lo, self.hi = lo, hi


class PriceDoesNotClear(ClearingRefused):
    """At a claimed price, demand and supply do not meet in the claimed volume."""

    def __init__(self, price: int, volume_wh: int) -> None:
        super().__init__(f"at {price} micro-euro per kWh the book does not clear with {volume_wh} Wh")
        self.price, self.volume_wh = price, volume_wh


class VolumeDiffers(ClearingRefused):
    """Not the greatest volume."""

    def __init__(self, claimed_wh: int, found_wh: int) -> None:
        super().__init__(f"{claimed_wh} Wh are claimed, {found_wh} Wh can be traded")
        self.claimed_wh, self.found_wh = claimed_wh, found_wh


class PriceIntervalTooShort(ClearingRefused):
    """A price next to the claimed interval clears as well, so that its middle is another one."""

    def __init__(self, price: int) -> None:
        super().__init__(f"{price} micro-euro per kWh clears as well, but lies outside the claimed interval")
        self.price = price


class RationingDiffers(ClearingRefused):
    """The claim says something else of the orders at the price than the book does."""

    def __init__(self, what: str, claimed: int, found: int) -> None:
        super().__init__(f"{what}: {claimed} is claimed, the book has {found}")
        self.what, self.claimed, self.found = what, claimed, found


class FillsDiffer(ClearingRefused):
    """The fills of a side do not sum to the volume."""

    def __init__(self, side: str, volume_wh: int, filled_wh: int) -> None:
        super().__init__(f"{side} orders are filled with {filled_wh} Wh, the volume is {volume_wh} Wh")
        self.side, self.volume_wh, self.filled_wh = side, volume_wh, filled_wh


class BackstopFilledPastLimit(ClearingRefused):
    """The grid account sells or buys more than the zone's limit."""

    def __init__(self, direction: str, limit_wh: int, filled_wh: int) -> None:
        super().__init__(f"the grid account has {filled_wh} Wh of {direction} filled, the limit is {limit_wh} Wh")
        self.direction, self.limit_wh, self.filled_wh = direction, limit_wh, filled_wh


class OrdersCross(ClearingRefused):
    """Something can be traded in a book of which the claim says that nothing can."""

    def __init__(self, price: int, demand_wh: int, supply_wh: int) -> None:
        super().__init__(f"{demand_wh} Wh are wanted above {price} micro-euro per kWh, {supply_wh} Wh offered up to it")
        self.price, self.demand_wh, self.supply_wh = price, demand_wh, supply_wh


class PlanNotFound(WattledgerError):
    """The solver found no optimum within its limit."""

    def __init__(self, status: str, limit_s: float) -> None:
        super().__init__(
            f"the schedule's solver ended with {status!r} within {limit_s:g} s: allow it more time, or less to plan"
        )
        self.status, self.limit_s = status, limit_s
