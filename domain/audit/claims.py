"""What somebody's server says, held against what chain and blobs prove."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from domain.audit.book_claims import BookClaim
from domain.audit.findings import FindingCode
from domain.audit.ledger import Books, Place
from domain.audit.report import Report
from domain.settlement import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountClaim:
    """What a server says one row moved."""

    station: int
    sequence: int
    row: int
    payer: int
    payee: int
    owed_micro: int
    received_micro: int
    set_aside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """All that a server says: rows' amounts, accounts' balances, stations' (import Wh, export Wh, statements), books.

    `block` is the block up to which it has read the chain; all of this is as it stands there.
    """

    block: int
    amounts: Iterable[AmountClaim]
    balances: Mapping[int, int]
    stations: Mapping[int, tuple[int, int, int]]
    books: Iterable[BookClaim] = ()


def compare_claims(
    claims: Claims, books: Books, report: Report, *, seen: MutableMapping[Place, bool] | None = None
) -> int:
    """Reports each claim that the books do not bear out; how many claims there were.

    `seen` is empty and notes which rows were claimed: as many as were settled, so it may be kept on a disk.
    """
    count = _compare_amounts(claims.amounts, books, report, {} if seen is None else seen)
    for account, free_micro in sorted(claims.balances.items()):
        count += 1
        book = books.accounts.get(account)
        if book is None:
            report(
                FindingCode.CLAIM_UNPROVEN, f"claim: account {account}", "no such account", f"{free_micro} micro-euro"
            )
        elif book.free_micro != free_micro:
            report(
                FindingCode.CLAIM_BALANCE,
                f"claim: balance of account {account}",
                f"{book.free_micro} micro-euro",
                f"{free_micro} micro-euro",
            )
    for station, found in sorted(claims.stations.items()):
        count += 1
        state = books.stations.get(station)
        expected = (state.import_wh, state.export_wh, state.sequence) if state else None
        if expected != found:
            report(
                FindingCode.CLAIM_STATION, f"claim: station {station}", str(expected or "no such station"), str(found)
            )
    return count


def _compare_amounts(
    amounts: Iterable[AmountClaim], books: Books, report: Report, seen: MutableMapping[Place, bool]
) -> int:
    count = 0
    for claim in amounts:
        count += 1
        where = f"claim: station {claim.station} statement {claim.sequence} row {claim.row}"
        place = (claim.station, claim.sequence, claim.row)
        proven = None if place in seen else books.payments.get(place)
        seen[place] = True
        found = _claim_text(claim)
        if proven is None:
            report(FindingCode.CLAIM_UNPROVEN, where, "no such payment on chain", found)
            continue
        expected = _proven_text(*proven)
        if expected != found:
            report(FindingCode.CLAIM_AMOUNT, where, expected, found)
    for (station, sequence, row), (payment, aside) in books.payments.items():
        if (station, sequence, row) in seen:
            continue
        report(
            FindingCode.CLAIM_MISSING,
            f"claim: station {station} statement {sequence} row {row}",
            _proven_text(payment, aside),
            "nothing",
        )
    return count


def _claim_text(claim: AmountClaim) -> str:
    return _text(claim.payer, claim.owed_micro, claim.payee, claim.received_micro, claim.set_aside)


def _proven_text(payment: Payment, aside: bool) -> str:
    return _text(payment.payer, payment.owed_micro, payment.payee, payment.received_micro, aside)


def _text(payer: int, owed: int, payee: int, received: int, aside: bool) -> str:
    moved = "set aside" if aside else "paid"
    return f"account {payer} owes {owed}, account {payee} receives {received} micro-euro, {moved}"
