"""Deploys the contracts to any EVM chain and writes the deployments file. Resumable.

Each step is written down before it is sent and looked for on the chain before it is sent again, so a
run that was cut off goes on where it stopped, and a second run changes nothing.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import rlp
import typer
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import TransactionNotFound
from web3.middleware import ExtraDataToPOAMiddleware

from domain.text import address_text, parse_address
from scripts.compile import Artifact, compiled

RECEIPT_TIMEOUT_S = 120
ZERO_ADDRESS = "0x" + "00" * 20
OPERATOR, SETTLER, AUDITOR, ISSUER = 2, 4, 8, 16


class DeployFailed(Exception):
    """Something on the chain is not as the build says; the text says what to do."""


@dataclass(slots=True)
class Plan:
    """Who is named at the deployment. Addresses are checksummed text."""

    house: str
    dust: str
    operator: str
    auditor: str | None = None
    withdrawal_delay_s: int = 3600


@dataclass(slots=True)
class Deployer:
    """Deploys step by step with one key, keeping `file` up to date."""

    web3: Web3
    key: LocalAccount
    file: Path
    say: Callable[[str], None]
    artifacts: dict[str, Artifact] = field(default_factory=compiled)
    state: dict[str, Any] = field(default_factory=dict)

    def run(self, plan: Plan) -> dict[str, Any]:
        """All steps; the content of the deployments file."""
        self._load()
        accounts = self.contract("AccountRegistry", plan.house, plan.dust, self.key.address)
        stations = self.contract("StationRegistry", accounts.address)
        tariffs = self.contract("TariffBook", accounts.address)
        token = self.contract("SettlementToken", accounts.address)
        escrow = self.contract("Escrow", accounts.address, token.address, plan.withdrawal_delay_s)
        settlement = self.contract(
            "SessionSettlement", accounts.address, stations.address, tariffs.address, escrow.address
        )
        self._wire(token, "escrow", "setEscrow", escrow.address)
        self._wire(stations, "settlement", "setSettlementModule", settlement.address)
        self._wire(escrow, "settlement", "setSettlementModule", settlement.address)
        self._member(accounts, plan.operator, (OPERATOR, SETTLER, ISSUER))
        if plan.auditor is not None:
            self._member(accounts, plan.auditor, (AUDITOR,))
        return self.state

    def contract(self, name: str, *args: object) -> Contract:
        """The contract, deployed now unless it already is."""
        artifact = self.artifacts[name]
        entry = self.state["contracts"].get(name)
        if entry is None:
            nonce = self.web3.eth.get_transaction_count(self.key.address, "pending")
            entry = {"address": _created_address(self.key.address, nonce), "nonce": nonce, "abi": artifact.abi}
            self.state["contracts"][name] = entry
            self._save()
        if not self.web3.eth.get_code(entry["address"]):
            factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
            self._send(factory.constructor(*args), entry["nonce"], f"deploy {name} at {entry['address']}")
        code = bytes(self.web3.eth.get_code(entry["address"]))
        if not artifact.is_deployed_as(code):
            raise DeployFailed(
                f"{entry['address']} does not hold this build's {name}; "
                f"move {self.file} away to deploy anew, or check out the build that it was made with"
            )
        deployed: Contract = self.web3.eth.contract(address=entry["address"], abi=artifact.abi)
        return deployed

    def _wire(self, contract: Contract, getter: str, setter: str, address: str) -> None:
        if contract.functions[getter]().call() != address:
            self._send(contract.functions[setter](address), None, f"{setter} {address}")

    def _member(self, accounts: Contract, owner: str, roles: tuple[int, ...]) -> None:
        if accounts.functions.accountOf(owner).call() == 0:
            self._send(accounts.functions.openAccount(owner, ZERO_ADDRESS), None, f"open an account for {owner}")
        account = accounts.functions.accountOf(owner).call()
        held = accounts.functions.rolesOf(account).call()
        for role in roles:
            if not held & role:
                self._send(accounts.functions.grantRole(account, role), None, f"grant role {role} to {account}")

    def _send(self, call: Any, nonce: int | None, what: str) -> None:
        if nonce is None:
            nonce = self.web3.eth.get_transaction_count(self.key.address, "pending")
        transaction = call.build_transaction(
            {"from": self.key.address, "nonce": nonce, "chainId": self.web3.eth.chain_id, "gasPrice": self._gas_price()}
        )
        signed = self.key.sign_transaction(transaction)
        self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(signed.hash, timeout=RECEIPT_TIMEOUT_S)
        if receipt["status"] != 1:
            raise DeployFailed(f"{what}: transaction {signed.hash.hex()} was reverted")
        self.say(f"{what} · {receipt['gasUsed']:,} gas")

    def _gas_price(self) -> int:
        base_fee = self.web3.eth.get_block("latest").get("baseFeePerGas", 0)
        return 2 * base_fee

    def _load(self) -> None:
        chain_id = self.web3.eth.chain_id
        if self.file.exists():
            self.state = json.loads(self.file.read_text())
            if self.state.get("chainId") != chain_id:
                raise DeployFailed(f"{self.file} is of chain {self.state.get('chainId')}, chain {chain_id} answers")
            return
        self.state = {"chainId": chain_id, "deployBlock": self.web3.eth.block_number, "contracts": {}}
        self._save()

    def _save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.state, indent=1))
        partial.replace(self.file)


def connect(rpc: str) -> Web3:
    """A connection to the chain; DeployFailed if none answers."""
    web3 = Web3(HTTPProvider(rpc, request_kwargs={"timeout": 20}))
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    if not web3.is_connected():
        raise DeployFailed(f"no chain answers at {rpc}; start one, for example with anvil")
    return web3


def open_key(keystore: Path, passphrase_file: Path | None) -> LocalAccount:
    """The key in an encrypted keystore file; the passphrase is in a file or in WATTLEDGER_PASSPHRASE."""
    passphrase = passphrase_file.read_text().strip() if passphrase_file else os.environ.get("WATTLEDGER_PASSPHRASE")
    if not passphrase:
        raise DeployFailed("give --passphrase-file or set WATTLEDGER_PASSPHRASE")
    try:
        key: LocalAccount = Account.from_key(Account.decrypt(keystore.read_text(), passphrase))
    except (ValueError, OSError) as error:
        raise DeployFailed(f"cannot open the keystore {keystore}: {error}") from error
    return key


def _created_address(sender: str, nonce: int) -> str:
    """Where a transaction of `sender` with `nonce` creates its contract (Yellow Paper, section 7)."""
    encoded: bytes = rlp.encode([parse_address(sender), nonce])
    return address_text(keccak(encoded)[12:])


def _address(text: str) -> str:
    """The checksummed form of an address; ValueError if it is none."""
    return address_text(parse_address(text))


def main(
    rpc: Annotated[str, typer.Option(help="JSON-RPC address of the chain")],
    keystore: Annotated[Path, typer.Option(help="Keystore file of the deployer, who becomes the first governor")],
    house: Annotated[str, typer.Option(help="Owner of the house account")],
    dust: Annotated[str, typer.Option(help="Owner of the dust account")],
    operator: Annotated[str, typer.Option(help="Address of the first operator")],
    out: Annotated[Path, typer.Option(help="Deployments file to write or go on from")] = Path("var/deployment.json"),
    auditor: Annotated[str | None, typer.Option(help="Address of an auditor")] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="File with the keystore's passphrase")] = None,
    withdrawal_delay_s: Annotated[int, typer.Option(help="How long a withdrawal waits, s")] = 3600,
) -> None:
    """Deploys the contracts, names the operator, and writes the deployments file."""
    try:
        plan = Plan(
            house=_address(house),
            dust=_address(dust),
            operator=_address(operator),
            auditor=_address(auditor) if auditor else None,
            withdrawal_delay_s=withdrawal_delay_s,
        )
        key = open_key(keystore, passphrase_file)
        Deployer(connect(rpc), key, out, typer.echo).run(plan)
    except (DeployFailed, ValueError, TransactionNotFound) as error:
        sys.stderr.write(f"deploy: {error}\n")
        raise typer.Exit(1) from error
    sys.stdout.write(f"deployed; addresses and ABIs are in {out}\n")


if __name__ == "__main__":
    typer.run(main)
