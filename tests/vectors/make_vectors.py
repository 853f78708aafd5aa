"""Writes `vectors.json`: digests and batches that every implementation must agree on, byte for byte.

It writes `auction.json` and `positions.json` as well, see `make_auction_vectors.py` and `make_position_vectors.py`.
Run `python -m tests.vectors.make_vectors` after a change that is meant. A test holds the files against this.
The keys in it are made up from their names and guard nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from domain.batch import SettlementBatch, encode_batch, table_bits_for
from domain.batch_chain import PAGE, BatchChain, batch_digest
from domain.daily_cap import DailyCap
from domain.merkle import leaf, merkle_root
from domain.reading import NO_SESSION, BmsReading, SignedBmsReading
from domain.settlement import BatchOutcome, accounts_met, net, payments_of
from domain.signing import SigningDomain, word
from domain.statement import UNBILLED_EXPORT, UNBILLED_IMPORT, IntervalStatement, Row, SignedStatement
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text, hex_text
from domain.units import (
    HOUSE_ACCOUNT,
    AccountId,
    BasisPoints,
    DeciCelsius,
    EnergyWh,
    MoneyMicro,
    StationId,
    TariffId,
    UnixSeconds,
)
from domain.wire import authorisation_to_json, bms_to_json, meter_to_json, replacement_to_json, statement_to_json
from tests.vectors import make_auction_vectors, make_position_vectors
from tests.vectors.world import (
    ACCOUNT_DOMAIN,
    ALICE,
    BOB,
    CHAIN_ID,
    DRIVER_KEYS,
    OPERATOR,
    OTHER_OPERATOR,
    START_S,
    STATION_DOMAIN,
    STATION_KEY,
    Key,
    authorisation,
    busy_day,
    replacement,
    signed_reading,
    signed_statement,
    tariff,
)

PATH = Path(__file__).with_name("vectors.json")
RICH = 1_000_000_000
STATION_KEYS = {StationId(1): STATION_KEY, StationId(2): Key("station 2"), StationId(3): Key("station 3")}
OPENING_WH = {StationId(1): (1_000_000, 5_000), StationId(2): (0, 0), StationId(3): (77, 0)}
PAYEES = {StationId(1): OPERATOR, StationId(2): OPERATOR, StationId(3): OTHER_OPERATOR}

TARIFFS = (
    tariff(0, OPERATOR, Direction.CHARGE, 300_001),
    tariff(1, OPERATOR, Direction.DISCHARGE, 250_003),
    tariff(2, OPERATOR, Direction.CHARGE, -100_001),
    tariff(3, OPERATOR, Direction.DISCHARGE, -50_001),
    tariff(4, OPERATOR, Direction.CHARGE, 0),
    tariff(5, OTHER_OPERATOR, Direction.CHARGE, 399_999),
    tariff(6, OTHER_OPERATOR, Direction.CHARGE, 410_000, START_S + 900),
)


@dataclass(frozen=True)
class Case:
    """A batch and what accounts hold before it. `caps` are accounts' daily caps and what was taken that day."""

    name: str
    statements: tuple[SignedStatement, ...]
    free: Mapping[AccountId, int]
    evidence: bytes
    caps: Mapping[AccountId, tuple[int, int]] = field(default_factory=dict)

    def spendable_of(self, account: AccountId) -> MoneyMicro:
        cap = DailyCap(*self.caps.get(account, (0, 0)), day=0)
        return cap.spendable_micro(self.free.get(account, 0), 0)


def vectors() -> dict[str, Any]:
    return {
        "chain_id": CHAIN_ID,
        "domains": {"stations": domain_json(STATION_DOMAIN), "accounts": domain_json(ACCOUNT_DOMAIN)},
        "keys": {
            **{f"station {number}": key_json(key) for number, key in STATION_KEYS.items()},
            **{f"driver of account {number}": key_json(key) for number, key in DRIVER_KEYS.items()},
        },
        "stations": [station_json(number) for number in STATION_KEYS],
        "tariffs": [tariff_json(found) for found in TARIFFS],
        "digests": digests(),
        "merkle": merkle(),
        "batches": [batch_json(case) for case in cases()],
        "chain": chain(),
    }


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


# --- the cases ---------------------------------------------------------------------------------


def cases() -> tuple[Case, ...]:
    rich = dict.fromkeys((OPERATOR, OTHER_OPERATOR, ALICE, BOB), RICH)
    mixed = (
        statement(1, 1, [(ALICE, 1_001, 0), (BOB, 3, 1), (ALICE, 7, 2), (HOUSE_ACCOUNT, 12, UNBILLED_IMPORT)]),
        statement(2, 1, [(BOB, 20_000, 0), (BOB, 1, 4)]),
        statement(3, 1, [(ALICE, 9_999, 0), (BOB, 5_001, 1)], base=5),
    )
    both_ways = statement(
        1, 1, [(ALICE, 5_000, 3), (BOB, 7_777, 1), (HOUSE_ACCOUNT, 5, UNBILLED_EXPORT), (OPERATOR, 333, 0)]
    )
    following = statement(
        1, 2, [(ALICE, 1, 0)], opening=(both_ways.statement.import_wh, both_ways.statement.export_wh), start_s=900
    )
    return (
        Case("one row", (statement(1, 1, [(ALICE, 1_500, 0)]),), rich, b"\x01" * 32),
        Case("three stations of two operators", mixed, rich, b"\x02" * 32),
        Case("the same in another order", tuple(reversed(mixed)), rich, b"\x02" * 32),
        Case("energy given back, and two statements of one station", (both_ways, following), rich, b"\x03" * 32),
        Case("a driver that cannot pay", mixed, rich | {BOB: 8_050_429}, b"\x04" * 32),
        Case("an operator that cannot pay", (both_ways,), rich | {OPERATOR: 2_044_174}, b"\x05" * 32),
        Case("nobody can pay", mixed, {}, b"\x06" * 32),
        Case("a daily cap that is just enough", mixed, rich, b"\x09" * 32, {BOB: (10_000_000, 1_949_570)}),
        Case(
            "a daily cap one micro-euro too low",
            mixed,
            rich,
            b"\x0a" * 32,
            {BOB: (10_000_000, 1_949_571)},
        ),
        Case("a cap that was passed before", mixed, rich, b"\x0b" * 32, {ALICE: (1, 2), BOB: (1, 0)}),
        Case("a quiet station", (statement(2, 1, []),), rich, b"\x07" * 32),
        Case("evidence alone", (), rich, b"\x08" * 32),
    )


def statement(
    station: int,
    sequence: int,
    rows: Sequence[tuple[AccountId, int, int]],
    *,
    base: int = 0,
    opening: tuple[int, int] | None = None,
    start_s: int = 0,
) -> SignedStatement:
    """A statement over two intervals; each row is (account, Wh, tariff offset)."""
    number = StationId(station)
    import_wh, export_wh = opening or OPENING_WH[number]
    for _, energy_wh, offset in rows:
        if offset == UNBILLED_EXPORT or (offset + base < len(TARIFFS) and TARIFFS[offset + base].direction):
            export_wh += energy_wh
        else:
            import_wh += energy_wh
    unsigned = IntervalStatement(
        station=number,
        sequence=sequence,
        start_s=UnixSeconds(START_S + start_s),
        duration_s=1_800,
        import_wh=EnergyWh(import_wh),
        export_wh=EnergyWh(export_wh),
        tariff_base=TariffId(base),
        telemetry_root=bytes([station, sequence]) * 16,
        rows=tuple(
            Row(
                account=account,
                energy_wh=EnergyWh(energy_wh),
                start_offset_s=900 * (index % 2),
                duration_s=900 - index if index % 2 == 0 else 900,
                tariff_offset=offset,
            )
            for index, (account, energy_wh, offset) in enumerate(rows)
        ),
    )
    return signed_statement(unsigned, STATION_KEYS[number])


# --- as JSON -----------------------------------------------------------------------------------


def batch_json(case: Case) -> dict[str, Any]:
    outcome = outcome_of(case)
    return {
        "name": case.name,
        "free_micro": {str(account): micro for account, micro in case.free.items()},
        "caps": {str(account): {"cap_micro": cap, "spent_micro": spent} for account, (cap, spent) in case.caps.items()},
        "statements": [statement_to_json(signed) for signed in case.statements],
        "struct_hashes": [hex_text(signed.statement.struct_hash()) for signed in case.statements],
        "digests": [hex_text(STATION_DOMAIN.digest(s.statement.struct_hash())) for s in case.statements],
        "batch": hex_text(encode_batch(batch_of(case))),
        "batch_digest": hex_text(digest_of(case)),
        "entries": [
            {"account": account, "debit_micro": entry.debit_micro, "credit_micro": entry.credit_micro}
            for account, entry in sorted(outcome.entries.items())
        ],
        "paid_micro": outcome.paid_micro,
        "dust_micro": outcome.dust_micro,
        "insolvent": list(outcome.insolvent),
        "set_aside": [
            {"station": p.station, "sequence": p.sequence, "row": p.row, "payer": p.payer, "owed_micro": p.owed_micro}
            for p in outcome.set_aside
        ],
        "debts": [asdict(debt) for debt in outcome.debts],
    }


def outcome_of(case: Case) -> BatchOutcome:
    return net([signed.statement for signed in case.statements], TariffTable(TARIFFS), case.spendable_of)


def batch_of(case: Case) -> SettlementBatch:
    statements = [signed.statement for signed in case.statements]
    met = accounts_met(statements, TariffTable(TARIFFS))
    payments = (payment for one in statements for payment in payments_of(one, TariffTable(TARIFFS)))
    debts = len({(payment.payer, payment.payee) for payment in payments})
    return SettlementBatch(case.evidence, case.statements, table_bits_for(met, debts=debts))


def digest_of(case: Case) -> bytes:
    hashes = [signed.statement.struct_hash() for signed in case.statements]
    return batch_digest(case.evidence, hashes, outcome_of(case).insolvent)


def chain() -> dict[str, Any]:
    """The batches above as a chain, and a longer one whose second page has begun."""
    longer = BatchChain.of(keccak(bytes([n])) for n in range(PAGE + 2))
    return {
        "page": PAGE,
        "batches": chain_json([digest_of(case) for case in cases()]),
        "longer": chain_json(longer.digests),
    }


def chain_json(digests: Sequence[bytes]) -> list[dict[str, Any]]:
    growing = BatchChain()
    links = []
    for digest in digests:
        growing.push(digest)
        links.append({"digest": hex_text(digest), "head": hex_text(word(growing.head))})
    return links


def digests() -> list[dict[str, Any]]:
    day = busy_day()
    bms = BmsReading(
        account=ALICE,
        sequence=1,
        time_s=START_S,
        state_of_charge_bp=BasisPoints(10_000),
        state_of_health_bp=BasisPoints(9_321),
        temperature_deci_c=DeciCelsius(-273),
        pack_millivolt=402_500,
        pack_milliampere=-125_000,
        session=NO_SESSION,
    )
    meter = day.readings[1].reading
    limits = authorisation(ALICE)
    statement_ = cases()[1].statements[0]
    swap = replacement(2, START_S + 400, opening=(70, 3))
    bms_signature = DRIVER_KEYS[ALICE].sign(ACCOUNT_DOMAIN.digest(bms.struct_hash()))
    return [
        digest_json("MeterReading", STATION_DOMAIN, meter.struct_hash(), meter_to_json(signed_reading(meter))),
        digest_json("BmsReading", ACCOUNT_DOMAIN, bms.struct_hash(), bms_to_json(SignedBmsReading(bms, bms_signature))),
        digest_json(
            "SessionAuthorisation", ACCOUNT_DOMAIN, limits.authorisation.struct_hash(), authorisation_to_json(limits)
        ),
        digest_json(
            "IntervalStatement", STATION_DOMAIN, statement_.statement.struct_hash(), statement_to_json(statement_)
        ),
        digest_json("MeterReplacement", STATION_DOMAIN, swap.struct_hash(), replacement_to_json(swap)),
    ]


def digest_json(name: str, domain: SigningDomain, struct_hash: bytes, value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": name,
        "value": value,
        "struct_hash": hex_text(struct_hash),
        "digest": hex_text(domain.digest(struct_hash)),
    }


def merkle() -> list[dict[str, Any]]:
    leaves = [leaf(bytes([n]) * 32, bytes([n]) * 65) for n in range(7)]
    return [
        {"leaves": [hex_text(found) for found in leaves[:count]], "root": hex_text(merkle_root(leaves[:count]))}
        for count in range(8)
    ]


def station_json(number: StationId) -> dict[str, Any]:
    import_wh, export_wh = OPENING_WH[number]
    return {
        "station": number,
        "signer": address_text(STATION_KEYS[number].address),
        "payee": PAYEES[number],
        "bidirectional": export_wh > 0,
        "import_wh": import_wh,
        "export_wh": export_wh,
    }


def tariff_json(found: Tariff) -> dict[str, Any]:
    return {
        "tariff": found.tariff,
        "payee": found.payee,
        "direction": found.direction.label,
        "price_micro_per_kwh": found.price_micro_per_kwh,
        "valid_from": found.valid_from_s,
        "valid_to": found.valid_to_s,
    }


def domain_json(domain: SigningDomain) -> dict[str, str]:
    return {"contract": address_text(domain.contract), "separator": hex_text(domain.separator)}


def key_json(key: Key) -> dict[str, str]:
    return {"secret": hex_text(key.secret), "address": address_text(key.address)}


if __name__ == "__main__":
    PATH.write_text(text())
    make_auction_vectors.write()
    make_position_vectors.write()
