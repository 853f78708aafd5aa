"""Debts, disputed rows and what guards the escrow, as rows: projections of what the chain says."""

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same
from backend.application.filters import DebtFilter, DisputeFilter, Page
from backend.application.records import DebtRecord, DisputeRecord, DisputeState
from domain.units import AccountId

_PAUSED = "paused"


class Debts:
    """What accounts owe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open_of(self, debtor: int, limit: int) -> list[DebtRecord]:
        """The oldest debts of an account that are open."""
        table = t.debts
        query = select(table).where(table.c.debtor == debtor, table.c.owed_micro != 0).order_by(table.c.number)
        rows = self._connection.execute(query.limit(limit)).mappings()
        return [_debt(row) for row in rows]

    def page(self, page: Page, wanted: DebtFilter) -> list[DebtRecord]:
        """Debts in the order in which they were recorded."""
        table = t.debts
        equal = same(
            [(table.c.debtor, wanted.debtor), (table.c.creditor, wanted.creditor), (table.c.open, wanted.open)]
        )
        query = paged(select(table), table.c.place, page, equal)
        return [_debt(row) for row in self._connection.execute(query).mappings()]

    def owed_micro(self, debtor: int) -> int:
        """What an account owes in all."""
        query = select(t.debts.c.owed_micro).where(t.debts.c.debtor == debtor, t.debts.c.owed_micro != 0)
        return sum(self._connection.execute(query).scalars())

    def recorded(self, debt: DebtRecord) -> None:
        self._connection.execute(
            insert(t.debts),
            {
                "debtor": debt.debtor,
                "number": debt.number,
                "creditor": debt.creditor,
                "batch": debt.batch,
                "owed_micro": debt.owed_micro,
                "share_micro": debt.share_micro,
                "open": debt.owed_micro != 0,
                "place": debt.place,
            },
        )

    def ended(self, debtor: int, number: int) -> None:
        """It was collected or written off."""
        self._change(debtor, number, 0, 0)

    def reduced(self, debtor: int, number: int, owed_micro: int, share_micro: int) -> None:
        """This much less is owed."""
        query = select(t.debts.c.owed_micro, t.debts.c.share_micro)
        owed, share = self._connection.execute(
            query.where(t.debts.c.debtor == debtor, t.debts.c.number == number)
        ).one()
        self._change(debtor, number, owed - owed_micro, share - share_micro)

    def _change(self, debtor: int, number: int, owed_micro: int, share_micro: int) -> None:
        query = update(t.debts).where(t.debts.c.debtor == debtor, t.debts.c.number == number)
        self._connection.execute(query.values(owed_micro=owed_micro, share_micro=share_micro, open=owed_micro != 0))


class Disputes:
    """Rows that somebody disputes or disputed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, station: int, sequence: int) -> dict[int, DisputeRecord]:
        """The disputed rows of a statement, by their places."""
        query = select(t.disputes).where(t.disputes.c.station == station, t.disputes.c.sequence == sequence)
        return {row["row"]: _dispute(row) for row in self._connection.execute(query).mappings()}

    def page(self, page: Page, wanted: DisputeFilter) -> list[DisputeRecord]:
        """Disputed rows in the order in which they were disputed."""
        table = t.disputes
        equal = same(
            [(table.c.station, wanted.station), (table.c.disputer, wanted.disputer), (table.c.state, wanted.state)]
        )
        query = paged(select(table), table.c.place, page, equal)
        return [_dispute(row) for row in self._connection.execute(query).mappings()]

    def opened(self, dispute: DisputeRecord) -> None:
        self._connection.execute(
            insert(t.disputes),
            {
                "station": dispute.station,
                "sequence": dispute.sequence,
                "row": dispute.row,
                "state": dispute.state,
                "disputer": dispute.disputer,
                "answer_until_s": dispute.answer_until_s,
                "place": dispute.place,
            },
        )

    def ended(self, station: int, sequence: int, row: int, state: DisputeState) -> None:
        table = t.disputes
        query = update(table).where(table.c.station == station, table.c.sequence == sequence, table.c.row == row)
        self._connection.execute(query.values(state=state))


class Guards:
    """What governance set for all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def paused(self) -> bool:
        """Whether settlement and deposits are paused."""
        query = select(t.guards.c.value).where(t.guards.c.name == _PAUSED)
        return bool(self._connection.execute(query).scalar())

    def set_paused(self, *, paused: bool) -> None:
        new = upsert(t.guards).values(name=_PAUSED, value=int(paused))
        change = {"value": new.excluded.value}
        self._connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=change))


def _debt(row: RowMapping) -> DebtRecord:
    return DebtRecord(
        debtor=AccountId(row["debtor"]),
        number=row["number"],
        creditor=AccountId(row["creditor"]),
        batch=row["batch"],
        owed_micro=row["owed_micro"],
        share_micro=row["share_micro"],
        place=row["place"],
    )


def _dispute(row: RowMapping) -> DisputeRecord:
    return DisputeRecord(
        station=row["station"],
        sequence=row["sequence"],
        row=row["row"],
        state=DisputeState(row["state"]),
        disputer=AccountId(row["disputer"]),
        answer_until_s=row["answer_until_s"],
        place=row["place"],
    )
