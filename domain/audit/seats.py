"""Zones, who takes part in them, and the money that is held for orders sent to the chain."""

from collections import Counter

from domain.auction.book import decode_line
from domain.auction.forced import AHEAD_S, BOND_MICRO, ForcedOrder, decode_forced, held_micro
from domain.auction.order import NONCES
from domain.auction.zone import GATE_S, REVEAL_S
from domain.audit.findings import FindingCode
from domain.audit.gates import Gates
from domain.audit.ledger import Args
from domain.audit.market_calls import REVEAL_SELECTOR, sealed_commitment
from domain.audit.market_state import Forced, MarketState, SeatBook, ZoneSetting
from domain.audit.report import Deployed, Report, TransactionSource
from domain.chain import ChainEvent
from domain.errors import Malformed, OffTick, OutOfRange
from domain.units import MARKET_INTERVAL_S

NOTICE_S = 86_400
"""New terms of a zone hold for intervals that begin at least so much later."""

Movement = tuple[str, int, int, int]
"""An event of the escrow, its account, to whom, and how many micro-euro."""


class Seats:
    """Takes the auction house's events of zones, margins and forced orders, and the escrow's of money locked for it."""

    def __init__(
        self,
        deployed: Deployed,
        transactions: TransactionSource,
        gates: Gates,
        report: Report,
    ) -> None:
        self.state = MarketState()
        self._deployed, self._transactions, self._gates, self._report = deployed, transactions, gates, report
        self._expected: Counter[Movement] = Counter()
        self._found: Counter[Movement] = Counter()

    def note(self, event: ChainEvent, time_s: int, where: str) -> None:
        """Takes an event of a zone, a seat or an order that was sent to the chain."""
        args = event.args
        match event.name:
            case "ZoneOpened":
                self._opened(args, where)
            case "ZoneSet":
                self._set(args, time_s, where)
            case "Joined":
                self._joined(args, time_s, where)
            case "MarginChanged":
                self._margin_changed(args, where)
            case "BidForced":
                self._forced(event, time_s, where)
            case "BidSealed":
                self._sealed(args, time_s, where)
            case "SealForfeited":
                self._forfeited(args, time_s, where)
            case "OrderCancelled":
                self._cancelled(args, time_s, where)

    def note_lock(self, event: ChainEvent, time_s: int, where: str) -> None:
        """Takes what the escrow says of money that the auction house locks and releases."""
        args = event.args
        to = args.get("to", args["account"])
        active = self._gates.is_active("Escrow", self._deployed.auctions, time_s)
        if event.name == "Released" and to == args["account"] and not active:
            return  # Its owner reclaimed it.
        self._gates.check_active(self._deployed.auctions, ("Escrow",), time_s, where)
        if args["amountMicro"]:
            self._found[event.name, args["account"], to, args["amountMicro"]] += 1

    def expect_release(self, account: int, to: int, amount_micro: int) -> None:
        """Money that must be released in this transaction."""
        if amount_micro:
            self._expected["Released", account, to, amount_micro] += 1

    def give_back(self, zone: int, forced: Forced, where: str) -> None:
        """What was held for forced orders is free margin again."""
        self._return(forced, where)
        for line in forced.lines:
            found = decode_line(line)
            seat = self.state.seats.get((zone, found.account))
            if seat is not None:
                seat.free_micro += held_micro(found)

    def release(self, forced: Forced, where: str) -> None:
        """What was held for forced orders is their accounts' free money."""
        self._return(forced, where)
        for line in map(decode_line, forced.lines):
            self.expect_release(line.account, line.account, held_micro(line))

    def end_transaction(self, where: str) -> None:
        """Compares what the escrow moved for the auction house with what had to be moved."""
        if self._expected != self._found:
            missing, beyond = self._expected - self._found, self._found - self._expected
            self._report(
                FindingCode.MARGIN_MISMATCH,
                f"{where}, money held for orders (event, account, to, micro-euro)",
                str(sorted(missing.elements())),
                str(sorted(beyond.elements())),
            )
        self._expected.clear()
        self._found.clear()

    # --- zones -----------------------------------------------------------------------------------

    def _opened(self, args: Args, where: str) -> None:
        zone, grid = args["zone"], args["grid"]
        if zone in self.state.zones or self.state.zone_of(grid) is not None:
            self._zone(where, "a zone and a grid account of which there was none", f"zone {zone}, account {grid}")
            return
        self.state.zones[zone] = [ZoneSetting(0, grid, 0, 0, 0)]

    def _set(self, args: Args, time_s: int, where: str) -> None:
        zone, settings = args["zone"], self.state.zones.get(args["zone"])
        if settings is None or settings[0].grid != args["grid"]:
            expected = "an open zone" if settings is None else f"grid account {settings[0].grid}"
            self._zone(f"{where}: zone {zone}", expected, f"grid account {args['grid']}")
            return
        setting = ZoneSetting(
            args["from"], args["grid"], args["feeMicroPerKwh"], args["importLimitWh"], args["exportLimitWh"]
        )
        try:
            setting.terms(zone)
        except (Malformed, OffTick, OutOfRange) as error:
            self._zone(f"{where}: zone {zone}", "terms that an auction can have", str(error))
            return
        first = settings == [ZoneSetting(0, args["grid"], 0, 0, 0)]
        earliest_s = 0 if first else time_s + NOTICE_S
        if setting.from_s < earliest_s or (first and setting.from_s):
            self._zone(f"{where}: zone {zone}", f"terms from {earliest_s} on", f"from {setting.from_s} on")
        if first:
            settings.clear()
        settings.append(setting)

    # --- seats -----------------------------------------------------------------------------------

    def _joined(self, args: Args, time_s: int, where: str) -> None:
        key = args["zone"], args["account"]
        grid = self.state.grid_of(args["zone"])
        if key in self.state.seats or grid is None or grid == args["account"]:
            self._report(
                FindingCode.MARGIN_MISMATCH, where, "an account without a seat, not the grid's", f"account {key[1]}"
            )
            return
        self.state.seats[key] = SeatBook(time_s)

    def _margin_changed(self, args: Args, where: str) -> None:
        """Who moved margin locked or released as much."""
        account, found_micro = args["account"], args["freeMicro"]
        seat = self._seat(args["zone"], account, where)
        change_micro = found_micro - seat.free_micro
        if change_micro:
            name = "Locked" if change_micro > 0 else "Released"
            self._expected[name, account, account, abs(change_micro)] += 1
        seat.free_micro = found_micro

    def _seat(self, zone: int, account: int, where: str) -> SeatBook:
        seat = self.state.seats.get((zone, account))
        if seat is None:
            self._report(FindingCode.MARGIN_MISMATCH, where, "an account with a seat", f"account {account}")
            seat = self.state.seats[zone, account] = SeatBook(None)
        return seat

    def _take(self, zone: int, account: int, amount_micro: int, where: str) -> None:
        seat = self._seat(zone, account, where)
        if seat.free_micro < amount_micro:
            self._report(
                FindingCode.MARGIN_MISMATCH,
                f"{where}: account {account}",
                f"at most {seat.free_micro} micro-euro of free margin",
                f"{amount_micro} micro-euro held",
            )
        seat.free_micro -= amount_micro

    # --- orders that are sent to the chain -------------------------------------------------------

    def _forced(self, event: ChainEvent, time_s: int, where: str) -> None:
        sent = decode_forced(event.args["order"], event.args["account"])
        zone, interval_s, line = sent.zone, sent.interval_s, sent.line
        if sent.nonce >= NONCES or not self._is_possible(sent):
            self._forced_finding(where, "an order that the zone can have", event.args["order"].hex())
        gate_s = interval_s - GATE_S
        if time_s >= gate_s:
            self._revealed(event, (zone, interval_s), time_s, where)
        elif interval_s > time_s + AHEAD_S:
            self._forced_finding(where, f"an interval up to {time_s + AHEAD_S}", f"interval {interval_s}")
        self._take(zone, sent.account, held_micro(line), where)
        forced = self.state.forced.setdefault((zone, interval_s), Forced())
        forced.lines.append(line.encode())
        forced.nonces.append(sent.nonce)

    def _is_possible(self, sent: ForcedOrder) -> bool:
        terms = self.state.terms_of(sent.zone, sent.interval_s)
        if terms is None or sent.interval_s % MARKET_INTERVAL_S or sent.quantity_wh == 0:
            return False
        try:
            terms.check_limit(sent.line.limit_micro_per_kwh)
        except (OffTick, OutOfRange):
            return False
        return True

    def _revealed(self, event: ChainEvent, auction: tuple[int, int], time_s: int, where: str) -> None:
        """An order after the gate was sealed before, and gets its bond back."""
        args, until_s = event.args, auction[1] - GATE_S + REVEAL_S
        if time_s >= until_s:
            self._seal(where, f"orders before {until_s}", f"one at {time_s}")
        self._take(auction[0], args["account"], -BOND_MICRO, where)
        call = self._transactions.call_of(event.tx)
        if call.to != self._deployed.auctions or call.data[:4] != REVEAL_SELECTOR:
            return  # Its owner is a contract: which seal it opened is not to be seen here, but it had one.
        try:
            commitment = sealed_commitment(args["account"], call.data[4:])
        except Malformed as error:
            self._seal(where, "the order and its salt", str(error))
            return
        if self.state.seals.pop((args["account"], commitment), None) != auction:
            self._seal(where, "an order that was sealed for this interval", f"commitment {commitment.hex()}")

    def _sealed(self, args: Args, time_s: int, where: str) -> None:
        key = args["account"], args["commitment"]
        if time_s >= args["interval"] - GATE_S or key in self.state.seals:
            self._seal(where, f"a new seal before {args['interval'] - GATE_S}", f"one at {time_s}")
        self.state.seals[key] = args["zone"], args["interval"]
        self._take(args["zone"], args["account"], BOND_MICRO, where)

    def _forfeited(self, args: Args, time_s: int, where: str) -> None:
        auction, from_s = (args["zone"], args["interval"]), args["interval"] - GATE_S + REVEAL_S
        if self.state.seals.pop((args["account"], args["commitment"]), None) != auction or time_s < from_s:
            self._seal(where, f"a sealed order that was not revealed, from {from_s} on", f"one at {time_s}")
        self.expect_release(args["account"], self.state.grid_of(args["zone"]) or 0, BOND_MICRO)

    def _cancelled(self, args: Args, time_s: int, where: str) -> None:
        key = args["zone"], args["interval"], args["account"]
        position, nonce = self.state.position(*key), args["nonce"]
        if time_s >= args["interval"] - GATE_S or nonce >= NONCES or position.nonces >> nonce & 1:
            limit = f"a nonce that is free, before {args['interval'] - GATE_S}"
            self._report(FindingCode.ORDER_NONCE, f"{where}: account {key[2]}", limit, f"nonce {nonce} at {time_s}")
        self.state.positions[key] = position.without(nonce)

    def _return(self, forced: Forced, where: str) -> None:
        if not forced.held:
            self._report(FindingCode.MARGIN_MISMATCH, where, "money of forced orders that is held", "none")
        forced.held = False

    def _zone(self, where: str, expected: str, found: str) -> None:
        self._report(FindingCode.ZONE_MISMATCH, where, expected, found)

    def _seal(self, where: str, expected: str, found: str) -> None:
        self._report(FindingCode.SEAL_MISMATCH, where, expected, found)

    def _forced_finding(self, where: str, expected: str, found: str) -> None:
        self._report(FindingCode.FORCED_MISMATCH, where, expected, found)


def place_of(event: ChainEvent) -> str:
    """Where an event of the market is, for findings."""
    args = dict(event.args)
    if event.name == "BidForced":
        sent = decode_forced(args["order"], args["account"])
        args["zone"], args["interval"] = sent.zone, sent.interval_s
    parts = [f"block {event.block}, {event.name}"]
    parts += [f"{name} {args[name]}" for name in ("zone", "interval", "account") if name in args]
    return ", ".join(parts)
