"""What an audit keeps comes back as it was, and nothing else is taken for it."""

from dataclasses import dataclass, field

import pytest

from domain.audit.disputes import Status
from domain.errors import Malformed
from domain.plain import plain, shaped
from domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class Leaf:
    time_s: UnixSeconds
    key: bytes | None


@dataclass(slots=True)
class Tree:
    name: str
    leaves: tuple[Leaf, ...]
    pair: tuple[int, int]
    by_key: dict[bytes, Leaf]
    status: Status
    flags: list[bool] = field(default_factory=list)


TREE = Tree(
    "oak",
    (Leaf(UnixSeconds(1), b"\x01"), Leaf(UnixSeconds(2), None)),
    (3, -4),
    {b"\x05": Leaf(UnixSeconds(6), b"")},
    Status.REVERSED,
    [True],
)


def test_value_comes_back_as_it_was() -> None:
    assert shaped(Tree, plain(TREE)) == TREE
    assert plain(TREE) == ["oak", [[1, "01"], [2, None]], [3, -4], [["05", [6, ""]]], 3, [True]]


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, 1),
        (1, [[True, "01"]]),
        (1, [[1.0, "01"]]),
        (2, [3]),
        (2, [3, 4, 5]),
        (3, [["zz", [6, ""]]]),
        (4, 9),
        (5, [1]),
    ],
)
def test_value_of_another_shape_is_malformed(place: int, wrong: object) -> None:
    value = plain(TREE)
    value[place] = wrong
    with pytest.raises(Malformed, match="not a Tree"):
        shaped(Tree, value)


@pytest.mark.parametrize("value", [None, 1, "x", [], [1], {}])
def test_what_is_no_list_of_all_fields_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        shaped(Tree, value)


def test_value_without_a_plain_form_is_an_error() -> None:
    with pytest.raises(TypeError):
        plain(1.5)
