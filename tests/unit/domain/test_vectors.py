"""The shared vectors: the committed file is what the code makes, and it says what it should."""

import json
from typing import Any

import pytest

from domain.batch import decode_batch, encode_batch
from domain.signing import recover
from domain.text import address_text, parse_hex
from domain.wire import statement_from_json
from tests.vectors import make_vectors

VECTORS: dict[str, Any] = json.loads(make_vectors.PATH.read_text())
BATCHES = {batch["name"]: batch for batch in VECTORS["batches"]}
EACH_BATCH = pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())


def data(text: str) -> bytes:
    return parse_hex(text, len(text) // 2 - 1)


def test_committed_vectors_are_those_that_the_code_makes() -> None:
    assert make_vectors.PATH.read_text() == make_vectors.text(), "run: python -m tests.vectors.make_vectors"


@EACH_BATCH
def test_batch_is_decoded_to_its_statements(batch: dict[str, Any]) -> None:
    decoded = decode_batch(data(batch["batch"]))
    assert list(decoded.statements) == [statement_from_json(value) for value in batch["statements"]]
    assert encode_batch(decoded) == data(batch["batch"])


@EACH_BATCH
def test_statements_are_signed_by_their_stations(batch: dict[str, Any]) -> None:
    signers = {station["station"]: station["signer"] for station in VECTORS["stations"]}
    for value, digest in zip(batch["statements"], batch["digests"], strict=True):
        assert address_text(recover(data(digest), data(value["signature"]))) == signers[value["station"]]


@EACH_BATCH
def test_entries_sum_to_what_is_paid(batch: dict[str, Any]) -> None:
    assert sum(entry["debit_micro"] for entry in batch["entries"]) == batch["paid_micro"]
    assert sum(entry["credit_micro"] for entry in batch["entries"]) == batch["paid_micro"]
    assert sum(e["credit_micro"] for e in batch["entries"] if e["account"] == 2) == batch["dust_micro"]


def test_order_of_statements_changes_no_entry() -> None:
    one, other = BATCHES["three stations of two operators"], BATCHES["the same in another order"]
    assert one["batch"] != other["batch"]
    assert one["entries"] == other["entries"]


def test_drivers_that_cannot_pay_are_set_aside_as_a_whole() -> None:
    batch = BATCHES["a driver that cannot pay"]
    assert {aside["payer"] for aside in batch["set_aside"]} == {7}
    assert sum(aside["owed_micro"] for aside in batch["set_aside"]) == batch["free_micro"]["7"] + 1
    assert all(entry["debit_micro"] == 0 for entry in batch["entries"] if entry["account"] == 7)
    assert BATCHES["nobody can pay"]["entries"] == []
    assert {aside["payer"] for aside in BATCHES["an operator that cannot pay"]["set_aside"]} == {4}


def test_daily_caps_set_aside_what_they_leave_too_little_for() -> None:
    enough = BATCHES["a daily cap that is just enough"]
    assert enough["entries"] == BATCHES["three stations of two operators"]["entries"]
    lacking = BATCHES["a daily cap one micro-euro too low"]
    assert lacking["entries"] == BATCHES["a driver that cannot pay"]["entries"]
    assert BATCHES["a cap that was passed before"]["insolvent"] == [6, 7]


@EACH_BATCH
def test_debts_are_what_is_set_aside(batch: dict[str, Any]) -> None:
    owed: dict[int, int] = {}
    for aside in batch["set_aside"]:
        owed[aside["payer"]] = owed.get(aside["payer"], 0) + aside["owed_micro"]
    debts: dict[int, int] = {}
    for debt in batch["debts"]:
        debts[debt["debtor"]] = debts.get(debt["debtor"], 0) + debt["owed_micro"]
    assert debts == owed
    assert set(batch["insolvent"]) == set(owed)


def test_chain_links_the_batches_digests() -> None:
    chain = VECTORS["chain"]["batches"]
    assert [link["digest"] for link in chain] == [batch["batch_digest"] for batch in VECTORS["batches"]]
    assert [int(link["head"], 16) >> 224 for link in chain] == list(range(1, len(chain) + 1))
