"""A market of recorded sessions, photovoltaics and the grid: what each side gains against the tariff.

Each vehicle bids as `oracle.bidding` does, with signed orders; each book is made and cleared by `domain.auction`; each
position is closed as `IPositionBook.close` says. Recorded: when vehicles come and go, and what they charge. MODELLED:
batteries, powers, the photovoltaics' course and its forecast error, tariffs.

Against the tariff: a vehicle charges at once at the charge tariff, the photovoltaics are paid the discharge tariff,
and the grid values each Wh that it must deliver at the discharge tariff. Wear of what is sold is the vehicles' cost.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.auction.book import OrderBook, make_book
from domain.auction.clearing import Clearing, clear
from domain.auction.order import AcceptedOrder, accept_order
from domain.auction.zone import GATE_S, ZoneTerms
from domain.bidding.forecast import PriceForecast
from domain.bidding.stay import Moved, slots_of
from domain.bidding.supply import back_up, offer_generation
from domain.keccak import keccak
from domain.market import IntervalPrices, Position, close_position
from domain.signing import SigningDomain
from domain.units import (
    MARKET_INTERVAL_S,
    WH_PER_KWH,
    AccountId,
    EnergyWh,
    PriceMicroPerKwh,
    StationId,
    UnixSeconds,
    cost_ceil,
)
from domain.wire import order_from_json
from oracle.acn import ReplaySession
from oracle.bidding import OrderDesk, Traded, VehicleBidding, stay_of
from oracle.keystore import KeySigner
from oracle.sun import Sun
from scripts.day import SITE_ZONE, SUN_PERCENT
from scripts.tariffs import CHARGE

ZONE, GRID, SUN, FIRST_CAR = 1, AccountId(4), AccountId(5), 100
NOWHERE = StationId(0)
"""Nobody meters here."""
DISCHARGE_MICRO_PER_KWH = PriceMicroPerKwh(100_000)
LIMIT_WH = EnergyWh(100_000)
DOMAIN = SigningDomain(31_337, bytes([0xA0]) * 20)
BID_AHEAD_S = GATE_S + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What one auction came to. Money is what accounts owe, in micro-euro; below zero they receive."""

    interval_s: UnixSeconds
    charge: PriceMicroPerKwh
    discharge: PriceMicroPerKwh
    book: OrderBook
    clearing: Clearing
    owed_micro: Mapping[AccountId, int]


@dataclass(slots=True)
class Market:
    """What happened, and what would have been paid at the tariff, by account, in micro-euro."""

    intervals: list[Interval] = field(default_factory=list)
    paid_micro: Counter[AccountId] = field(default_factory=Counter)
    plain_micro: Counter[AccountId] = field(default_factory=Counter)
    imported_wh: Counter[AccountId] = field(default_factory=Counter)
    exported_wh: Counter[AccountId] = field(default_factory=Counter)
    unmet_wh: int = 0
    lost_wh: int = 0
    orders: int = 0
    wear_micro: Counter[AccountId] = field(default_factory=Counter)


@dataclass(slots=True)
class _Inbox:
    """Takes orders in as a backend does: reads their JSON, and keeps them until their book is made."""

    terms: ZoneTerms
    keys: Mapping[AccountId, KeySigner]
    orders: int = 0
    waiting: list[AcceptedOrder] = field(default_factory=list)

    def post_order(self, body: str) -> None:
        signed = order_from_json(json.loads(body))
        key = self.keys[signed.order.account].address
        self.waiting.append(accept_order(signed, driver_key=key, terms=self.terms, domain=DOMAIN))
        self.orders += 1

    def emptied(self) -> list[AcceptedOrder]:
        waiting, self.waiting = self.waiting, []
        return waiting


class _Tariffs:
    """The grid's market tariffs: time of use for charging, flat for discharging."""

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        hour = datetime.fromtimestamp(interval_s, SITE_ZONE).hour
        return PriceMicroPerKwh([price for from_hour, price in CHARGE if from_hour <= hour][-1])

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:  # noqa: ARG002 (it is flat)
        return DISCHARGE_MICRO_PER_KWH


class Simulation:
    """Plays recorded days in one zone. `sun_percent`: the photovoltaics' energy, of what is charged on average."""

    def __init__(
        self, sessions: Sequence[ReplaySession], *, sun_percent: int = SUN_PERCENT, sells: bool = True
    ) -> None:
        self._terms = ZoneTerms(zone=ZONE, grid=GRID, import_limit_wh=LIMIT_WH, export_limit_wh=LIMIT_WH)
        self._tariffs, self._forecast = _Tariffs(), PriceForecast()
        self._cars = [AccountId(FIRST_CAR + number) for number in range(len(sessions))]
        keys = {one: KeySigner(keccak(one.to_bytes(32, "big"))) for one in (GRID, SUN, *self._cars)}
        self._inbox = _Inbox(self._terms, keys)
        self._desk = OrderDesk(self._inbox, keys, DOMAIN)
        self._vehicles = {
            account: VehicleBidding(
                account,
                stay_of(session, sells=sells),
                desk=self._desk,
                terms=self._terms,
                tariffs=self._tariffs,
                forecast=self._forecast,
            )
            for account, session in zip(self._cars, sessions, strict=True)
        }
        self._moved = dict.fromkeys(self._cars, Moved())
        days = len({session.local_day for session in sessions})
        first_s = min(session.arrival_s for session in sessions)
        self._sun = Sun(
            account=SUN,
            station=NOWHERE,
            wh_a_day=EnergyWh(sum(s.delivered_wh for s in sessions) * sun_percent // 100 // days),
            zone=SITE_ZONE,
            from_s=UnixSeconds(first_s - first_s % MARKET_INTERVAL_S),
            to_s=UnixSeconds(max(session.departure_s for session in sessions)),
        )
        self.market = Market()

    def run(self) -> Market:
        """All intervals from the first arrival to the last departure."""
        for at_s in range(self._sun.from_s, self._sun.to_s, MARKET_INTERVAL_S):
            self._interval(UnixSeconds(at_s))
        for account, vehicle in self._vehicles.items():
            wear = vehicle.stay.battery.wear_micro_per_kwh
            self.market.wear_micro[account] = self.market.exported_wh[account] * wear // WH_PER_KWH
            self.market.unmet_wh += vehicle.stay.missing_wh(self._moved[account])
            moved = self._moved[account]
            self.market.lost_wh += moved.imported_wh - moved.exported_wh - vehicle.stay.need_wh
            self._charge_plainly(account, vehicle)
        self.market.orders = self._inbox.orders
        return self.market

    def _interval(self, at_s: UnixSeconds) -> None:
        present = self._bid(at_s)
        book = make_book(self._inbox.emptied(), terms=self._terms, interval_s=at_s)
        clearing = clear(book.book, self._terms)
        traded = _traded(clearing)
        moved = {account: self._drive(account, at_s, traded.get(account, Traded())) for account in present}
        moved[SUN] = Moved(0, self._sun.generated_wh(at_s))
        self._close(at_s, book, clearing, traded, moved)
        self._forecast.note(at_s, clearing.price_micro_per_kwh)

    def _bid(self, at_s: UnixSeconds) -> list[AccountId]:
        """Everybody's orders for an interval; the vehicles that are there in it."""
        charge, discharge = self._tariffs.charge_at(at_s), self._tariffs.discharge_at(at_s)
        sun = offer_generation(self._sun.forecast_wh(at_s), self._terms, export_price=discharge)
        self._desk.send(SUN, at_s, sun, self._terms)
        self._desk.send(GRID, at_s, back_up(self._terms, import_price=charge, export_price=discharge), self._terms)
        present = []
        for account, vehicle in self._vehicles.items():
            stay = vehicle.stay
            if at_s < stay.departure_s and stay.arrival_s < at_s + MARKET_INTERVAL_S:
                vehicle.bid(at_s, UnixSeconds(max(at_s - BID_AHEAD_S, stay.arrival_s)))
                present.append(account)
        return present

    def _drive(self, account: AccountId, at_s: UnixSeconds, traded: Traded) -> Moved:
        """The vehicle charges and sells as it planned, and its meter tells."""
        vehicle, before = self._vehicles[account], self._moved[account]
        moved = vehicle.plan(at_s, traded)
        after = Moved(before.imported_wh + moved.imported_wh, before.exported_wh + moved.exported_wh)
        self._moved[account] = after
        vehicle.metered(UnixSeconds(at_s + MARKET_INTERVAL_S), after)
        return moved

    def _close(
        self,
        at_s: UnixSeconds,
        book: OrderBook,
        clearing: Clearing,
        traded: Mapping[AccountId, Traded],
        moved: Mapping[AccountId, Moved],
    ) -> None:
        """Closes the positions of an interval, all against the grid account."""
        market, charge, discharge = self.market, self._tariffs.charge_at(at_s), self._tariffs.discharge_at(at_s)
        prices = IntervalPrices(
            clearing=clearing.price_micro_per_kwh,
            fee=self._terms.fee_micro_per_kwh,
            charge=charge,
            discharge=discharge,
        )
        owed: dict[AccountId, int] = {}
        for account, energy in moved.items():
            owed[account] = owed_micro(traded.get(account, Traded()), energy, prices)
            market.imported_wh[account] += energy.imported_wh
            market.exported_wh[account] += energy.exported_wh
        owed[GRID] = -sum(owed.values())
        market.plain_micro[SUN] -= moved[SUN].exported_wh * discharge // WH_PER_KWH
        market.paid_micro.update(owed)
        market.intervals.append(
            Interval(
                interval_s=at_s,
                charge=charge,
                discharge=discharge,
                book=book,
                clearing=clearing,
                owed_micro=owed,
            )
        )

    def _charge_plainly(self, account: AccountId, vehicle: VehicleBidding) -> None:
        """What the stay would have cost at the tariff, charging at once."""
        charge_at = self._tariffs.charge_at
        need_wh = int(vehicle.stay.need_wh)
        for slot in slots_of(vehicle.stay, UnixSeconds(0), charge_at=charge_at, expected_at=charge_at):
            charged_wh = min(need_wh, slot.import_wh)
            need_wh -= charged_wh
            self.market.plain_micro[account] += cost_ceil(EnergyWh(charged_wh), slot.charge)


def owed_micro(traded: Traded, moved: Moved, prices: IntervalPrices) -> int:
    """What a position comes to for its account, as `IPositionBook.close` says; below zero it receives."""
    position = Position(
        bought_wh=EnergyWh(traded.bought_wh),
        sold_wh=EnergyWh(traded.sold_wh),
        imported_wh=EnergyWh(moved.imported_wh),
        exported_wh=EnergyWh(moved.exported_wh),
    )
    one = close_position(position, prices)
    return one.owed_micro if one.account_pays else -one.received_micro


def gains_micro(market: Market) -> dict[str, int]:
    """What vehicles, photovoltaics and the grid gain against the tariff, micro-euro."""
    cars = [account for account in market.plain_micro if account != SUN]
    plain, paid = (sum(money[account] for account in cars) for money in (market.plain_micro, market.paid_micro))
    more_micro = market.lost_wh * DISCHARGE_MICRO_PER_KWH // WH_PER_KWH
    return {
        "vehicles": plain - paid - market.wear_micro.total(),
        "photovoltaics": market.plain_micro[SUN] - market.paid_micro[SUN],
        "grid": -market.paid_micro[GRID] - sum(market.plain_micro.values()) - more_micro,
    }


def _traded(clearing: Clearing) -> dict[AccountId, Traded]:
    """What each account traded."""
    found: dict[AccountId, Traded] = {}
    for trade in clearing.trades:
        known = found.get(trade.account, Traded())
        if trade.sell:
            found[trade.account] = Traded(known.bought_wh, known.sold_wh + trade.energy_wh)
        else:
            found[trade.account] = Traded(known.bought_wh + trade.energy_wh, known.sold_wh)
    return found
