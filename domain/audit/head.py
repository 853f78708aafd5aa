"""What the contracts must hold at the chain's head, if its events told the truth."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.auction.book import forced_chain
from domain.audit.findings import FindingCode
from domain.audit.ledger import NOBODY
from domain.audit.market_state import MarketState
from domain.audit.report import Deployed, Report
from domain.audit.state import AuditState
from domain.chain import View
from domain.text import hex_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A question to a contract, and what it must answer. `parts` names those of a structure that count."""

    code: FindingCode
    where: str
    view: View
    value: object
    parts: tuple[str, ...] = ()

    def compare(self, answer: object, report: Report) -> None:
        """Reports another answer. Addresses are lower-case text."""
        found = tuple(getattr(answer, part) for part in self.parts) if self.parts else answer
        found = tuple(found) if isinstance(found, list | tuple) else found
        if found != self.value:
            report(self.code, self.where, str(self.value), str(found))


def expected_at_head(state: AuditState, deployed: Deployed) -> Iterator[Expected]:
    """All that can be asked and is not compared with more words elsewhere."""
    yield from _tariffs(state)
    yield from _accounts(state)
    yield from _stations(state)
    yield from _gates(state, deployed)
    yield from _guards(state)
    yield from _disputes(state)
    yield from _market(state, deployed)


def _tariffs(state: AuditState) -> Iterator[Expected]:
    code = FindingCode.TARIFF_STATE
    yield Expected(code=code, where="tariffs", view=View("TariffBook", "tariffCount"), value=len(state.tariffs))
    for one in state.tariffs:
        yield Expected(
            code=code,
            where=f"tariff {one.tariff} (operator, direction, micro-euro per kWh, from, to)",
            view=View("TariffBook", "tariffOf", (one.tariff,)),
            value=(one.payee, int(one.direction), one.price_micro_per_kwh, one.valid_from_s, one.valid_to_s),
        )


def _accounts(state: AuditState) -> Iterator[Expected]:
    code, opened = FindingCode.ACCOUNT_STATE, sum(book.owner != NOBODY for book in state.accounts.values())
    yield Expected(code=code, where="accounts", view=View("AccountRegistry", "accountCount"), value=opened)
    for number, book in sorted(state.accounts.items()):
        key = next((key.address for key in book.driver_keys if key.until_s is None), NOBODY)
        for what, function, value in (
            ("owner", "ownerOf", hex_text(book.owner)),
            ("vehicle key", "driverKeyOf", hex_text(key)),
            ("open", "isOpen", book.owner != NOBODY and not book.closed),
        ):
            view = View("AccountRegistry", function, (number,))
            yield Expected(code=code, where=f"account {number}, {what}", view=view, value=value)
        waiting_until_s = book.available_at_s if book.requested_micro else 0
        yield Expected(
            code=FindingCode.GUARD_STATE,
            where=f"account {number}, withdrawal (micro-euro, not before)",
            view=View("Escrow", "withdrawalOf", (number,)),
            value=(book.requested_micro, waiting_until_s),
        )
        yield Expected(
            code=FindingCode.GUARD_STATE,
            where=f"account {number}, daily cap (micro-euro, spent, day)",
            view=View("Escrow", "dailyCapOf", (number,)),
            value=(book.cap.cap_micro, book.cap.spent_micro, book.cap.day),
        )


def _stations(state: AuditState) -> Iterator[Expected]:
    code = FindingCode.STATION_STATE
    yield Expected(code=code, where="stations", view=View("StationRegistry", "stationCount"), value=len(state.stations))
    for number, book in sorted(state.stations.items()):
        station = book.station
        yield Expected(
            code=code,
            where=f"station {number} (operator, rated W, bidirectional)",
            view=View("StationRegistry", "stationOf", (number,)),
            value=(station.payee, station.rated_power_w, station.bidirectional),
            parts=("payee", "ratedPowerW", "bidirectional"),
        )


def _gates(state: AuditState, deployed: Deployed) -> Iterator[Expected]:
    code = FindingCode.MODULE_STATE
    for contract, gate in sorted(state.gates.items()):
        sealed = gate.delay_s is not None
        yield Expected(code=code, where=f"{contract}, sealed", view=View(contract, "sealedModules"), value=sealed)
        if sealed:
            yield Expected(
                code=code, where=f"{contract}, delay s", view=View(contract, "moduleDelay"), value=gate.delay_s
            )
        for module in sorted({*gate.active_from_s, *deployed.modules}):
            yield Expected(
                code=code,
                where=f"{contract}, module {hex_text(module)} (active from)",
                view=View(contract, "moduleActiveFrom", (hex_text(module),)),
                value=gate.active_from_s.get(module, 0),
            )


def _guards(state: AuditState) -> Iterator[Expected]:
    guards = state.guards
    for what, function, value in (
        ("paused", "paused", guards.paused),
        ("frozen until", "frozenUntil", guards.frozen_until_s),
        ("balance cap", "balanceCap", guards.balance_cap_micro),
    ):
        yield Expected(
            code=FindingCode.GUARD_STATE, where=f"escrow, {what}", view=View("Escrow", function), value=value
        )


def _disputes(state: AuditState) -> Iterator[Expected]:
    for place, dispute in state.disputes.items():
        station, sequence, row = place
        yield Expected(
            code=FindingCode.DISPUTE_MISMATCH,
            where=f"dispute of station {station} statement {sequence} row {row} (state, disputer, payer, answer until)",
            view=View("DisputeCourt", "claimOf", place),
            value=(dispute.status.value, dispute.disputer, dispute.payment.payer, dispute.answer_until_s),
            parts=("status", "disputer", "payer", "answerUntil"),
        )


def _market(state: AuditState, deployed: Deployed) -> Iterator[Expected]:
    code, market = FindingCode.MARKET_STATE, state.market
    for function, value in (("closeAfterS", deployed.close_after_s), ("settleWithinS", deployed.settle_within_s)):
        yield Expected(code=code, where=f"market, {function}", view=View("PositionBook", function), value=value)
    for zone, settings in sorted(market.zones.items()):
        view = View("PositionBook", "gridOf", (zone,))
        yield Expected(code=code, where=f"zone {zone}, grid account", view=view, value=settings[0].grid)
    for (zone, account), seat in sorted(market.seats.items()):
        owner = state.accounts[account].owner if account in state.accounts else NOBODY
        yield Expected(
            code=code,
            where=f"zone {zone}, account {account} (its seat, free margin)",
            view=View("AuctionHouse", "seatOf", (zone, hex_text(owner))),
            value=(account, seat.free_micro),
        )
    yield from _books(market)
    yield from _positions(market)


def _books(market: MarketState) -> Iterator[Expected]:
    code = FindingCode.MARKET_STATE
    for auction, book in market.books.items():
        yield Expected(
            code=code,
            where=f"book of zone {auction[0]}, interval {auction[1]} (state, what is kept of it)",
            view=View("AuctionHouse", "bookOf", auction),
            value=(book.state, book.kept),
        )
    for auction, forced in market.forced.items():
        chain = forced_chain(zip(forced.lines, forced.nonces, strict=True))
        yield Expected(
            code=code,
            where=f"forced orders of zone {auction[0]}, interval {auction[1]} (count, chain, held)",
            view=View("AuctionHouse", "forcedOf", auction),
            value=(len(forced.lines), chain, forced.held),
        )


def _positions(market: MarketState) -> Iterator[Expected]:
    code = FindingCode.MARKET_STATE
    for auction, result in market.results.items():
        yield Expected(
            code=code,
            where=f"end of zone {auction[0]}, interval {auction[1]} (concluded, crossed, price, fee)",
            view=View("PositionBook", "resultOf", auction),
            value=(True, result.crossed, result.price_micro_per_kwh, result.fee_micro_per_kwh),
            parts=("concluded", "crossed", "priceMicroPerKwh", "feeMicroPerKwh"),
        )
    for key, position in market.positions.items():
        book = market.books.get((key[0], key[1]))
        if book is not None and book.settled and book.fills is None:
            continue  # It was cleared in parts: what its lines get is known with the last chunk.
        zone, interval_s, account = key
        yield Expected(
            code=code,
            where=f"position of zone {zone}, interval {interval_s}, account {account} (Wh bought, sold, imported, "
            "exported, nonces)",
            view=View("PositionBook", "positionOf", key),
            value=(*position.energy, position.nonces),
            parts=("boughtWh", "soldWh", "importedWh", "exportedWh", "nonces"),
        )
