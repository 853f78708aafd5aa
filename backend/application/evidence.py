"""Evidence blobs, for anybody who wants to check."""

from collections.abc import Iterator
from dataclasses import dataclass

from backend.application.ports import EvidenceStore
from domain.errors import EvidenceAltered, EvidenceMissing, Malformed
from domain.evidence import parse_manifest


@dataclass(frozen=True, slots=True)
class Evidence:
    """The use case around evidence."""

    store: EvidenceStore

    def get(self, cid: str) -> bytes:
        """The blob, checked against its name; InvalidCid, EvidenceMissing or EvidenceAltered."""
        return self.store.get(cid)

    def flaws(self) -> Iterator[str]:
        """Reads all that is kept and tells, a line each, what is altered, and what is missing that a manifest names."""
        kept = dict.fromkeys(self.store.cids())
        for cid in kept:
            try:
                data = self.store.get(cid)
            except (EvidenceAltered, EvidenceMissing) as error:
                yield str(error)
                continue
            yield from (f"no blob {one}, which manifest {cid} names" for one in _named(data) if one not in kept)


def _named(blob: bytes) -> list[str]:
    """The blobs that a manifest names; none if it is no manifest."""
    try:
        manifest = parse_manifest(blob)
    except Malformed:
        return []
    return [*manifest.statements.values(), *manifest.vehicles.values()]
