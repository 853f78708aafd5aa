"""All that an audit knows between two events and must know again to go on after them.

What grows with readings, rows and batches is not in it: that is in the tables of the books, and in the log.
"""

from dataclasses import dataclass

from domain.audit.disputes import Dispute
from domain.audit.findings import Tally
from domain.audit.gates import Gate
from domain.audit.ledger import AccountBook, StationBook
from domain.audit.market_state import MarketState
from domain.audit.treasury import Guards
from domain.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """The auditor's whole state after a transaction, but for the tables of the books."""

    tally: Tally
    accounts: dict[int, AccountBook]
    stations: dict[int, StationBook]
    station_of_signer: dict[bytes, int]
    tariffs: list[Tariff]
    batches: int
    head: int
    gates: dict[str, Gate]
    guards: Guards
    disputes: dict[tuple[int, int, int], Dispute]
    market: MarketState
