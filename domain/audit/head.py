"""What the contracts must hold at the chain's head, if its events told the truth."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.audit.findings import FindingCode
from domain.audit.ledger import NOBODY
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
        for module in sorted({*gate.active_from_s, deployed.settlement, deployed.court}):
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
