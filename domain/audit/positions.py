"""Re-derives positions: what was metered in the market, and what each position came to when it was closed."""

from collections.abc import Sequence

from domain.audit.findings import FindingCode, Tally
from domain.audit.gates import Gates
from domain.audit.ledger import Args, Books
from domain.audit.market_state import MarketState, Position
from domain.audit.report import Deployed, Report
from domain.audit.seats import Seats
from domain.chain import ChainEvent
from domain.errors import UnknownTariff
from domain.market import ClosedPosition, Closing, IntervalPrices, close_positions, debt_batch, market_rows
from domain.market import Position as Energy
from domain.membership import misplaced
from domain.statement import IntervalStatement
from domain.tariff import Direction
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh

OVERDUE_S = 86_400
"""How long after it could be closed at the latest a position that is still open is reported."""


class Positions:
    """Takes what batches meter in the market, and the events of closed positions."""

    def __init__(
        self, deployed: Deployed, books: Books, seats: Seats, gates: Gates, tally: Tally, report: Report
    ) -> None:
        self._deployed, self._books, self._seats = deployed, books, seats
        self._gates, self._tally, self._report = gates, tally, report
        self._closing: list[ChainEvent] = []

    @property
    def _state(self) -> MarketState:
        return self._seats.state

    # --- tariffs and metering --------------------------------------------------------------------

    def check_tariff(self, args: Args, time_s: int, where: str) -> None:
        """A price of the market is known before it holds, and one holds at a time."""
        direction = Direction(args["direction"])
        if not direction.market:
            return
        before = [one for one in self._books.tariffs if (one.payee, one.direction) == (args["payee"], direction)]
        from_s = max([time_s, *(one.valid_to_s for one in before)])
        if args["validFrom"] < from_s:
            found = f"one from {args['validFrom']} on"
            self._report(FindingCode.MARKET_TARIFF, where, f"a price from {from_s} on", found)

    def take_batch(
        self, statements: Sequence[IntervalStatement], metered: Sequence[ChainEvent], time_s: int, where: str
    ) -> None:
        """Compares what a batch metered in the market with its rows, which count for the positions."""
        try:
            rows = list(market_rows(statements, self._books.tariffs))
        except UnknownTariff:
            return  # It was reported where the batch's amounts are.
        expected, found = [row.word for row in rows], [word for event in metered for word in event.args["rows"]]
        if expected != found or len(metered) != bool(rows):
            self._report(
                FindingCode.METERING_MISMATCH,
                f"{where} (rows in the market)",
                str([f"{word:#x}" for word in expected]),
                str([f"{word:#x}" for word in found]),
            )
        if rows:
            self._gates.check_active(self._deployed.settlement, ("Escrow",), time_s, where)
        for row in rows:
            zone = self._state.zone_of(row.payee)
            if zone is None:
                self._report(FindingCode.METERING_MISMATCH, where, "a grid account", f"account {row.payee}")
                continue
            key = zone, row.interval_s, row.account
            position = self._state.position(*key)
            self._state.positions[key] = position.metered(exported=row.exported, energy_wh=row.energy_wh, at_s=time_s)
        for statement in statements:
            self._check_side(statement, where)

    def _check_side(self, statement: IntervalStatement, where: str) -> None:
        """Rows of accounts in the market are metered there, as far as there are prices; those of others are not."""
        station = self._books.stations.get(statement.station)
        zone = self._state.zone_of(station.station.payee) if station else None
        for number, row in enumerate(statement.rows):
            if station is None or not row.billed:
                continue
            seat = self._state.seats.get((zone, row.account)) if zone is not None else None
            start_s = statement.start_s + row.start_offset_s
            wrong = misplaced(
                self._books.tariffs.of(statement.tariff_of(row)),
                self._books.tariffs,
                payee=station.station.payee,
                start_s=start_s,
                end_s=start_s + row.duration_s,
                joined_s=seat.joined_s if seat else None,
            )
            place = f"{where}, station {statement.station} statement {statement.sequence} row {number}"
            if wrong is not None and wrong.wanted is None:
                who = f"account {row.account}, which never joined it"
                self._report(FindingCode.OFF_MARKET, place, "rows of members of the market", who)
            elif wrong is not None:
                self._report(FindingCode.OFF_MARKET, place, f"a row in the market of zone {zone}", "one beside it")

    # --- closing ---------------------------------------------------------------------------------

    def note_closed(self, event: ChainEvent) -> None:
        """Takes the event of one closed position; those of one call come together."""
        self._closing.append(event)

    def ends_call(self, event: ChainEvent | None) -> bool:
        """Whether the call whose positions were noted is over when this event, or nothing more, comes."""
        if not self._closing or event is None or event.name != "PositionClosed":
            return bool(self._closing)
        last = self._closing[-1].args
        same = all(event.args[name] == last[name] for name in ("zone", "interval"))
        return not same or event.args["account"] <= last["account"]

    def close(self, beside: Sequence[ChainEvent], time_s: int) -> list[ChainEvent]:
        """Re-computes a call's closed positions. `beside` are debts of its transaction; those that are left over."""
        events, self._closing = self._closing, []
        zone, interval_s = events[0].args["zone"], events[0].args["interval"]
        where = f"block {events[0].block}, positions of zone {zone}, interval {interval_s}"
        self._gates.check_active(self._deployed.positions, ("Escrow",), time_s, where)
        self._check_time(zone, interval_s, time_s, where)
        own = [event for event in beside if event.args.get("batch") == debt_batch(interval_s)]
        prices, grid = self._prices(zone, interval_s, where), self._state.grid_of(zone)
        if prices is None or grid is None:
            return [event for event in beside if event not in own]
        positions = {AccountId(event.args["account"]): self._energy(event, zone, interval_s) for event in events}
        closing = close_positions(
            positions, prices, AccountId(grid), lambda account: self._books.spendable_of(account, time_s)
        )
        for event in events:
            self._compare(event, closing, where)
            key = zone, interval_s, event.args["account"]
            self._state.positions[key] = Position(nonces=self._state.position(*key).nonces)
        self._compare_debts(closing, own, where)
        self._books.pay(closing.entries, time_s)
        self._tally.positions += len(events)
        return [event for event in beside if event not in own]

    def check_open(self, now_s: int) -> None:
        """Reports positions that could be closed long ago and are open."""
        waits_s = MARKET_INTERVAL_S + self._deployed.close_after_s + self._deployed.settle_within_s
        for (zone, interval_s, account), position in self._state.positions.items():
            from_s = max(interval_s + waits_s, position.metered_at_s)
            left = self._to_close(zone, interval_s, position)
            if account == self._state.grid_of(zone) or not any(left) or now_s <= from_s + OVERDUE_S:
                continue
            charge, discharge = self._books.imbalance_prices(self._state.grid_of(zone) or 0, interval_s)
            where = f"position of zone {zone}, interval {interval_s}, account {account}"
            self._report(
                FindingCode.POSITION_OPEN,
                f"{where} (Wh bought, sold, imported, exported)",
                f"closed by {from_s + OVERDUE_S}",
                f"{left} open at {now_s}, prices: charge {charge}, discharge {discharge}",
            )

    def _to_close(self, zone: int, interval_s: int, position: Position) -> tuple[int, int, int, int]:
        """The energy that counts when a position is closed: nothing was traded unless its auction ended so."""
        result = self._state.results.get((zone, interval_s))
        bought, sold, imported, exported = position.energy
        return (bought, sold, imported, exported) if result and result.crossed else (0, 0, imported, exported)

    def _check_time(self, zone: int, interval_s: int, time_s: int, where: str) -> None:
        ends_s = interval_s + MARKET_INTERVAL_S
        concluded = (zone, interval_s) in self._state.results
        from_s = ends_s + self._deployed.close_after_s
        if not concluded:
            from_s = max(from_s, ends_s + self._deployed.settle_within_s + 1)
        if time_s < from_s:
            self._report(FindingCode.CLOSING_MISMATCH, where, f"no end before {from_s}", f"one at {time_s}")

    def _prices(self, zone: int, interval_s: int, where: str) -> IntervalPrices | None:
        grid, result = self._state.grid_of(zone), self._state.results.get((zone, interval_s))
        charge, discharge = self._books.imbalance_prices(grid or 0, interval_s)
        if charge is None or discharge is None:
            expected = "prices of the grid account that hold in all of the interval"
            self._report(FindingCode.CLOSING_MISMATCH, where, expected, f"charge {charge}, discharge {discharge}")
            return None
        if result is None or not result.crossed:
            return IntervalPrices(charge=charge, discharge=discharge)
        return IntervalPrices(
            clearing=PriceMicroPerKwh(result.price_micro_per_kwh),
            fee=PriceMicroPerKwh(result.fee_micro_per_kwh),
            charge=charge,
            discharge=discharge,
        )

    def _energy(self, event: ChainEvent, zone: int, interval_s: int) -> Energy:
        bought, sold, imported, exported = self._state.position(zone, interval_s, event.args["account"]).energy
        return Energy(
            bought_wh=EnergyWh(bought),
            sold_wh=EnergyWh(sold),
            imported_wh=EnergyWh(imported),
            exported_wh=EnergyWh(exported),
        )

    def _compare(self, event: ChainEvent, closing: Closing, where: str) -> None:
        args, account = event.args, AccountId(event.args["account"])
        place, one = f"{where}, account {account}", closing.closed.get(account)
        energy_found = tuple(args[name] for name in ("boughtWh", "soldWh", "importedWh", "exportedWh"))
        if one is None or _energy_of(one) != energy_found:
            expected = str(_energy_of(one)) if one else "nothing to close"
            self._report(
                FindingCode.POSITION_MISMATCH,
                f"{place} (Wh bought, sold, imported, exported)",
                expected,
                str(energy_found),
            )
        if one is None:
            return
        amounts = one.account_pays, one.owed_micro, one.received_micro
        amounts_found = tuple(args[name] for name in ("accountPays", "owedMicro", "receivedMicro"))
        if amounts != amounts_found:
            self._report(
                FindingCode.CLOSING_MISMATCH,
                f"{place} (it pays, micro-euro owed, received)",
                str(amounts),
                str(amounts_found),
            )
        aside = account in closing.set_aside
        if aside != args["setAside"]:
            expected, found = ("set aside" if one else "paid" for one in (aside, args["setAside"]))
            self._report(FindingCode.SET_ASIDE_MISMATCH, place, expected, found)

    def _compare_debts(self, closing: Closing, events: Sequence[ChainEvent], where: str) -> None:
        names = ("debtor", "creditor", "owedMicro", "shareMicro")
        expected = sorted((one.debtor, one.creditor, one.owed_micro, one.share_micro) for one in closing.debts)
        found = sorted(tuple(event.args[name] for name in names) for event in events)
        if expected != found:
            self._report(
                FindingCode.DEBT_MISMATCH,
                f"{where} (debtor, creditor, micro-euro owed, micro-euro of it for the creditor)",
                str([one for one in expected if one not in found]),
                str([one for one in found if one not in expected]),
            )


def _energy_of(one: ClosedPosition) -> tuple[int, int, int, int]:
    position = one.position
    return position.bought_wh, position.sold_wh, position.imported_wh, position.exported_wh
