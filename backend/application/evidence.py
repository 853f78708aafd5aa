"""Evidence blobs, for anybody who wants to check."""

from dataclasses import dataclass

from backend.application.ports import EvidenceStore


@dataclass(frozen=True, slots=True)
class Evidence:
    """The use case around evidence."""

    store: EvidenceStore

    def get(self, cid: str) -> bytes:
        """The blob, checked against its name; InvalidCid, EvidenceMissing or EvidenceAltered."""
        return self.store.get(cid)
