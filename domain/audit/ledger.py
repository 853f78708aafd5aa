"""What the chain's events say, kept as the auditor's own books."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from domain.chain import ChainEvent
from domain.errors import Malformed
from domain.reading import BmsReading, Station
from domain.session import Usage
from domain.settlement import Entry, Payment
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import (
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


@dataclass(slots=True)
class DriverKey:
    """A vehicle key. What began after `until_s`, when another one replaced it, needs the other one."""

    address: bytes
    until_s: UnixSeconds | None = None


@dataclass(slots=True)
class AccountBook:
    """One account: who owns it, which vehicle keys it has held, and its money in micro-euro."""

    owner: bytes
    driver_keys: list[DriverKey] = field(default_factory=list)
    free_micro: int = 0
    requested_micro: int = 0
    last_bms: BmsReading | None = None


@dataclass(slots=True)
class StationBook:
    """One station: what the registry says, and where its last settled statement left off."""

    station: Station
    import_wh: int
    export_wh: int
    sequence: int = 0
    end_s: int | None = None
    last_reading: int | None = None
    """Sequence of its last reading; None where that is not certain."""


@dataclass(slots=True)
class Books:
    """Accounts, stations, tariffs, sessions' usage and payments, as events and batches make them."""

    accounts: dict[int, AccountBook] = field(default_factory=dict)
    stations: dict[int, StationBook] = field(default_factory=dict)
    station_of_signer: dict[bytes, int] = field(default_factory=dict)
    tariffs: TariffTable = field(default_factory=TariffTable)
    usage: dict[bytes, Usage] = field(default_factory=dict)
    session_starts: dict[bytes, UnixSeconds] = field(default_factory=dict)
    """When the first reading of each session was taken."""
    payments: dict[tuple[int, int, int], tuple[Payment, bool]] = field(default_factory=dict)
    """By station, statement and row; with whether it was set aside."""
    statement_batches: dict[tuple[int, int], int] = field(default_factory=dict)
    batches: int = 0

    def free_of(self, account: AccountId) -> MoneyMicro:
        book = self.accounts.get(account)
        return MoneyMicro(book.free_micro if book else 0)

    def driver_keys(self, account: int, time_s: int) -> list[bytes]:
        """The vehicle keys that may have signed for what began at this time."""
        book = self.accounts.get(account)
        keys = book.driver_keys if book else []
        return [key.address for key in keys if key.until_s is None or time_s <= key.until_s]

    def replace_driver_key(self, event: ChainEvent, time_s: UnixSeconds) -> None:
        """Takes a DriverKeySet event, of a block of this time, into the books."""
        self.note(event)
        keys = self.accounts[event.args["account"]].driver_keys
        for key in keys if event.args["driverKey"] == NOBODY else keys[:-1]:
            key.until_s = time_s if key.until_s is None else key.until_s

    def pay(self, entries: Mapping[AccountId, Entry]) -> None:
        """Applies a batch's entries."""
        for account, entry in entries.items():
            book = self.accounts.setdefault(account, AccountBook(NOBODY))
            book.free_micro += entry.credit_micro - entry.debit_micro

    def note(self, event: ChainEvent) -> None:
        """Takes an event of the registries, the tariff book or the escrow into the books.

        Malformed if it is about an account or station of which no event came before.
        """
        handler = getattr(self, f"_{_snake(event.name)}", None)
        if handler is None:
            return
        try:
            handler(event.args)
        except KeyError as error:
            raise Malformed(
                f"block {event.block}: {event.name} is about number {error}, which no earlier event knows; "
                "the deployments file must name the first block, and the node must serve all events since"
            ) from error

    def _account_opened(self, args: Mapping[str, Any]) -> None:
        key = args["driverKey"]
        keys = [] if key == NOBODY else [DriverKey(key)]
        self.accounts[args["account"]] = AccountBook(args["owner"], keys)

    def _driver_key_set(self, args: Mapping[str, Any]) -> None:
        book = self.accounts[args["account"]]
        if args["driverKey"] != NOBODY:
            book.driver_keys.append(DriverKey(args["driverKey"]))

    def _station_registered(self, args: Mapping[str, Any]) -> None:
        station = Station(
            station=StationId(args["station"]),
            signer=args["signer"],
            payee=AccountId(args["payee"]),
            rated_power_w=PowerW(args["ratedPowerW"]),
            bidirectional=args["bidirectional"],
            revoked=False,
            import_wh=EnergyWh(args["importWh"]),
            export_wh=EnergyWh(args["exportWh"]),
        )
        self.stations[station.station] = StationBook(station, station.import_wh, station.export_wh)
        self.station_of_signer[station.signer] = station.station

    def _key_rotated(self, args: Mapping[str, Any]) -> None:
        book = self.stations[args["station"]]
        book.station = replace(
            book.station,
            signer=args["signer"],
            previous_signer=args["previousSigner"],
            previous_valid_until_s=UnixSeconds(args["previousValidUntil"]),
        )
        self.station_of_signer[args["signer"]] = args["station"]

    def _station_revoked(self, args: Mapping[str, Any]) -> None:
        book = self.stations[args["station"]]
        book.station = replace(book.station, revoked=True)

    def _tariff_published(self, args: Mapping[str, Any]) -> None:
        self.tariffs.add(
            Tariff(
                tariff=TariffId(args["tariff"]),
                payee=AccountId(args["payee"]),
                direction=Direction(args["direction"]),
                price_micro_per_kwh=PriceMicroPerKwh(args["priceMicroPerKwh"]),
                valid_from_s=UnixSeconds(args["validFrom"]),
                valid_to_s=UnixSeconds(args["validTo"]),
            )
        )

    def _deposited(self, args: Mapping[str, Any]) -> None:
        self.accounts[args["account"]].free_micro += args["amountMicro"]

    def _withdrawal_requested(self, args: Mapping[str, Any]) -> None:
        book = self.accounts[args["account"]]
        book.free_micro -= args["amountMicro"]
        book.requested_micro += args["amountMicro"]

    def _withdrawal_cancelled(self, args: Mapping[str, Any]) -> None:
        book = self.accounts[args["account"]]
        book.free_micro += args["amountMicro"]
        book.requested_micro -= args["amountMicro"]

    def _withdrawn(self, args: Mapping[str, Any]) -> None:
        self.accounts[args["account"]].requested_micro -= args["amountMicro"]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
