"""Rows by a list of values, however long it is."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select

CHUNK = 500
"""SQLite limits how many values a statement may carry."""


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, at most CHUNK at a time."""
    left = iter(values)
    while some := list(islice(left, CHUNK)):
        yield some


def rows_among(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], values: Iterable[int | bytes]
) -> Iterator[RowMapping]:
    """The query's rows in which the column has one of these values."""
    for some in chunks(values):
        yield from connection.execute(query.where(column.in_(some))).mappings()
