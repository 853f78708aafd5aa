"""Tamperings of every kind, each planted in a record of its own, and what the audit names of them."""

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.audit_liar import Liar, Planted
from bench.audit_lies_blobs import BLOB_KINDS
from bench.audit_lies_chain import CHAIN_KINDS, Kind
from bench.audit_lies_market import MARKET_KINDS
from bench.audit_life import lively
from bench.audit_market_life import traded
from bench.audit_snapshot import Snapshot
from domain.audit import Finding, FindingCode

KINDS = BLOB_KINDS | CHAIN_KINDS
SEED = 20_190_710
TELL_EVERY = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the audit found of one tampering: what it should have and did not, and what lies elsewhere."""

    kind: str
    planted: Planted
    findings: list[Finding]

    @property
    def missed(self) -> list[tuple[FindingCode, str]]:
        return [
            (code, where)
            for code, where in self.planted.expected
            if not any(finding.code == code and where in finding.where for finding in self.findings)
        ]

    @property
    def elsewhere(self) -> list[Finding]:
        around = (*self.planted.around, *(where for _, where in self.planted.expected))
        return [finding for finding in self.findings if not any(place in finding.where for place in around)]


def outcomes(snapshot: Snapshot, count: int, seed: int = SEED, kinds: Mapping[str, Kind] = KINDS) -> Iterator[Outcome]:
    """So many tamperings, kind after kind, and what is found of each."""
    names = list(kinds)
    for number in range(count):
        kind = names[number % len(names)]
        record = snapshot.copied()
        if not kind.startswith("claim"):
            record.claims = None
        planted = kinds[kind](Liar(record, random.Random(f"{seed} {number}")))
        yield Outcome(kind, planted, record.findings())


def planted(count: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures of so many tamperings, by their names: those of the market in a record of their own."""
    of_market = count * len(MARKET_KINDS) // (len(KINDS) + len(MARKET_KINDS))
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as folder, lively(Path(folder), lambda _: None) as (_, at):
        found, codes = _sharpness(at, count - of_market, KINDS, say)
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as folder, traded(Path(folder), lambda _: None) as (_, at):
        others, other_codes = _sharpness(at, of_market, MARKET_KINDS, say)
    return {name: found[name] + others[name] for name in found} | {"codes_seen": len(codes | other_codes)}


def _sharpness(
    snapshot: Snapshot, count: int, kinds: Mapping[str, Kind], say: Callable[[str], None]
) -> tuple[dict[str, int], set[FindingCode]]:
    """What is named and what is not of tamperings of one record, and the codes that came up."""
    untampered = snapshot.copied().findings()
    named, codes = 0, set[FindingCode]()
    false_alarms = len(untampered)
    for number, outcome in enumerate(outcomes(snapshot, count, kinds=kinds), 1):
        named += not outcome.missed
        false_alarms += len(outcome.elsewhere)
        codes |= {finding.code for finding in outcome.findings}
        for code, where in outcome.missed:
            say(f"NOT NAMED: {outcome.kind}: {code} at {where}; found {[str(f)[:300] for f in outcome.findings[:4]]}")
        for finding in outcome.elsewhere[:3]:
            say(f"FALSE ALARM: {outcome.kind}: {str(finding)[:400]}; it is in {outcome.planted.around}")
        if number % TELL_EVERY == 0:
            say(f"{number} of {count} tamperings, {named} named")
    figures = {
        "tamperings": count,
        "tamperings_named": named,
        "kinds": min(count, len(kinds)),
        "false_alarms": false_alarms,
    }
    return figures, codes
