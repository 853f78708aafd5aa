"""Which side of a market a billed row belongs to: metered for its account's position, or paid by itself.

Energy of who joined a zone's market is metered there, at stations of the zone's grid account, as long as one of that
account's market tariffs covers the row. All other energy is paid by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import OffMarket
from domain.statement import IntervalStatement
from domain.tariff import Tariff, TariffTable
from domain.units import AccountId, UnixSeconds

SETTLING_IN_S = 3_600
"""Stations learn within this time who joined the market: rows that begin earlier may be billed either way."""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A row on the wrong side. `wanted` is the market's tariff for it; None if it has no place in the market."""

    wanted: Tariff | None


def misplaced(
    tariff: Tariff, tariffs: TariffTable, *, payee: AccountId, start_s: int, end_s: int, joined_s: int | None
) -> Misplaced | None:
    """Whether a row under this tariff is on the wrong side.

    `payee` is the station's operator; `joined_s` is when the row's account joined its market, None if it never did.
    """
    if tariff.direction.market:
        return Misplaced(None) if joined_s is None else None
    if joined_s is None or start_s < joined_s + SETTLING_IN_S:
        return None
    wanted = tariffs.find(payee, tariff.direction.traded, start_s, end_s)
    return None if wanted is None else Misplaced(wanted)


def check_sides(
    statement: IntervalStatement, tariffs: TariffTable, *, payee: AccountId, members: Mapping[AccountId, UnixSeconds]
) -> None:
    """OffMarket if a billed row is on the wrong side. `members`: when accounts joined the operator's market.

    The table holds the statement's tariffs, and the operator's for the market in its time.
    """
    for number, row in enumerate(statement.rows):
        if not row.billed:
            continue
        start_s = statement.start_s + row.start_offset_s
        used = tariffs.of(statement.tariff_of(row))
        found = misplaced(
            used,
            tariffs,
            payee=payee,
            start_s=start_s,
            end_s=start_s + row.duration_s,
            joined_s=members.get(row.account),
        )
        if found is not None:
            reason = _reason(found.wanted, payee)
            raise OffMarket(statement.station, number, row.account, used.tariff, reason)


def _reason(wanted: Tariff | None, payee: AccountId) -> str:
    market = f"the market of operator {payee}"
    if wanted is None:
        return f"never joined {market}, so its energy is paid by row; use a tariff that is not of the market"
    return f"joined {market}, so its energy is metered there; use {wanted.direction.label} tariff {wanted.tariff}"
