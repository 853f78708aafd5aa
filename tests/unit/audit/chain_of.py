"""The made-up record as a chain that the whole audit can be run over."""

from dataclasses import replace
from types import SimpleNamespace

from bench.audit_snapshot import Snapshot
from domain.audit.head import expected_at_head
from domain.chain import BlockRef, ChainEvent, View
from domain.keccak import keccak
from domain.signing import word
from domain.text import address_text
from tests.unit.audit.record import DEPLOYED, ESCROW, Record


def chain_of(record: Record) -> Snapshot:
    """The record at its end, its balances and its stations' states as the chain would tell them."""
    auditor = record.audit()
    books = auditor.books
    answers: dict[View, object] = {}
    for expected in expected_at_head(auditor.state(), DEPLOYED):
        parts = expected.parts and dict(zip(expected.parts, expected.value, strict=True))  # type: ignore[call-overload] # a tuple then
        answers[expected.view] = SimpleNamespace(**parts) if parts else expected.value
    for account in books.accounts:
        answers[View("Escrow", "freeOf", (account,))] = record.balances[account]
        answers[View("Escrow", "withdrawalOf", (account,))] = (0, 0)
        answers[View("Escrow", "lockedOf", (account,))] = record.locked.get(account, 0)
        answers[View("Escrow", "debtsOf", (account,))] = (record.owed.get(account, 0), 0, 0)
    for station, book in books.stations.items():
        answers[View("StationRegistry", "stationOf", (station,))] = SimpleNamespace(
            payee=book.station.payee,
            ratedPowerW=book.station.rated_power_w,
            bidirectional=book.station.bidirectional,
            signer=address_text(book.station.signer or bytes(20)),
            suspendedByOperator=book.station.suspended_by_operator,
            suspendedByGovernance=book.station.suspended_by_governance,
            importWh=book.import_wh,
            exportWh=book.export_wh,
            sequence=book.sequence,
        )
    answers[View("SettlementToken", "balanceOf", (address_text(ESCROW),))] = sum(record.balances.values())
    answers[View("SessionSettlement", "head")] = record.chain.head
    blocks = {
        number: BlockRef(
            number=number, block_hash=hash_of(number), parent_hash=hash_of(number - 1), time_s=record.time_of(number)
        )
        for number in range(len(record.events) + 1)
    }
    log = [replace_hash(event) for event in record.events]
    return Snapshot(
        deployed=DEPLOYED,
        first_block=0,
        log=log,
        calls=dict(record.calls),
        blocks=blocks,
        answers=answers,
        blobs=dict(record.blobs),
    )


def hash_of(block: int) -> bytes:
    """A block's made-up hash."""
    return keccak(word(block))


def replace_hash(event: ChainEvent) -> ChainEvent:
    """The event with its block's hash."""
    return replace(event, block_hash=hash_of(event.block))
