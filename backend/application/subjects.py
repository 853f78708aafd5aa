"""What an event is about: the accounts, stations and batches among its arguments."""

from dataclasses import dataclass

from domain.batch import StatementNumbers
from domain.chain import ChainEvent
from domain.market import MarketRow

ACCOUNT, STATION, BATCH = "account", "station", "batch"
_ACCOUNT_ARGS = frozenset({"account", "payee", "payer", "debtor", "creditor", "disputer", "by", "to", "grid"})
_STATEMENTS, _METERED = "statements", "Metered"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """A kind of thing and its number."""

    kind: str
    number: int


def subjects_of(event: ChainEvent) -> set[Subject]:
    """All that the event names by number.

    A batch names the stations of its statements, each in a packed word, and what is metered the accounts of its rows.
    """
    found: set[Subject] = set()
    if event.name == _METERED:
        rows = [MarketRow.from_word(word) for word in event.args["rows"]]
        return {Subject(ACCOUNT, account) for row in rows for account in (row.payee, row.account)}
    for name, value in event.args.items():
        if name == _STATEMENTS and isinstance(value, list):
            found |= {Subject(STATION, StatementNumbers.from_word(word).station) for word in value}
        elif isinstance(value, int) and not isinstance(value, bool):
            if name in _ACCOUNT_ARGS:
                found.add(Subject(ACCOUNT, value))
            elif name in (STATION, BATCH):
                found.add(Subject(name, value))
    return found
