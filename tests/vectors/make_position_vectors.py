"""Writes `positions.json`: what positions come to, and what closing several of them moves.

`make_vectors.py` writes it with its own file. `positions` has a column for each number, `closings` an object for each
call. A price counts if `crossed` is 1. The contract must agree to the micro-euro:
contracts/test/PositionVectors.t.sol.
"""

import json
from itertools import product
from pathlib import Path
from typing import Any

from domain.market import IntervalPrices, Position, close_position, close_positions
from domain.units import DUST_ACCOUNT, AccountId, MoneyMicro

PATH = Path(__file__).with_name("positions.json")

GRID, ALICE, BOB, CAROL = (AccountId(number) for number in (4, 6, 7, 8))
FEE = 20_003
CLEARING = (None, 300_001, 0, -100_001, 900_007, 10_001)
IMBALANCE = ((400_003, 50_007), (0, 0), (-5, -7), (2**31 - 1, -(2**31)))
ENERGY = ("bought_wh", "sold_wh", "imported_wh", "exported_wh")
POSITIONS = (
    (1_000, 0, 1_000, 0),
    (1_000, 0, 1_001, 0),
    (1_000, 0, 999, 0),
    (1_000, 0, 0, 0),
    (0, 1_000, 0, 1_000),
    (0, 1_000, 0, 1_001),
    (0, 1_000, 0, 999),
    (0, 1_000, 0, 0),
    (0, 0, 1, 0),
    (0, 0, 0, 1),
    (777, 333, 555, 444),
    (333, 777, 444, 555),
    (0, 1_000, 250, 0),
    (2**40 - 1, 2**40 - 1, 2**32 - 1, 2**32 - 1),
)
PRICES = {"clearing": 300_001, "fee": FEE, "charge": 400_003, "discharge": 50_007}
NO_PRICE = {"clearing": None, "charge": 400_003, "discharge": 50_007}
RICH = 100_000_000
CLOSINGS: tuple[tuple[str, dict[str, Any], dict[int, int], dict[int, tuple[int, int, int, int]]], ...] = (
    (
        "buyers pay sellers through the grid account",
        PRICES,
        {GRID: 0, ALICE: RICH, BOB: 0, CAROL: 0},
        {ALICE: (3_001, 0, 3_001, 0), BOB: (0, 1_003, 0, 1_003), CAROL: (0, 997, 0, 997)},
    ),
    (
        "one cannot pay",
        PRICES,
        {GRID: RICH, ALICE: 959_052, BOB: 959_051, CAROL: 0},
        {ALICE: (2_997, 0, 2_997, 0), BOB: (2_997, 0, 2_997, 0), CAROL: (0, 997, 0, 997)},
    ),
    (
        "the grid account cannot pay",
        PRICES,
        {GRID: 10, ALICE: RICH, BOB: 0, CAROL: 0},
        {ALICE: (1, 0, 1, 0), BOB: (0, 1_003, 0, 1_003), CAROL: (0, 997, 0, 997)},
    ),
    (
        "the grid account cannot pay without those who cannot",
        PRICES,
        {GRID: 0, ALICE: 0, BOB: 0, CAROL: 0},
        {ALICE: (3_001, 0, 3_001, 0), BOB: (0, 1_003, 0, 1_003), CAROL: (0, 997, 0, 997)},
    ),
    (
        "the grid account can pay just so",
        PRICES,
        {GRID: 300_902 + 299_101 - 320, ALICE: 321, BOB: 0, CAROL: 0},
        {ALICE: (1, 0, 1, 0), BOB: (0, 1_003, 0, 1_003), CAROL: (0, 997, 0, 997)},
    ),
    (
        "without a price, and one who has nothing to close",
        NO_PRICE,
        {GRID: RICH, ALICE: RICH, BOB: RICH, CAROL: RICH},
        {ALICE: (1_000, 0, 17, 0), BOB: (0, 500, 0, 0), CAROL: (0, 0, 0, 19)},
    ),
)


def vectors() -> dict[str, Any]:
    closings = [_closing(*one) for one in CLOSINGS]
    return {"grid": GRID, "dust": DUST_ACCOUNT, "positions": _columns(), "closings": closings}


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


def write() -> None:
    PATH.write_text(text())


def _columns() -> dict[str, list[int]]:
    rows = [
        _row(Position(**dict(zip(ENERGY, energy, strict=True))), clearing, charge, discharge)  # type: ignore[arg-type]  # Plain numbers.
        for energy, clearing, (charge, discharge) in product(POSITIONS, CLEARING, IMBALANCE)
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(position: Position, clearing: int | None, charge: int, discharge: int) -> dict[str, int]:
    prices = IntervalPrices(clearing=clearing, fee=FEE, charge=charge, discharge=discharge)  # type: ignore[arg-type]  # As above.
    closed = close_position(position, prices)
    return {
        **{name: getattr(position, name) for name in ENERGY},
        **_prices_json(prices),
        "account_pays": int(closed.account_pays),
        "owed_micro": closed.owed_micro,
        "received_micro": closed.received_micro,
        "empty": int(closed.position.empty),
    }


def _prices_json(prices: IntervalPrices) -> dict[str, int]:
    return {
        "crossed": int(prices.clearing is not None),
        "clearing": prices.clearing or 0,
        "fee": prices.fee,
        "charge": prices.charge,
        "discharge": prices.discharge,
    }


def _closing(
    name: str, prices: dict[str, Any], spendable: dict[int, int], found: dict[int, tuple[int, int, int, int]]
) -> dict[str, Any]:
    """Amounts stand in the order of their accounts; `gains_micro` in that of `accounts`, grid and dust account."""
    positions = {AccountId(a): Position(**dict(zip(ENERGY, energy, strict=True))) for a, energy in found.items()}  # type: ignore[arg-type]  # As above.
    outcome = close_positions(positions, IntervalPrices(**prices), GRID, lambda a: MoneyMicro(spendable[a]))
    moved = {account: entry.credit_micro - entry.debit_micro for account, entry in outcome.entries.items()}
    return {
        "name": name,
        **_prices_json(IntervalPrices(**prices)),
        "accounts": list(positions),
        "spendable_micro": [spendable[account] for account in (*positions, GRID)],
        **{column: [getattr(one, column) for one in positions.values()] for column in ENERGY},
        "gains_micro": [moved.get(account, 0) for account in (*positions, GRID, DUST_ACCOUNT)],
        "set_aside": list(outcome.set_aside),
        "debtors": [debt.debtor for debt in outcome.debts],
        "creditors": [debt.creditor for debt in outcome.debts],
        "owed_micro": [debt.owed_micro for debt in outcome.debts],
        "share_micro": [debt.share_micro for debt in outcome.debts],
    }
