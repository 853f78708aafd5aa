"""What a blob proves by itself: its CID, its content, who signed each part of it, and the root over its readings.

All of that needs nothing but the blob, so it can be done ahead of its turn and in other processes. Whether the
right one signed, and whether it fits what came before, is for the audit to say in the chain's order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from domain.audit.report import BlobSource
from domain.cid import cid_of
from domain.errors import BadSignature, EvidenceAltered, EvidenceMissing, Malformed
from domain.evidence import Manifest, parse_manifest
from domain.evidence_columns import BmsColumns, MeterColumns, statement_columns, vehicle_columns
from domain.merkle import leaf, merkle_root
from domain.session import SessionAuthorisation, SignedAuthorisation
from domain.signing import SigningDomain, recover
from domain.statement import SignedStatement

Signer = bytes | str
"""The address of the key that made a signature, or what is wrong with that signature."""
_Content = TypeVar("_Content")
_Content_co = TypeVar("_Content_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Blob(Generic[_Content_co]):
    """A blob that was found: the CID of what is in it, and its content or why it has none."""

    cid: str
    size_bytes: int
    content: _Content_co | str


@dataclass(frozen=True, slots=True)
class NoBlob:
    """A blob that could not be read, and why. `found` is what a store has in its place, which it did not give."""

    reason: str
    found: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenAuthorisation:
    """An authorisation, the session that it names, and who signed it."""

    limits: SessionAuthorisation
    signature: bytes
    session_id: bytes
    signer: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementProof:
    """A statement's evidence; `signers` are those of its readings, `root` is that over them."""

    statement: SignedStatement
    authorisations: tuple[ProvenAuthorisation, ...]
    readings: MeterColumns
    signers: Sequence[Signer]
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleProof:
    """One vehicle's evidence; `signers` are those of its readings."""

    account: int
    readings: BmsColumns
    signers: Sequence[Signer]


class Proofs(Protocol):
    """Where the audit gets what blobs prove."""

    def expect(self, evidence: bytes) -> None:
        """Tells that the blobs of the batch with this manifest digest will be asked for soon."""

    def manifest(self, cid: str) -> Blob[Manifest] | NoBlob: ...

    def statement(self, cid: str) -> Blob[StatementProof] | NoBlob: ...

    def vehicle(self, cid: str) -> Blob[VehicleProof] | NoBlob: ...


class Prover:
    """Reads blobs and works out what they prove, each when it is asked for."""

    def __init__(self, blobs: BlobSource, *, stations: SigningDomain, accounts: SigningDomain) -> None:
        self._blobs, self._stations, self._accounts = blobs, stations, accounts

    def expect(self, evidence: bytes) -> None:
        """Nothing: here nothing is done ahead."""

    def manifest(self, cid: str) -> Blob[Manifest] | NoBlob:
        """What belongs to a batch."""
        return self._proven(cid, parse_manifest)

    def statement(self, cid: str) -> Blob[StatementProof] | NoBlob:
        """What a statement's blob proves."""
        return self._proven(cid, self._statement)

    def vehicle(self, cid: str) -> Blob[VehicleProof] | NoBlob:
        """What a vehicle's blob proves."""
        return self._proven(cid, self._vehicle)

    def _proven(self, cid: str, prove: Callable[[bytes], _Content]) -> Blob[_Content] | NoBlob:
        try:
            data = self._blobs.read(cid)
        except EvidenceAltered as error:
            return NoBlob(str(error), error.found)
        except (EvidenceMissing, Malformed) as error:
            return NoBlob(str(error))
        try:
            content: _Content | str = prove(data)
        except Malformed as error:
            content = str(error)
        return Blob(cid_of(data), len(data), content)

    def _statement(self, data: bytes) -> StatementProof:
        evidence = statement_columns(data)
        readings, digest = evidence.readings, self._stations.digest
        signers, leaves = _Signers(), []
        for index, struct_hash in enumerate(readings.struct_hashes()):
            signature = readings.signature(index)
            signers.add(digest(struct_hash), signature)
            leaves.append(leaf(struct_hash, signature))
        return StatementProof(
            statement=evidence.rest.statement,
            authorisations=tuple(map(self._authorisation, evidence.rest.authorisations)),
            readings=readings,
            signers=signers.all,
            root=merkle_root(leaves),
        )

    def _authorisation(self, signed: SignedAuthorisation) -> ProvenAuthorisation:
        session_id = signed.authorisation.session_id(self._accounts)
        return ProvenAuthorisation(
            limits=signed.authorisation,
            signature=signed.signature,
            session_id=session_id,
            signer=signer_of(session_id, signed.signature),
        )

    def _vehicle(self, data: bytes) -> VehicleProof:
        evidence = vehicle_columns(data)
        signers = _Signers()
        for index, struct_hash in enumerate(evidence.readings.struct_hashes()):
            signers.add(self._accounts.digest(struct_hash), evidence.readings.signature(index))
        return VehicleProof(account=evidence.account, readings=evidence.readings, signers=signers.all)


class _Signers:
    """Signers in order, each of them kept once."""

    def __init__(self) -> None:
        self.all: list[Signer] = []
        self._known: dict[Signer, Signer] = {}

    def add(self, digest: bytes, signature: bytes) -> None:
        signer = signer_of(digest, signature)
        self.all.append(self._known.setdefault(signer, signer))


def signer_of(digest: bytes, signature: bytes) -> Signer:
    """Who made this signature over `digest`, or what is wrong with it."""
    try:
        return recover(digest, signature)
    except BadSignature as error:
        return str(error)
