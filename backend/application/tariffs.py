"""Tariffs: publishing the operator's prices, and all that were published."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.errors import NoOperatorAccount
from backend.application.idempotency import Once
from backend.application.operations import Operations
from backend.application.ports import Store
from domain.errors import OutOfRange
from domain.tariff import Direction
from domain.units import TariffId

TARIFFS_PER_CALL = 100
MAX_TARIFFS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price to publish, valid in [valid_from_s, valid_to_s)."""

    direction: Direction
    price_micro_per_kwh: int
    valid_from_s: int
    valid_to_s: int


@dataclass(frozen=True, slots=True)
class Tariffs:
    """The use cases around tariffs."""

    store: Store
    operations: Operations

    def publish(self, prices: Sequence[Price], once: Once | None = None) -> list[TariffId]:
        """Publishes prices for the operator's own account, in order; their numbers."""
        if not 1 <= len(prices) <= MAX_TARIFFS:
            raise OutOfRange("number of tariffs", len(prices), 1, MAX_TARIFFS)
        transactions = self.operations.transactions
        with self.store.read() as unit:
            operator = unit.accounts.owned_by(transactions.operator)
        if operator is None:
            raise NoOperatorAccount(transactions.operator)
        rows = [
            (operator.account, int(p.direction), p.price_micro_per_kwh, p.valid_from_s, p.valid_to_s) for p in prices
        ]
        calls = [
            transactions.call("TariffBook", "publish", rows[at : at + TARIFFS_PER_CALL])
            for at in range(0, len(rows), TARIFFS_PER_CALL)
        ]
        events = self.operations.run(calls, "tariffs", once)
        return [TariffId(event.args["tariff"]) for event in events if event.name == "TariffPublished"]
