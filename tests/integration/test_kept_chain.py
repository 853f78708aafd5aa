"""A chain in a file: what it held before it was ended or killed, it holds again."""

import gzip
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.anvil import AnvilFailed, free_port
from scripts.kept_chain import KeptChain

RICH, OTHER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x" + "11" * 20
LONG_AGO_S = 1_000_000_000


@contextmanager
def running(chain: KeptChain) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        chain.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        chain.wait(process)
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def ask(chain: KeptChain, method: str, *parameters: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    answer = httpx.post(chain.address, json=body, timeout=20).json()
    assert "error" not in answer, answer
    return answer["result"]


def pay(chain: KeptChain, wei: int) -> str:
    """Pays, and waits for the block: the chain answers before it has one."""
    payment = str(ask(chain, "eth_sendTransaction", {"from": RICH, "to": OTHER, "value": hex(wei)}))
    deadline = time.monotonic() + 20
    while ask(chain, "eth_getTransactionReceipt", payment) is None:
        assert time.monotonic() < deadline, f"{payment} is in no block"
        time.sleep(0.005)
    return payment


def blocks(chain: KeptChain) -> list[str]:
    head = int(ask(chain, "eth_blockNumber"), 16)
    return [ask(chain, "eth_getBlockByNumber", hex(number), False)["hash"] for number in range(head + 1)]


def date_back(file: Path) -> None:
    """Makes a later write show, however soon it comes."""
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))


def written_since(file: Path) -> bool:
    return int(file.stat().st_mtime) != LONG_AGO_S


@pytest.fixture
def chain(tmp_path: Path) -> KeptChain:
    return KeptChain(tmp_path / "chain.json.gz", free_port())


def test_blocks_receipts_and_balances_are_there_again_after_a_kill(chain: KeptChain) -> None:
    with running(chain):
        paid = [pay(chain, wei) for wei in (1, 2, 3)]
        before = blocks(chain)
        chain.keep()
    with running(chain):
        assert blocks(chain) == before
        assert [int(ask(chain, "eth_getTransactionReceipt", tx)["blockNumber"], 16) for tx in paid] == [1, 2, 3]
        assert int(ask(chain, "eth_getBalance", OTHER, "latest"), 16) == 6
        pay(chain, 4)
        assert blocks(chain)[:-1] == before
        chain.keep()
    with running(chain):
        assert int(ask(chain, "eth_getBalance", OTHER, "latest"), 16) == 10
    assert [file.name for file in chain.file.parent.iterdir()] == [chain.file.name]


def test_file_is_written_for_new_blocks_only(chain: KeptChain) -> None:
    with running(chain):
        chain.keep()
        date_back(chain.file)
        chain.keep()
        assert not written_since(chain.file)
        pay(chain, 1)
        chain.keep()
        assert written_since(chain.file)


def test_a_look_is_not_a_write_until_it_is_due(chain: KeptChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.kept_chain.PAUSE_FACTOR", 1_000_000)
    with running(chain):
        assert chain.keep_if_due() is None
        date_back(chain.file)
        pay(chain, 1)
        assert chain.keep_if_due() is None
        assert not written_since(chain.file)
        assert chain.keep_if_possible() is None
        assert written_since(chain.file)


def test_what_was_kept_is_untouched_while_the_chain_is_down_or_the_disk_refuses(chain: KeptChain) -> None:
    with running(chain):
        pay(chain, 1)
        chain.keep()
        kept = chain.file.read_bytes()
        pay(chain, 2)
        blocked = chain.file.with_name(chain.file.name + ".new")
        blocked.mkdir()
        assert "Is a directory" in (chain.keep_if_possible() or "")
        assert chain.file.read_bytes() == kept
        blocked.rmdir()
    assert chain.keep_if_possible()
    assert chain.file.read_bytes() == kept


def test_blocks_stay_the_same_however_often_the_chain_is_started(chain: KeptChain) -> None:
    before: list[str] = []
    for start in range(4):
        with running(chain):
            found = blocks(chain)
            assert found[: len(before)] == before
            assert len(found) == 1 + start
            pay(chain, 1)
            before = blocks(chain)
            chain.keep()
        time.sleep(1.1)  # Else the genesis blocks of two starts are the same.


@pytest.mark.parametrize(
    "damage", [b"", b"no gzip at all", b"cut", gzip.compress(b"{}", mtime=0), gzip.compress(b"[]", mtime=0)]
)
def test_damaged_file_is_refused_and_left_alone(chain: KeptChain, damage: bytes) -> None:
    with running(chain):
        pay(chain, 1)
        chain.keep()
    content = chain.file.read_bytes()[:-20] if damage == b"cut" else damage
    chain.file.write_bytes(content)
    with pytest.raises(AnvilFailed, match="cannot be read"):
        chain.command()
    assert chain.file.read_bytes() == content
