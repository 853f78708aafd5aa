"""Books that somebody's server shows, with what each order got, held against those that were committed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from domain.auction.book import LINE_BYTES, book_digest, decode_book
from domain.auction.clearing import clear
from domain.auction.zone import ZoneTerms
from domain.audit.findings import FindingCode
from domain.audit.market_state import MarketState
from domain.audit.report import Report
from domain.errors import Malformed
from domain.text import hex_text
from domain.units import UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BookClaim:
    """What a server says of an auction that ended: its book's bytes, its price, and the Wh that each line got."""

    zone: int
    interval_s: int
    chunks: Sequence[bytes]
    price_micro_per_kwh: int | None
    fills: Sequence[int]


def compare_books(claims: Iterable[BookClaim], market: MarketState, report: Report) -> int:
    """Reports each book, price and fill that the chain does not bear out; how many figures there were."""
    count = 0
    for claim in claims:
        count += 1 + len(claim.fills)
        key, where = (claim.zone, claim.interval_s), f"claim: book of zone {claim.zone}, interval {claim.interval_s}"
        digest, terms = market.digests.get(key), market.terms_of(*key)
        if digest is None or terms is None:
            report(FindingCode.CLAIM_UNPROVEN, where, "no such book on chain", f"{len(claim.fills)} lines")
            continue
        interval_s, lines = UnixSeconds(claim.interval_s), sum(map(len, claim.chunks)) // LINE_BYTES
        found = book_digest(claim.zone, interval_s, lines, claim.chunks)
        if found != digest:
            report(FindingCode.CLAIM_BOOK, f"{where} (digest)", hex_text(digest), hex_text(found))
            continue
        _compare_clearing(claim, terms, where, report)
    return count


def _compare_clearing(claim: BookClaim, terms: ZoneTerms, where: str, report: Report) -> None:
    """A book that was committed has one clearing."""
    try:
        book = decode_book(claim.chunks, terms=terms, interval_s=UnixSeconds(claim.interval_s))
    except Malformed as error:
        report(FindingCode.CLAIM_BOOK, where, "lines that are a book", str(error))
        return
    expected = clear(book, terms)
    if expected.price_micro_per_kwh != claim.price_micro_per_kwh:
        prices = str(expected.price_micro_per_kwh), str(claim.price_micro_per_kwh)
        report(FindingCode.CLAIM_BOOK, f"{where} (price, micro-euro per kWh)", *prices)
    for number, (ours, theirs) in enumerate(zip_longest(expected.fills, claim.fills)):
        if ours != theirs:
            report(FindingCode.CLAIM_BOOK, f"{where}, line {number} (Wh filled)", str(ours), str(theirs))
