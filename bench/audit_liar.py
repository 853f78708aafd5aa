"""Somebody who alters a record: files behind the CIDs, what an operator commits on chain, or what a node tells."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.audit_snapshot import Snapshot
from bench.audit_stations import sign, station_key
from domain.audit import FindingCode
from domain.batch import HEADER_BYTES, SettlementBatch, decode_batch, encode_batch
from domain.batch_chain import BatchChain, batch_digest
from domain.chain import Call, ChainEvent, View
from domain.cid import cid_of, raw_cid, raw_digest
from domain.evidence import (
    Manifest,
    StatementEvidence,
    manifest_blob,
    pack,
    parse_manifest,
    parse_statement_blob,
    statement_blob,
    unpack,
)
from domain.merkle import leaf, merkle_root
from domain.reading import MeterReading, SignedMeterReading
from domain.session import SignedAuthorisation
from domain.signing import word
from domain.statement import SignedStatement

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planted:
    """What must be found (each a code, and a text in its place), and where else what follows from it may show."""

    expected: tuple[tuple[FindingCode, str], ...]
    around: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch in the record: where its event is, its data, and its evidence."""

    number: int
    at: int
    batch: SettlementBatch
    manifest: Manifest


@dataclass(slots=True)
class Liar:
    """Alters a copy of a record. Each choice is the random generator's."""

    record: Snapshot
    rng: random.Random

    # --- choosing --------------------------------------------------------------------------------

    def batch(self, number: int | None = None) -> Settled:
        """A batch, any one if no number is given."""
        places = [at for at, event in enumerate(self.record.log) if event.name == "BatchSettled"]
        number = number or self.rng.randint(1, len(places))
        at = places[number - 1]
        data = self.record.calls[self.record.log[at].tx].data
        batch = decode_batch(data[68 : 68 + int.from_bytes(data[36:68], "big")])
        return Settled(number, at, batch, parse_manifest(self.record.blobs[raw_cid(batch.evidence)]))

    def statement(self, stations: Sequence[int] = (1, 2, 3, 4), *, first: bool = True) -> "Stated":
        """A statement of one of these stations; the first ones of all only if they may be chosen."""
        settled = self.batch(self.rng.randint(1 if first else 2, 3))
        return Stated(self, settled, self.rng.choice([s for s in range(4) if s + 1 in stations]))

    def event(self, name: str, **args: object) -> int:
        """The place of an event, any one of this name with these arguments."""
        found = [
            at
            for at, event in enumerate(self.record.log)
            if event.name == name and all(event.args[key] == value for key, value in args.items())
        ]
        return self.rng.choice(found)

    # --- what a node tells -----------------------------------------------------------------------

    def alter(self, at: int, **args: object) -> ChainEvent:
        """Gives an event other arguments; the event as it was."""
        event = self.record.log[at]
        self.record.log[at] = replace(event, args={**event.args, **args})
        return event

    def insert(self, at: int, contract: str, name: str, **args: object) -> None:
        """Puts an event in, in the block of the event that is there, in a transaction of its own."""
        beside = self.record.log[at]
        tx = word(self.rng.getrandbits(200))
        self.record.log.insert(at, replace(beside, tx=tx, contract=contract, name=name, args=args))

    def answer(self, view: View, value: object) -> None:
        """Gives a view another answer."""
        self.record.answers[view] = value

    # --- what an operator commits ----------------------------------------------------------------

    def put(self, blob: bytes) -> str:
        """Keeps a blob under its true CID."""
        cid = cid_of(blob)
        self.record.blobs[cid] = blob
        return cid

    def commit(self, settled: Settled, manifest: bytes | Manifest, batch: SettlementBatch | None = None) -> None:
        """Settles a batch with other evidence, or with other statements: digests and head are what follows."""
        data = manifest if isinstance(manifest, bytes) else manifest_blob(manifest)
        batch = replace(batch or settled.batch, evidence=raw_digest(self.put(data)))
        event = self.record.log[settled.at]
        self.call(event.tx, encode_batch(batch))
        aside = dict.fromkeys(
            e.args["payer"] for e in self.record.log if e.name == "RowSetAside" and e.args["batch"] == settled.number
        )
        hashes = [signed.statement.struct_hash() for signed in batch.statements]
        self.alter(
            settled.at,
            evidence=batch.evidence,
            digest=batch_digest(batch.evidence, hashes, list(aside)),
            statements=[_word_of(signed) for signed in batch.statements],
        )
        chain = BatchChain.of(e.args["digest"] for e in self.record.log if e.name == "BatchSettled")
        self.answer(View("SessionSettlement", "head"), chain.head)

    def call(self, tx: bytes, batch: bytes) -> None:
        """Gives a transaction another batch as its argument."""
        call = self.record.calls[tx]
        data = call.data[:4] + word(32) + word(len(batch)) + batch + bytes(-len(batch) % 32)
        self.record.calls[tx] = Call(to=call.to, data=data)

    # --- files -----------------------------------------------------------------------------------

    def place(self, settled: Settled, cid: str, blob: bytes) -> tuple[tuple[FindingCode, str], ...]:
        """Puts a blob in the place of another one: as a file, which is found by its CID, or committed on chain."""
        if self.rng.random() < 0.5:
            self.record.blobs[cid] = blob
            return ((FindingCode.EVIDENCE_ALTERED, f"blob {cid}"),)
        new = self.put(blob)
        listed = settled.manifest
        statements = {key: new if value == cid else value for key, value in listed.statements.items()}
        vehicles = {key: new if value == cid else value for key, value in listed.vehicles.items()}
        self.commit(settled, Manifest(statements=statements, vehicles=vehicles))
        return ()

    def edit(self, settled: Settled, cid: str, change: Callable[[Json], object]) -> tuple[tuple[FindingCode, str], ...]:
        """Alters what a blob says."""
        value = json.loads(unpack(self.record.blobs[cid]))
        change(value)
        return self.place(settled, cid, pack(value))


class Stated:
    """A statement that somebody alters, with its station's key or without."""

    def __init__(self, liar: Liar, settled: Settled, index: int) -> None:
        self.liar, self.settled, self.index = liar, settled, index
        self.signed = settled.batch.statements[index]
        statement = self.signed.statement
        self.station, self.sequence = statement.station, statement.sequence
        self.cid = settled.manifest.statements[statement.station, statement.sequence]
        self.evidence: StatementEvidence = parse_statement_blob(liar.record.blobs[self.cid])
        self.where = f"batch {settled.number}, station {statement.station} statement {statement.sequence}"
        self.place = f"station {statement.station} statement {statement.sequence}"

    def reading(self, *, first: int = 1, last: int = 1) -> int:
        """The index of a reading, neither of the first so many nor of the last so many."""
        return self.liar.rng.randrange(first, len(self.evidence.readings) - last)

    def at(self, index: int) -> str:
        """The place of a reading in findings."""
        return f"{self.place}, reading {self.evidence.readings[index].reading.sequence}"

    def edit(self, change: Callable[[Json], object]) -> tuple[tuple[FindingCode, str], ...]:
        """Alters what its blob says, without any key."""
        return self.liar.edit(self.settled, self.cid, change)

    def resign(self, reading: MeterReading) -> SignedMeterReading:
        """A reading with the station's signature."""
        return resigned(self.liar, reading, self.station)

    def restate(
        self,
        *,
        readings: Sequence[SignedMeterReading] | None = None,
        authorisations: Sequence[SignedAuthorisation] | None = None,
        **change: Any,
    ) -> None:
        """Settles another statement in its place, over these readings, with the station's signature."""
        readings = self.evidence.readings if readings is None else readings
        root = merkle_root(leaf(one.reading.struct_hash(), one.signature) for one in readings)
        statement = replace(self.signed.statement, **({"telemetry_root": root} | change))
        digest = self.liar.record.deployed.station_domain.digest(statement.struct_hash())
        signed = SignedStatement(statement, sign(station_key(self.station), digest))
        evidence = StatementEvidence(
            statement=signed,
            authorisations=self.evidence.authorisations if authorisations is None else authorisations,
            readings=readings,
        )
        listed = dict(self.settled.manifest.statements)
        del listed[self.station, self.sequence]
        listed[statement.station, statement.sequence] = self.liar.put(statement_blob(evidence))
        statements = list(self.settled.batch.statements)
        statements[self.index] = signed
        self.liar.commit(
            self.settled,
            Manifest(statements=listed, vehicles=self.settled.manifest.vehicles),
            replace(self.settled.batch, statements=tuple(statements)),
        )


def resigned(liar: Liar, reading: MeterReading, station: int) -> SignedMeterReading:
    """A reading with a station's signature."""
    digest = liar.record.deployed.station_domain.digest(reading.struct_hash())
    return SignedMeterReading(reading, sign(station_key(station), digest))


def _word_of(signed: SignedStatement) -> int:
    encoded = encode_batch(SettlementBatch(bytes(32), (signed,), 1))
    return int.from_bytes(encoded[HEADER_BYTES : HEADER_BYTES + 32], "big")
