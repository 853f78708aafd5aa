"""The books that were built here."""

from backend.application.market import BookRecord
from backend.application.ports import UnitOfWork


def own_book(unit: UnitOfWork, zone: int, interval_s: int) -> BookRecord | None:
    """The book of an auction that was built here, if it is the one that was committed."""
    book, auction = unit.books.find(zone, interval_s), unit.auctions.find(zone, interval_s)
    return book if book is not None and auction is not None and book.digest == auction.digest else None
