"""Rows by a list of values, however long it is."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select

CHUNK = 500
"""SQLite limits how many values a statement may carry."""


def rows_among(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], values: Iterable[int | bytes]
) -> Iterator[RowMapping]:
    """The query's rows in which the column has one of these values."""
    left = iter(values)
    while some := list(islice(left, CHUNK)):
        yield from connection.execute(query.where(column.in_(some))).mappings()
