"""Bidding beside vehicles, photovoltaics and the grid: signs what `domain.bidding` decides, and sends it.

For each market interval, before its gate: `bid`. Once its auction is cleared: `plan`, which says what to charge and
sell in it. Whenever the meter told something: `metered`. An order that the backend refuses is logged and left out: what
must run is charged in any case, and the next interval is planned from what was really traded and metered.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.auction.order import SignedOrder
from domain.auction.zone import ZoneTerms
from domain.bidding.bid import Bid, orders_of
from domain.bidding.forecast import PriceForecast
from domain.bidding.stay import Battery, Moved, Slot, Stay, slots_of
from domain.bidding.vehicle import Decision, decide
from domain.signing import Signer, SigningDomain
from domain.tariff import Direction, TariffTable
from domain.units import (
    MARKET_INTERVAL_S,
    AccountId,
    EnergyWh,
    PowerW,
    PriceMicroPerKwh,
    UnixSeconds,
)
from domain.wire import order_to_json
from oracle.acn import RATED_POWER_W, ReplaySession
from oracle.errors import BackendRefused, NoMarketPrice
from oracle.pack import FLOOR_BP, battery_of
from oracle.plan import plan_of

WEAR_MICRO_PER_KWH = PriceMicroPerKwh(13_000)
"""The median of what a kWh sold wears off a battery of 100 euro per kWh (BLAST-Lite)."""
PERCENT_EACH_WAY = 90
"""MODELLED: of the metered energy, what reaches the pack, and of the pack's what reaches the meter."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Traded:
    """What an account traded in one interval, Wh."""

    bought_wh: int = 0
    sold_wh: int = 0


class OrderPort(Protocol):
    """Where orders go. What is sent twice counts once."""

    def post_order(self, body: str) -> None:
        """Sends a signed order as JSON. BackendRefused, or BackendUnavailable to be sent again."""


class TariffPort(Protocol):
    """The zone's published market tariffs, micro-euro per kWh."""

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh: ...

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh: ...


class PublishedPrices:
    """`TariffPort` over the tariffs that a zone's grid account published."""

    def __init__(self, tariffs: TariffTable, grid: AccountId) -> None:
        self._tariffs, self._grid = tariffs, grid

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        """NoMarketPrice if none is published."""
        return self._price(Direction.MARKET_CHARGE, interval_s)

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        """NoMarketPrice if none is published."""
        return self._price(Direction.MARKET_DISCHARGE, interval_s)

    def _price(self, direction: Direction, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        for tariff in self._tariffs:
            ours = tariff.payee == self._grid and tariff.direction == direction
            if ours and tariff.covers(interval_s, interval_s + MARKET_INTERVAL_S):
                return tariff.price_micro_per_kwh
        raise NoMarketPrice(self._grid, direction.label, interval_s)


class OrderDesk:
    """Signs orders of the accounts whose keys it has, and sends them."""

    def __init__(self, client: OrderPort, signers: Mapping[AccountId, Signer], domain: SigningDomain) -> None:
        """`domain` is that of the AuctionHouse."""
        self._client, self._signers, self._domain = client, signers, domain

    def send(
        self, account: AccountId, interval_s: UnixSeconds, bids: Iterable[Bid], terms: ZoneTerms
    ) -> tuple[SignedOrder, ...]:
        """Those orders that the backend took. The same bids make the same orders, so they can be sent again.

        BackendUnavailable if it cannot be reached.
        """
        taken = []
        for order in orders_of(bids, account=account, terms=terms, interval_s=interval_s):
            signed = SignedOrder(order, self._signers[account].sign(order.order_hash(self._domain)))
            try:
                self._client.post_order(json.dumps(order_to_json(signed), separators=(",", ":")))
            except BackendRefused as refused:
                _log.warning("account %d, interval %d: order refused: %s", account, interval_s, refused.detail)
            else:
                taken.append(signed)
        return tuple(taken)


@dataclass(slots=True)
class _Interval:
    """What is decided of an interval, what is due in it as far as that is known, and the meter when it begins."""

    decision: Decision
    due: Moved
    opening: Moved


class VehicleBidding:
    """One vehicle's stay in a zone's market."""

    def __init__(
        self,
        account: AccountId,
        stay: Stay,
        *,
        desk: OrderDesk,
        terms: ZoneTerms,
        tariffs: TariffPort,
        forecast: PriceForecast,
    ) -> None:
        self.account, self.stay = account, stay
        self._desk, self._terms = desk, terms
        self._tariffs, self._forecast = tariffs, forecast
        self._intervals: dict[UnixSeconds, _Interval] = {}
        self._metered = Moved()

    def bid(self, interval_s: UnixSeconds, now_s: UnixSeconds) -> Decision:
        """Decides for an interval, and sends the orders if its gate is still open."""
        decision = decide(self.stay, self._before(interval_s), self._slots(interval_s), self._terms)
        self._intervals[interval_s] = _Interval(decision, Moved(decision.must_run_wh, 0), self._metered)
        if now_s < self._terms.closes_s(interval_s):
            self._desk.send(self.account, interval_s, decision.bids, self._terms)
        return decision

    def plan(self, interval_s: UnixSeconds, traded: Traded) -> Moved:
        """What to charge and sell in an interval that was bid for, now that its auction is over."""
        interval = self._intervals[interval_s]
        interval.due = Moved(interval.decision.charge_wh(traded.bought_wh), traded.sold_wh)
        return interval.due

    def metered(self, time_s: UnixSeconds, since_arrival: Moved) -> None:
        """What the meter shows since arrival. To be told at the edges of intervals, and as often as one likes."""
        self._metered = since_arrival
        for begins_s, interval in list(self._intervals.items()):
            if begins_s + MARKET_INTERVAL_S <= time_s:
                del self._intervals[begins_s]
            elif time_s <= begins_s:
                interval.opening = since_arrival

    def _before(self, interval_s: UnixSeconds) -> Moved:
        """What will have been charged and sold when an interval begins, if what is due is done."""
        imported_wh, exported_wh = self._metered.imported_wh, self._metered.exported_wh
        for begins_s, interval in self._intervals.items():
            if begins_s < interval_s:
                done_import_wh = self._metered.imported_wh - interval.opening.imported_wh
                done_export_wh = self._metered.exported_wh - interval.opening.exported_wh
                imported_wh += max(0, interval.due.imported_wh - done_import_wh)
                exported_wh += max(0, interval.due.exported_wh - done_export_wh)
        return Moved(imported_wh, exported_wh)

    def _slots(self, from_s: UnixSeconds) -> tuple[Slot, ...]:
        return slots_of(self.stay, from_s, charge_at=self._tariffs.charge_at, expected_at=self._expected)

    def _expected(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        """What buying will cost with the fee: within the tariffs, at which the grid buys and sells."""
        fee, charge = self._terms.fee_micro_per_kwh, self._tariffs.charge_at(interval_s)
        price = self._forecast.expected(interval_s, PriceMicroPerKwh(charge - fee))
        lowest = min(self._tariffs.discharge_at(interval_s), charge - fee)
        return PriceMicroPerKwh(max(lowest, min(price, charge - fee)) + fee)


def stay_of(
    session: ReplaySession,
    *,
    rated_power_w: PowerW = RATED_POWER_W,
    sells: bool = True,
    wear: PriceMicroPerKwh = WEAR_MICRO_PER_KWH,
    reserve_s: int = 0,
) -> Stay:
    """A recorded session as a stay: its need and times are recorded, its battery and power are MODELLED."""
    pack = battery_of(session)
    power_w = plan_of(session, rated_power_w=rated_power_w).charge_power_w
    given_wh = pack.model.capacity_wh * PERCENT_EACH_WAY // 100
    return Stay(
        arrival_s=session.arrival_s,
        departure_s=session.departure_s,
        need_wh=session.delivered_wh,
        power_w=power_w,
        export_power_w=power_w if sells else PowerW(0),
        battery=Battery(
            capacity_wh=EnergyWh(given_wh),
            stored_wh=EnergyWh(given_wh * pack.arrival_bp // 10_000),
            floor_wh=EnergyWh(given_wh * FLOOR_BP // 10_000),
            efficiency_bp=PERCENT_EACH_WAY * PERCENT_EACH_WAY,
            wear_micro_per_kwh=wear,
        ),
        reserve_s=reserve_s,
    )
