"""A statement that is true, and how it is verified and falsified."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from domain.drawing import draw_up
from domain.metering import Basis
from domain.session import Usage
from domain.statement import IntervalStatement, SignedStatement, VerifiedStatement
from domain.units import UnixSeconds
from domain.verification import verify_statement
from tests.vectors.world import NOW_S, STATION_DOMAIN, altered, busy_day, signed_statement

DAY = busy_day()
TRUE = draw_up(1, DAY)
Falsify = Callable[[IntervalStatement], IntervalStatement]


def verified(
    statement: IntervalStatement | SignedStatement,
    over: Basis = DAY,
    *,
    last_sequence: int = 0,
    usage: Mapping[bytes, Usage] | None = None,
    now_s: int = NOW_S,
) -> VerifiedStatement:
    signed = statement if isinstance(statement, SignedStatement) else signed_statement(statement)
    return verify_statement(
        signed,
        last_sequence=last_sequence,
        basis=over,
        usage=usage or {},
        domain=STATION_DOMAIN,
        now_s=UnixSeconds(now_s),
    )


def with_row(index: int, **change: Any) -> Falsify:
    def falsify(statement: IntervalStatement) -> IntervalStatement:
        rows = list(statement.rows)
        rows[index] = altered(rows[index], **change)
        return replace(statement, rows=tuple(rows))

    return falsify
