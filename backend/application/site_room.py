"""What a site's connection, conductors and circuits leave for its stations, whatever a plan says."""

from collections.abc import Mapping
from dataclasses import dataclass

from backend.application.site_records import SiteTerms
from domain.bidding.stay import WHOLE_BP
from domain.schedule.problem import LINES

PARTS = 6
"""A W has so many parts: one, two and three conductors share it without a rest."""


class Room:
    """What nobody has taken yet. `site_w` is what the connection leaves, None for no limit; `drawn_w` by station is
    what flows already beside it, on conductors and circuits."""

    def __init__(self, terms: SiteTerms, site_w: int | None, drawn_w: Mapping[int, int]) -> None:
        self._limits: list[_Limit] = []
        if site_w is not None:
            self._limits.append(_Limit(dict.fromkeys((one.station for one in terms.stations), PARTS), site_w * PARTS))
        for limit_w, parts in [*_lines(terms), *_circuits(terms)]:
            drawn = sum(parts.get(station, 0) * max(0, power_w) for station, power_w in drawn_w.items())
            most = limit_w * PARTS
            self._limits.append(_Limit(parts, max(0, most - drawn), most))

    def take(self, station: int, power_w: int, least_w: int) -> int:
        """What a station gets of the power that it wants, W, never between nothing and `least_w`; negative gives back.

        What one gives makes no room for others: it may stop.
        """
        mine = [(limit, part) for limit in self._limits if (part := limit.parts.get(station, 0))]
        if power_w <= 0:
            given_w = min([-power_w, *(limit.gives // part for limit, part in mine if limit.gives is not None)])
            for limit, part in mine:
                limit.gives = None if limit.gives is None else limit.gives - given_w * part
            return -given_w
        taken_w = min([max(power_w, least_w), *(limit.draws // part for limit, part in mine)])
        if taken_w < max(1, least_w):
            return 0
        for limit, part in mine:
            limit.draws -= taken_w * part
        return taken_w


def left_of_lines(terms: SiteTerms, drawn_w: Mapping[int, int]) -> tuple[int, int, int] | None:
    """What each conductor still carries beside what flows, W; None is no limit."""
    if terms.line_limit_w is None:
        return None
    first, second, third = (_left_w(limit_w, parts, drawn_w) for limit_w, parts in _lines(terms))
    return first, second, third


def left_of_circuits(terms: SiteTerms, drawn_w: Mapping[int, int]) -> tuple[int, ...]:
    """What each circuit still carries beside what flows, W."""
    return tuple(_left_w(limit_w, parts, drawn_w) for limit_w, parts in _circuits(terms))


def circuits_bp(terms: SiteTerms) -> dict[int, tuple[int, ...]]:
    """By station, which part of its power counts on each circuit: all of it, or none. Nothing without circuits."""
    members = [frozenset(circuit.stations) for circuit in terms.circuits]
    if not members:
        return {}
    return {one.station: tuple(WHOLE_BP * (one.station in each) for each in members) for one in terms.stations}


@dataclass(slots=True)
class _Limit:
    """`parts` of a station's W count. `draws` and `gives` are what is left for either way; None is no limit."""

    parts: Mapping[int, int]
    draws: int
    gives: int | None = None


def _lines(terms: SiteTerms) -> list[tuple[int, dict[int, int]]]:
    """Each conductor's limit, W, with its parts."""
    return [
        (limit_w, {one.station: PARTS // len(one.lines) for one in terms.stations if line in one.lines})
        for line, limit_w in zip(LINES, terms.line_limit_w or (), strict=False)
    ]


def _circuits(terms: SiteTerms) -> list[tuple[int, dict[int, int]]]:
    return [(circuit.limit_w, dict.fromkeys(circuit.stations, PARTS)) for circuit in terms.circuits]


def _left_w(limit_w: int, parts: Mapping[int, int], drawn_w: Mapping[int, int]) -> int:
    drawn = sum(parts.get(station, 0) * max(0, power_w) for station, power_w in drawn_w.items())
    return max(0, limit_w * PARTS - drawn) // PARTS
