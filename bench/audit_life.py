"""A small record in which members do all that the contracts let them do, so that each of it can be lied about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.adapters.chain.reader import ChainReader
from bench.audit_record import Record, Size, recorded
from bench.audit_snapshot import Snapshot, snapshot_of
from bench.audit_stations import replacement_of, session_of, sign, station_key
from domain.audit import Auditor
from domain.audit.claims import AmountClaim, Claims
from domain.audit.ledger import Books
from domain.batch import decode_batch
from domain.batch_chain import BatchChain, page_of
from domain.signing import compact
from scripts.plan import DAY_S

SIZE = Size(stations=4, batches=3, minutes=40)
CAPPED, REPLACED, ROTATED = 2, 3, 4
"""Stations: whose first driver is capped, whose meter is replaced, whose key is replaced in the end."""


@contextmanager
def lively(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Record, Snapshot]]:
    """The record, and all of it in memory with what an honest server claims."""
    with recorded(folder, SIZE, say, replaced=REPLACED, before=_before) as record:
        _afterwards(record)
        snapshot = snapshot_of(ChainReader(record.rpc, record.deployment), record.evidence)
        snapshot.claims = claims_of(snapshot)
        yield record, snapshot


def _before(record: Record, number: int) -> None:
    """Before each batch: one driver is capped, and one meter is replaced before the last."""
    capped = record.drivers_of(CAPPED)[0]
    if number == 1:
        record.send("Escrow", "setDailyCap", capped, 1, sender=f"owner {capped}")
    if number == SIZE.batches:
        closing = record.batches[-1][REPLACED - 1].signed.statement
        plan = record.plan(REPLACED)
        m = replacement_of(plan, closing)
        signature = compact(sign(station_key(REPLACED), record.deployment.station_domain.digest(m.struct_hash())))
        fields = (m.station, m.sequence, m.time_s, *m.closing, *m.opening)
        record.send("StationRegistry", "replaceMeter", fields, signature[:32], signature[32:])


def _afterwards(record: Record) -> None:
    capped, member = record.drivers_of(CAPPED)[0], record.drivers_of(1)[0]
    owner = f"owner {member}"
    for function in ("pause", "unpause"):
        record.send("Escrow", function, sender="governor")
    for function in ("suspendStation", "reactivateStation"):
        record.send("StationRegistry", function, ROTATED)
    record.send("Escrow", "requestWithdrawal", member, 1_000_000, sender=owner)
    record.send("Escrow", "cancelWithdrawal", member, sender=owner)
    record.send("Escrow", "requestWithdrawal", member, 2_000_000, sender=owner)
    _dispute(record, 1, 1, 0, owner)
    _dispute(record, 2, 1, 0, owner)
    _justify(record, 1, 0)
    _pass_time(record, 7 * DAY_S + 1)
    record.send("DisputeCourt", "reverse", 1, 2, 0, 0, sender=owner)
    record.send("Escrow", "withdraw", member, sender=owner)
    record.send("Escrow", "setDailyCap", capped, 0, sender=f"owner {capped}")
    record.send("Escrow", "collect", capped, 1)
    record.send("Escrow", "requestWithdrawal", member, 3_000_000, sender=owner)


def _dispute(record: Record, number: int, station: int, row: int, owner: str) -> None:
    """Disputes a row of the statement that a station has in the batch of this number."""
    reader = ChainReader(record.rpc, record.deployment)
    settled = [e for e in reader.events(record.deployment.block, reader.head()) if e.name == "BatchSettled"]
    data = reader.call_of(settled[number - 1].tx).data
    batch = decode_batch(data[68 : 68 + int.from_bytes(data[36:68], "big")])
    events = reader.events(settled[number - 1].block, settled[number - 1].block)
    aside = dict.fromkeys(e.args["payer"] for e in events if e.name == "RowSetAside")
    s = batch.statements[station - 1].statement
    fields = (s.station, s.sequence, s.start_s, s.duration_s, s.import_wh, s.export_wh, s.tariff_base, s.telemetry_root)
    page = BatchChain.of(e.args["digest"] for e in settled).page(page_of(number)[0])
    hashes = [one.statement.struct_hash() for one in batch.statements]
    proof = (number, page, batch.evidence, hashes, list(aside), station - 1, fields, s.packed_rows(), row)
    record.send("DisputeCourt", "dispute", proof, sender=owner)


def _justify(record: Record, station: int, row: int) -> None:
    session = session_of(record.plan(station), record.drivers_of(station)[0], 0)
    a, signature = session.authorisation, compact(session.signature)
    fields = (
        *(a.account, a.station, a.max_energy_wh, a.max_price_micro_per_kwh, a.max_cost_micro),
        *(a.discharge_allowed, a.not_before_s, a.expiry_s, a.nonce),
    )
    record.send("DisputeCourt", "justify", station, 1, row, fields, signature[:32], signature[32:])


def _pass_time(record: Record, seconds: int) -> None:
    for method, parameters in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
        record.web3.provider.make_request(method, parameters)  # type: ignore[arg-type] # methods of anvil's own


def claims_of(snapshot: Snapshot) -> Claims:
    """What an honest server says of this record."""
    auditor = Auditor(deployed=snapshot.deployed, transactions=snapshot, proofs=snapshot.prover())
    auditor.take(snapshot.log)
    return claims_from(auditor.books, snapshot.head())


def claims_from(books: Books, block: int) -> Claims:
    """What these books say, as a server would that has read the chain up to `block`."""
    return Claims(
        block=block,
        amounts=[
            AmountClaim(
                station=p.station,
                sequence=p.sequence,
                row=p.row,
                payer=p.payer,
                payee=p.payee,
                owed_micro=p.owed_micro,
                received_micro=p.received_micro,
                set_aside=aside,
            )
            for p, aside in books.payments.values()
        ],
        balances={account: book.free_micro for account, book in books.accounts.items()},
        stations={number: (book.import_wh, book.export_wh, book.sequence) for number, book in books.stations.items()},
    )
