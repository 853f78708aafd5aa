"""A deployment on a chain of its own, for the tests of deploying, checking and governing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from scripts.anvil import anvil
from scripts.chain import connect
from scripts.deploy import Deployer
from scripts.plan import CONSTRUCTORS, Plan


def key_of(number: int) -> LocalAccount:
    """A key of the tests, the same in every run."""
    return cast(LocalAccount, Account.from_key("0x" + f"{number:02x}" * 32))


DEPLOYER, HOUSE, DUST, OPERATOR, GOVERNOR, AUDITOR, ISSUER, STRANGER = (key_of(n) for n in range(0x11, 0x19))
PLAN = Plan(
    house=HOUSE.address,
    dust=DUST.address,
    operator=OPERATOR.address,
    governor=GOVERNOR.address,
    auditor=AUDITOR.address,
    issuer=ISSUER.address,
)
PASSPHRASE = "for tests"


@dataclass(frozen=True, slots=True)
class Deployed:
    """Contracts on a chain. `file` is the deployments file."""

    rpc: str
    file: Path
    web3: Web3

    def state(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.file.read_text())
        return value

    def contract(self, name: str) -> Contract:
        entry = self.state()["contracts"][name]
        contract: Contract = self.web3.eth.contract(address=entry["address"], abi=entry["abi"])
        return contract

    def address(self, name: str) -> str:
        return str(self.state()["contracts"][name]["address"])

    def addresses(self) -> dict[str, str]:
        return {name: self.address(name) for name in CONSTRUCTORS}

    def view(self, contract: str, function: str, *args: object) -> Any:
        return self.contract(contract).functions[function](*args).call()

    def transact(self, key: LocalAccount, contract: str, function: str, *args: object) -> None:
        """Sends a call, which must succeed."""
        call = self.contract(contract).functions[function](*args)
        nonce = self.web3.eth.get_transaction_count(key.address)
        transaction = call.build_transaction({"from": key.address, "nonce": nonce, "gasPrice": Web3.to_wei(0, "wei")})
        signed = key.sign_transaction(cast(dict[str, Any], transaction))
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        assert self.web3.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 1

    def request(self, method: str, *parameters: object) -> Any:
        return request(self.rpc, method, *parameters)

    def pass_time(self, seconds: int) -> None:
        self.request("evm_increaseTime", seconds)
        self.request("evm_mine")


@contextmanager
def deployed(folder: Path, plan: Plan = PLAN) -> Iterator[Deployed]:
    """A fresh chain with the contracts on it."""
    file = folder / "deployment.json"
    with anvil() as rpc:
        Deployer(connect(rpc), DEPLOYER, file, lambda _: None).run(plan)
        yield Deployed(rpc, file, connect(rpc))


@contextmanager
def undone(rpc: str) -> Iterator[None]:
    """Afterwards the chain is as it was before."""
    snapshot = request(rpc, "evm_snapshot")
    try:
        yield
    finally:
        assert request(rpc, "evm_revert", snapshot)


def request(rpc: str, method: str, *parameters: object) -> Any:
    """A JSON-RPC request to the node."""
    answer = cast(Mapping[str, Any], HTTPProvider(rpc).make_request(cast(Any, method), list(parameters)))
    assert "error" not in answer, answer
    return answer["result"]


def keystore(folder: Path, key: LocalAccount) -> tuple[Path, Path]:
    """An encrypted keystore file and one with its passphrase."""
    file, passphrase = folder / f"{key.address}.json", folder / "passphrase"
    file.write_text(json.dumps(Account.encrypt(key.key, PASSPHRASE, kdf="pbkdf2", iterations=10)))
    passphrase.write_text(PASSPHRASE + "\n")
    return file, passphrase
