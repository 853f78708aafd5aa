"""Pages of lists: keyset pagination in the order of a key that only grows."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select

from backend.application.filters import Page

Conditions = list[ColumnElement[bool]]


def same(wanted: Iterable[tuple[Column[Any], object]]) -> Conditions:
    """Each column is the value beside it, where one is given."""
    return [column == value for column, value in wanted if value is not None]


def within(column: ColumnElement[Any], first: int | None, end: int | None) -> Conditions:
    """From `first` up to, but not including, `end`."""
    found: Conditions = [] if first is None else [column >= first]
    return found if end is None else [*found, column < end]


def paged(
    query: Select[Any], key: ColumnElement[Any], page: Page, equal: Sequence[ColumnElement[bool]], *ranges: Conditions
) -> Select[Any]:
    """The page of all that meets the conditions.

    Each of `equal` has an index whose entries are in the order of the key. The index of a range is not: SQLite
    would rather walk the whole table in the key's order than sort what the range holds. Adding 0 to the key
    takes that choice away.
    """
    bounds = [condition for one in ranges for condition in one]
    place = key + 0 if bounds and not equal else key
    return query.where(place > page.after, *equal, *bounds).order_by(place).limit(page.limit)
