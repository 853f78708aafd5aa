"""Re-derives each auction: its book from the data of calls, its clearing, the signatures of its orders, its fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.auction.book import CHUNK_LINES, LINE_BYTES, Book, book_digest, chunks_of, decode_book
from domain.auction.check import check_claim
from domain.auction.claim import CLAIM_NAMES, PlainClaim, claim_of, plain_claim
from domain.auction.clearing import Clearing, clear
from domain.auction.zone import GATE_S, REVEAL_S, ZoneTerms
from domain.audit.findings import FindingCode, Tally
from domain.audit.gates import Gates
from domain.audit.ledger import Args, Books
from domain.audit.market_calls import (
    CLEAR_SELECTOR,
    SETTLE_SELECTOR,
    ClearCall,
    SettleCall,
    decode_clear,
    decode_settle,
)
from domain.audit.market_state import BookBook, Forced, MarketState, Result
from domain.audit.orders import Orders
from domain.audit.report import Deployed, Report, TransactionSource
from domain.audit.seats import Seats
from domain.chain import ChainEvent
from domain.errors import ClearingRefused, Malformed
from domain.keccak import keccak
from domain.text import hex_text
from domain.units import MARKET_INTERVAL_S, PriceMicroPerKwh, UnixSeconds


@dataclass(frozen=True, slots=True)
class _Ended:
    """An auction whose end must be told in the same transaction."""

    zone: int
    interval_s: int
    result: Result


class Auctions:
    """Takes the auction house's events of books, and those that end auctions."""

    def __init__(
        self,
        deployed: Deployed,
        transactions: TransactionSource,
        books: Books,
        seats: Seats,
        gates: Gates,
        tally: Tally,
        report: Report,
    ) -> None:
        self._deployed, self._transactions, self._books = deployed, transactions, books
        self._seats, self._gates, self._tally, self._report = seats, gates, tally, report
        self._orders = Orders(deployed, books, lambda: seats.state, tally, report)
        self._ending: _Ended | None = None
        self._untraded: list[tuple[int, int]] = []
        """Auctions without a trade of this transaction."""

    @property
    def _state(self) -> MarketState:
        return self._seats.state

    def note(self, event: ChainEvent, time_s: int, where: str) -> None:
        """Takes an event of a book."""
        match event.name:
            case "BidsCommitted":
                self._committed(event.args, time_s, where)
            case "AuctionCleared":
                self._cleared(event, time_s, where)
            case "BookSettled":
                self._settled(event, time_s, where)
            case "AuctionVoided":
                self._void(event.args, time_s, where)
            case "Concluded":
                self._concluded(event.args, time_s, where)

    def end_transaction(self, where: str) -> None:
        """Reports an auction whose end the positions were not told."""
        if self._ending is not None:
            self._report(FindingCode.CLEARING_MISMATCH, where, str(self._ending), "no end of the auction")
            self._ending = None
        for key in self._untraded:
            forced = self._state.forced.get(key)
            if forced is not None and forced.held:
                self._report(FindingCode.MARGIN_MISMATCH, where, "money of forced orders that is given back", "none")
        self._untraded.clear()

    def settle_until_s(self, interval_s: int) -> int:
        """Until when an interval's auction can be settled."""
        return interval_s + MARKET_INTERVAL_S + self._deployed.settle_within_s

    # --- committing ------------------------------------------------------------------------------

    def _committed(self, args: Args, time_s: int, where: str) -> None:
        key = args["zone"], args["interval"]
        from_s = key[1] - GATE_S + REVEAL_S
        if not from_s <= time_s < key[1]:
            self._report(
                FindingCode.BOOK_TIME, where, f"a book from {from_s} on and before {key[1]}", f"one at {time_s}"
            )
        if key in self._state.books:
            self._report(FindingCode.BOOK_TIME, where, "one book of an auction", "another one")
        self._state.forget(time_s - MARKET_INTERVAL_S - self._deployed.settle_within_s)
        self._state.books[key] = BookBook(args["count"], args["digest"])

    # --- clearing --------------------------------------------------------------------------------

    def _cleared(self, event: ChainEvent, time_s: int, where: str) -> None:
        args = event.args
        key = args["zone"], args["interval"]
        book, terms = self._state.books.get(key), self._state.terms_of(*key)
        if book is None or book.claim is not None or terms is None:
            self._report(FindingCode.BOOK_TIME, where, "a committed book that was not cleared before", "none")
            return
        self._gates.check_active(self._deployed.auctions, ("Escrow",), time_s, where)
        self._tally.auctions += 1
        book.claim = _event_claim(args["claim"])
        call = self._clear_call(event, where)
        if call is not None:
            self._compare_call(call, book, key, where)
            if call.first == 0 and len(call.lines) == LINE_BYTES * book.count:
                book.chunks = chunks_of(call.lines)
                self._take_book(book, key, terms, where)
        self._check_price(args, book.claim, terms, where)
        if not book.claim.crosses:
            self._end_without_trade(book, key, terms, where)

    def _clear_call(self, event: ChainEvent, where: str) -> ClearCall | None:
        call = self._transactions.call_of(event.tx)
        if call.to != self._deployed.auctions or call.data[:4] != CLEAR_SELECTOR:
            self._report(FindingCode.BOOK_HIDDEN, where, "a direct call of clear", "a call of something else")
            return None
        try:
            return decode_clear(call.data[4:])
        except Malformed as error:
            self._report(FindingCode.BOOK_HIDDEN, where, "the arguments of clear", str(error))
            return None

    def _compare_call(self, call: ClearCall, book: BookBook, key: tuple[int, int], where: str) -> None:
        expected = (call.zone, call.interval_s, call.claim, call.count)
        found = (*key, book.claim, book.count)
        if expected != found:
            self._report(FindingCode.EVENT_MISMATCH, where, str(expected), str(found))

    def _check_price(self, args: Args, claim: PlainClaim, terms: ZoneTerms, where: str) -> None:
        expected = price_of(claim, terms)
        if args["priceMicroPerKwh"] != expected:
            self._report(
                FindingCode.CLEARING_MISMATCH,
                f"{where} (price, micro-euro per kWh)",
                str(expected),
                str(args["priceMicroPerKwh"]),
            )

    def _end_without_trade(self, book: BookBook, key: tuple[int, int], terms: ZoneTerms, where: str) -> None:
        if book.fills is None:
            self._report(FindingCode.BOOK_HIDDEN, where, "all lines of a book without a trade", "a part of them")
        book.ended = True
        self._untraded.append(key)
        self._ending = _Ended(*key, Result(False, 0, terms.fee_micro_per_kwh))

    def _take_book(self, book: BookBook, key: tuple[int, int], terms: ZoneTerms, where: str) -> None:
        """Checks a book of which all lines are known, and notes what each gets."""
        if book.claim is None:
            return
        try:
            lines = decode_book(book.chunks, terms=terms, interval_s=UnixSeconds(key[1]))
        except Malformed as error:
            self._report(FindingCode.BOOK_MISMATCH, where, "lines that are a book", str(error))
            return
        digest = book_digest(key[0], UnixSeconds(key[1]), book.count, book.chunks)
        if digest != book.digest or len(lines.lines) != book.count:
            self._report(
                FindingCode.BOOK_MISMATCH,
                f"{where} (lines, digest)",
                f"{book.count}, {hex_text(book.digest)}",
                f"{len(lines.lines)}, {hex_text(digest)}",
            )
        self._check_forced(lines, key, where)
        expected = clear(lines, terms)
        self._compare_claim(expected, book.claim, lines, terms, where)
        book.fills = list(expected.fills)
        self._tally.traded_wh += expected.volume_wh

    def _check_forced(self, lines: Book, key: tuple[int, int], where: str) -> None:
        forced = self._state.forced.get(key, Forced())
        found = [line.encode() for line in lines.lines if line.forced]
        if found != forced.lines:
            self._report(
                FindingCode.FORCED_MISMATCH,
                where,
                f"forced lines {[line.hex() for line in forced.lines]}",
                f"{[line.hex() for line in found]}",
            )

    def _compare_claim(self, expected: Clearing, claim: PlainClaim, lines: Book, terms: ZoneTerms, where: str) -> None:
        """A claim that something crosses is the only one; that nothing does can be said with several prices."""
        if expected.price_micro_per_kwh is not None:
            if plain_claim(expected.claim) != claim:
                found = str(claim)
                self._report(FindingCode.CLEARING_MISMATCH, where, str(plain_claim(expected.claim)), found)
        else:
            try:
                check_claim(lines.lines, claim_of(claim), terms)
            except (ClearingRefused, Malformed) as error:
                self._report(FindingCode.CLEARING_MISMATCH, where, "a book in which nothing crosses", str(error))
        for sell, limit_wh in ((True, terms.import_limit_wh), (False, terms.export_limit_wh)):
            own = zip(lines.lines, expected.fills, strict=True)
            filled_wh = sum(wh for line, wh in own if line.account == terms.grid and line.sell == sell)
            if filled_wh > limit_wh:
                self._report(
                    FindingCode.CLEARING_MISMATCH,
                    f"{where}, grid account, {'sales' if sell else 'purchases'}",
                    f"at most {limit_wh} Wh",
                    f"{filled_wh} Wh",
                )

    # --- settling --------------------------------------------------------------------------------

    def _settled(self, event: ChainEvent, time_s: int, where: str) -> None:
        args = event.args
        key, place = (args["zone"], args["interval"]), f"{where}, chunk {args['chunk']}"
        book, terms = self._state.books.get(key), self._state.terms_of(*key)
        if book is None or book.claim is None or book.ended or terms is None:
            self._report(FindingCode.BOOK_TIME, place, "a cleared book that was not settled before", "none")
            return
        if time_s > self.settle_until_s(key[1]):
            until = f"a book up to {self.settle_until_s(key[1])}"
            self._report(FindingCode.BOOK_TIME, place, until, f"one at {time_s}")
        self._gates.check_active(self._deployed.auctions, ("Escrow",), time_s, where)
        chunks = -(-book.count // CHUNK_LINES)
        if (args["chunk"], args["chunks"]) != (book.settled, chunks):
            found = f"{args['chunk']} of {args['chunks']}"
            self._report(FindingCode.BOOK_TIME, place, f"chunk {book.settled} of {chunks}", found)
        call = self._settle_call(event, place)
        if call is not None:
            self._take_chunk(call, book, key, terms, place)
        book.settled += 1
        if book.settled == args["chunks"]:
            book.ended = True
            self._ending = _Ended(*key, Result(True, price_of(book.claim, terms), terms.fee_micro_per_kwh))

    def _settle_call(self, event: ChainEvent, where: str) -> SettleCall | None:
        call = self._transactions.call_of(event.tx)
        if call.to != self._deployed.auctions or call.data[:4] != SETTLE_SELECTOR:
            self._report(FindingCode.BOOK_HIDDEN, where, "a direct call of settle", "a call of something else")
            return None
        try:
            found = decode_settle(call.data[4:])
        except Malformed as error:
            self._report(FindingCode.BOOK_HIDDEN, where, "the arguments of settle", str(error))
            return None
        expected = (found.zone, found.interval_s, found.chunk, len(found.chunk_hashes))
        told = tuple(event.args[name] for name in ("zone", "interval", "chunk", "chunks"))
        if expected != told:
            self._report(FindingCode.EVENT_MISMATCH, where, str(expected), str(told))
        return found

    def _take_chunk(self, call: SettleCall, book: BookBook, key: tuple[int, int], terms: ZoneTerms, where: str) -> None:
        """Checks a chunk's lines, hashes and signatures, and enters its fills."""
        if (call.count, call.claim) != (book.count, book.claim):
            expected, found = str((book.count, book.claim)), str((call.count, call.claim))
            self._report(FindingCode.CLEARING_MISMATCH, f"{where} (lines, claim)", expected, found)
        known = book.fills is not None
        if book.settled < len(book.chunks):
            if book.chunks[book.settled] != call.lines:
                expected, found = (hex_text(keccak(one)) for one in (book.chunks[book.settled], call.lines))
                self._report(FindingCode.BOOK_MISMATCH, f"{where} (hash of lines)", expected, found)
        else:
            book.chunks.append(call.lines)
            if sum(map(len, book.chunks)) == LINE_BYTES * book.count:
                self._take_book(book, key, terms, where)
        self._orders.check(call, book, key, where)
        if book.fills is not None:
            first = 0 if not known else book.settled * CHUNK_LINES
            self._orders.enter(book, key, range(first, min((book.settled + 1) * CHUNK_LINES, len(book.fills))), where)
        if call.chunk == 0 and key in self._state.forced:
            self._seats.release(self._state.forced[key], where)

    # --- ends ------------------------------------------------------------------------------------

    def _void(self, args: Args, time_s: int, where: str) -> None:
        key = args["zone"], args["interval"]
        forced, book = self._state.forced.get(key), self._state.books.get(key)
        if forced is None:
            self._report(FindingCode.MARGIN_MISMATCH, where, "an interval with forced orders", "none")
            return
        self._seats.give_back(key[0], forced, where)
        if time_s <= self.settle_until_s(key[1]) and not (book is not None and book.ended):
            limit = f"an auction that ended, or one after {self.settle_until_s(key[1])}"
            self._report(FindingCode.BOOK_TIME, where, limit, f"one that goes on at {time_s}")

    def _concluded(self, args: Args, time_s: int, where: str) -> None:
        key = args["zone"], args["interval"]
        found = Result(args["crossed"], args["priceMicroPerKwh"], args["feeMicroPerKwh"])
        expected, self._ending = self._ending, None
        if expected is None or (expected.zone, expected.interval_s, expected.result) != (*key, found):
            self._report(FindingCode.CLEARING_MISMATCH, where, str(expected or "no auction that ends"), str(found))
        if time_s > self.settle_until_s(key[1]) or key in self._state.results:
            until = f"one end, up to {self.settle_until_s(key[1])}"
            self._report(FindingCode.BOOK_TIME, where, until, f"one at {time_s}")
        self._state.results[key] = found


def price_of(claim: PlainClaim, terms: ZoneTerms) -> int:
    """The price that a claim gives, micro-euro per kWh; 0 if nothing crosses."""
    if not claim.crosses:
        return 0
    return terms.midpoint(PriceMicroPerKwh(claim.lo), PriceMicroPerKwh(claim.hi))


def _event_claim(value: object) -> PlainClaim:
    """The claim of an event: its fields in their order, as a mapping or a sequence; Malformed if it is none."""
    parts = list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, Sequence) else []
    if len(parts) != len(CLAIM_NAMES):
        raise Malformed(f"a claim has {len(CLAIM_NAMES)} fields, this has {len(parts)}")
    return PlainClaim(bool(parts[0]), *map(int, parts[1:]))
