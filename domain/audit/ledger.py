"""What the chain's events say, kept as the auditor's own books."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from domain.chain import ChainEvent
from domain.daily_cap import DailyCap
from domain.session import Usage
from domain.settlement import Entry, Payment
from domain.station import Station, replacement_of
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import (
    MARKET_INTERVAL_S,
    AccountId,
    EnergyWh,
    MoneyMicro,
    PowerW,
    PriceMicroPerKwh,
    StationId,
    TariffId,
    UnixSeconds,
)

NOBODY = bytes(20)
Args = Mapping[str, Any]


@dataclass(slots=True)
class DriverKey:
    """A vehicle key. What began after `until_s`, when another one replaced it, needs the other one."""

    address: bytes
    until_s: UnixSeconds | None = None


@dataclass(frozen=True, slots=True)
class LastBms:
    """A vehicle's last BMS reading."""

    sequence: int
    time_s: int


@dataclass(slots=True)
class DebtBook:
    """A debt: to whom, of which batch (0 for a reversal), and what of it is open, micro-euro."""

    creditor: int
    batch: int
    owed_micro: int
    share_micro: int
    written_off: bool = False


@dataclass(slots=True)
class AccountBook:
    """One account: who owns it, which vehicle keys it has held, and its money in micro-euro."""

    owner: bytes
    driver_keys: list[DriverKey] = field(default_factory=list)
    closed: bool = False
    free_micro: int = 0
    requested_micro: int = 0
    available_at_s: int = 0
    locked_micro: dict[bytes, int] = field(default_factory=dict)
    """By the module that it is locked for."""
    cap: DailyCap = field(default_factory=DailyCap)
    debts: list[DebtBook] = field(default_factory=list)
    """All that there ever were, by their numbers."""
    last_bms: LastBms | None = None

    @property
    def owed_micro(self) -> int:
        return sum(debt.owed_micro for debt in self.debts)

    @property
    def money_micro(self) -> tuple[int, int, int, int]:
        """What is free, waits to be withdrawn, is locked, and is owed."""
        return self.free_micro, self.requested_micro, sum(self.locked_micro.values()), self.owed_micro

    def pay(self, amount_micro: int, time_s: int) -> None:
        """Settlement takes this much."""
        self.free_micro -= amount_micro
        self.cap = self.cap.after_spending(amount_micro, time_s)


@dataclass(slots=True)
class StationBook:
    """One station: what the registry says, and where its last settled statement left off."""

    station: Station
    import_wh: int
    export_wh: int
    sequence: int = 0
    end_s: int | None = None
    closing_wh: tuple[int, int] = (0, 0)
    """The registers of the last settled statement, be its meter replaced since or not."""
    last_reading: int | None = None
    """Sequence of its last reading; None where that is not certain."""


Place = tuple[int, int, int]
"""A row: its station, the number of its statement, and its own."""


@dataclass(slots=True)
class Books:
    """Accounts, stations and tariffs, as events and batches make them, and tables of what there is much of.

    The tables can be kept on a disk: they grow with all that was ever settled. What is in them is replaced, not
    altered.
    """

    accounts: dict[int, AccountBook] = field(default_factory=dict)
    stations: dict[int, StationBook] = field(default_factory=dict)
    station_of_signer: dict[bytes, int] = field(default_factory=dict)
    operators: set[int] = field(default_factory=set)
    tariffs: TariffTable = field(default_factory=TariffTable)
    batches: int = 0
    head: int = 0
    """What the settlement contract's head must be after these batches."""
    usage: MutableMapping[bytes, Usage] = field(default_factory=dict)
    session_starts: MutableMapping[bytes, UnixSeconds] = field(default_factory=dict)
    """When the first reading of each session was taken."""
    payments: MutableMapping[Place, tuple[Payment, bool]] = field(default_factory=dict)
    """With whether it was set aside."""
    statement_batches: MutableMapping[tuple[int, int], int] = field(default_factory=dict)

    def account(self, account: int) -> AccountBook:
        """An account's book, a new one if no event told of it."""
        return self.accounts.setdefault(account, AccountBook(NOBODY))

    def spendable_of(self, account: AccountId, time_s: int) -> MoneyMicro:
        """What settlement may take from an account at this time."""
        book = self.accounts.get(account)
        return book.cap.spendable_micro(book.free_micro, time_s) if book else MoneyMicro(0)

    def imbalance_prices(self, grid: int, interval_s: int) -> tuple[PriceMicroPerKwh | None, PriceMicroPerKwh | None]:
        """The grid account's market prices for charging and discharging that hold in all of an interval."""
        found = (
            self.tariffs.find(AccountId(grid), direction, interval_s, interval_s + MARKET_INTERVAL_S)
            for direction in (Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE)
        )
        charge, discharge = (None if one is None else one.price_micro_per_kwh for one in found)
        return charge, discharge

    def driver_keys(self, account: int, time_s: int) -> list[bytes]:
        """The vehicle keys that may have signed for what began at this time."""
        book = self.accounts.get(account)
        keys = book.driver_keys if book else []
        return [key.address for key in keys if key.until_s is None or time_s <= key.until_s]

    def pay(self, entries: Mapping[AccountId, Entry], time_s: int) -> None:
        """Applies a batch's entries."""
        for account, entry in entries.items():
            book = self.account(account)
            book.pay(entry.debit_micro, time_s)
            book.free_micro += entry.credit_micro

    def note(self, event: ChainEvent, time_s: UnixSeconds) -> None:
        """Takes an event of a registry or the tariff book, of a block of this time, into the books.

        KeyError if it is about an account or station of which no event came before.
        """
        args = event.args
        match event.name:
            case "AccountOpened":
                keys = [] if args["driverKey"] == NOBODY else [DriverKey(args["driverKey"])]
                self.accounts[args["account"]] = AccountBook(args["owner"], keys)
            case "AccountClosed" | "AccountReopened":
                self.accounts[args["account"]].closed = event.name == "AccountClosed"
            case "DriverKeySet":
                self._driver_key_set(args, time_s)
            case "StationRegistered":
                self._station_registered(args)
            case "KeyRotated" | "KeyRevoked" | "StationSuspended" | "StationReactivated" | "MeterReplaced":
                self._station_changed(event.name, args)
            case "TariffPublished":
                self.tariffs.add(_tariff(args))

    def _driver_key_set(self, args: Args, time_s: UnixSeconds) -> None:
        keys = self.accounts[args["account"]].driver_keys
        for key in keys:
            key.until_s = time_s if key.until_s is None else key.until_s
        if args["driverKey"] != NOBODY:
            keys.append(DriverKey(args["driverKey"]))

    def _station_registered(self, args: Args) -> None:
        station = Station(
            station=StationId(args["station"]),
            signer=args["signer"],
            payee=AccountId(args["payee"]),
            rated_power_w=PowerW(args["ratedPowerW"]),
            bidirectional=args["bidirectional"],
            import_wh=EnergyWh(args["importWh"]),
            export_wh=EnergyWh(args["exportWh"]),
        )
        self.stations[station.station] = StationBook(station, station.import_wh, station.export_wh)
        self.operators.add(station.payee)
        self.station_of_signer[args["signer"]] = station.station

    def _station_changed(self, name: str, args: Args) -> None:
        book = self.stations[args["station"]]
        station = book.station
        if name == "KeyRotated":
            previous = None if args["previousSigner"] == NOBODY else args["previousSigner"]
            until_s = UnixSeconds(args["previousValidUntil"])
            book.station = station.with_key(args["signer"], previous=previous, until_s=until_s)
            self.station_of_signer[args["signer"]] = args["station"]
        elif name == "KeyRevoked":
            book.station = station.without_key(args["signer"], until_s=UnixSeconds(args["validUntil"]))
        elif name == "MeterReplaced":
            replacement = replacement_of(args)
            book.station = replace(station, replacements=(*station.replacements, replacement))
            book.import_wh, book.export_wh = replacement.opening
            book.sequence = replacement.sequence
        elif args["byGovernance"]:
            book.station = replace(station, suspended_by_governance=name == "StationSuspended")
        else:
            book.station = replace(station, suspended_by_operator=name == "StationSuspended")


def _tariff(args: Args) -> Tariff:
    return Tariff(
        tariff=TariffId(args["tariff"]),
        payee=AccountId(args["payee"]),
        direction=Direction(args["direction"]),
        price_micro_per_kwh=PriceMicroPerKwh(args["priceMicroPerKwh"]),
        valid_from_s=UnixSeconds(args["validFrom"]),
        valid_to_s=UnixSeconds(args["validTo"]),
    )
