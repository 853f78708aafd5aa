"""Deploys the contracts to any EVM chain, hands them over to their governor, and writes the deployments file.

Resumable: each step is written down before it is sent and looked for on the chain before it is sent again, so a
run that was cut off goes on where it stopped, and a second run changes nothing. At the end the deployer gives
its role away and closes its account, so that its key is worth nothing. `--check` compares instead of deploying.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlp
from eth_account.signers.local import LocalAccount
from requests.exceptions import RequestException
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from domain.keccak import keccak
from domain.text import address_text, hex_text, parse_address
from scripts.chain import RECEIPT_LIMIT_S, ChainFailed, Sender, connect, open_key
from scripts.compile import Artifact, CompileFailed, compiled
from scripts.inspection import FIXED, Holder, Inspection, Inspector, compiler_settings, inspect_published
from scripts.plan import (
    CONSTRUCTORS,
    DAY_S,
    GATES,
    HOUR_S,
    MICRO_PER_EURO,
    MODULES,
    Plan,
    PlanRefused,
    Role,
    plan_of,
    role_names,
)

__all__ = ["ChainFailed", "DeployFailed", "Deployer", "Plan", "PlanRefused", "connect", "main", "open_key", "run"]

ZERO_ADDRESS = "0x" + "00" * 20


class DeployFailed(ChainFailed):
    """Something on the chain is not as the build or the plan says; the text says what to do."""


@dataclass(slots=True)
class Deployer:
    """Deploys step by step with one key, keeping `file` up to date."""

    web3: Web3
    key: LocalAccount
    file: Path
    say: Callable[[str], None]
    gas_price_wei: int | None = None
    limit_s: float = RECEIPT_LIMIT_S
    artifacts: dict[str, Artifact] = field(default_factory=compiled)
    state: dict[str, Any] = field(default_factory=dict)
    _sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        errors = [entry for artifact in self.artifacts.values() for entry in artifact.abi if entry["type"] == "error"]
        self._sender = Sender(self.web3, self.key, self.say, errors, self.gas_price_wei, self.limit_s)

    def run(self, plan: Plan) -> dict[str, Any]:
        """All steps; the content of the deployments file."""
        plan.check(self.key.address)
        self._load(plan)
        if not self.state["complete"]:
            contracts = {name: self._contract(name, plan) for name in CONSTRUCTORS}
            self._wire(contracts)
            accounts = contracts["AccountRegistry"]
            self._name_members(accounts, plan)
            if plan.governor is None:
                self.say(f"NO GOVERNOR WAS GIVEN: the deployer {self.key.address} stays governor")
            else:
                if not self._governs(accounts, plan.governor):
                    self._require_as_planned(plan, handed_over=False)
                    self._grant(accounts, plan.governor, Role.GOVERNOR)
                self._let_go(accounts)
        self._require_as_planned(plan, handed_over=True)
        if not self.state["complete"]:
            self.state["complete"] = True
            self._save()
        return self.state

    def replace(self, name: str, published: Mapping[str, Any]) -> str:
        """Deploys one contract beside those that are published, and writes a file that has it in its place."""
        plan, _ = plan_of(published)
        others = {known: entry for known, entry in published["contracts"].items() if known != name}
        self.state = dict(published) | {"contracts": others}
        return str(self._contract(name, plan).address)

    def _contract(self, name: str, plan: Plan) -> Contract:
        """The contract, deployed now unless it already is."""
        artifact = self.artifacts[name]
        entry = self.state["contracts"].get(name)
        if entry is None or not self._holds_code(entry):
            nonce = self._sender.nonce()
            if entry is None or (not self._holds_code(entry) and entry["nonce"] != nonce):
                entry = self._entry(name, plan, nonce)
            if not self._holds_code(entry):
                factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
                create = factory.constructor(*entry["arguments"].values())
                self._sender.send(create, f"deploy {name} at {entry['address']}", nonce=nonce)
        code = bytes(self.web3.eth.get_code(entry["address"]))
        if not artifact.is_deployed_as(code):
            raise DeployFailed(
                f"{entry['address']} does not hold this build's {name}; "
                f"move {self.file} away to deploy anew, or check out the build that it was made with"
            )
        deployed: Contract = self.web3.eth.contract(address=entry["address"], abi=artifact.abi)
        return deployed

    def _entry(self, name: str, plan: Plan, nonce: int) -> dict[str, Any]:
        """Writes down where the contract will be."""
        at = {known: entry["address"] for known, entry in self.state["contracts"].items()}
        entry = {
            "address": _created_address(self.key.address, nonce),
            "nonce": nonce,
            "arguments": plan.arguments(name, self.key.address, at),
            "codeHash": hex_text(self.artifacts[name].code_hash),
            "abi": self.artifacts[name].abi,
        }
        self.state["contracts"][name] = entry
        self._save()
        return entry

    def _holds_code(self, entry: Mapping[str, Any]) -> bool:
        return bool(self.web3.eth.get_code(entry["address"]))

    def _wire(self, contracts: Mapping[str, Contract]) -> None:
        """Names escrow and treasury, and the modules; then seals the gates, so that later modules wait."""
        escrow = contracts["Escrow"].address
        for name, setter in (("SettlementToken", "setEscrow"), ("AccountRegistry", "setTreasury")):
            if contracts[name].functions.escrow().call() == ZERO_ADDRESS:
                self._govern(contracts, name, setter, escrow)
        unsealed = [gate for gate in GATES if not contracts[gate].functions.sealedModules().call()]
        for gate, module in MODULES:
            address = contracts[module].address
            if gate in unsealed and contracts[gate].functions.moduleActiveFrom(address).call() == 0:
                self._govern(contracts, gate, "proposeModule", address)
        for gate in unsealed:
            self._govern(contracts, gate, "sealModules")

    def _govern(self, contracts: Mapping[str, Contract], name: str, function: str, *args: object) -> None:
        shown = " ".join(str(argument) for argument in args)
        self._sender.send(contracts[name].functions[function](*args), f"{name}: {function} {shown}".rstrip())

    def _name_members(self, accounts: Contract, plan: Plan) -> None:
        """Accounts and roles of all but the governor; nothing once the deployer has handed over."""
        if not self._governs(accounts, self.key.address):
            return
        for owner, roles in plan.roles(self.key.address).items():
            self._open(accounts, owner)
            for role in Role:
                if role in roles & ~Role.GOVERNOR:
                    self._grant(accounts, owner, role)

    def _open(self, accounts: Contract, owner: str) -> None:
        if accounts.functions.accountOf(owner).call() == 0:
            self._sender.send(accounts.functions.openAccount(owner, ZERO_ADDRESS), f"open an account for {owner}")

    def _grant(self, accounts: Contract, owner: str, role: Role) -> None:
        account = accounts.functions.accountOf(owner).call()
        if not accounts.functions.rolesOf(account).call() & role:
            what = f"grant {role_names(role)} to account {account} of {owner}"
            self._sender.send(accounts.functions.grantRole(account, int(role)), what)

    def _let_go(self, accounts: Contract) -> None:
        """Takes the deployer's role away and closes its account."""
        account = accounts.functions.accountOf(self.key.address).call()
        if self._governs(accounts, self.key.address):
            revoke = accounts.functions.revokeRole(account, int(Role.GOVERNOR))
            self._sender.send(revoke, f"revoke the deployer's governor role, account {account}")
        if accounts.functions.isMember(self.key.address).call():
            self._sender.send(accounts.functions.closeAccount(account), f"close the deployer's account {account}")

    def _governs(self, accounts: Contract, owner: str) -> bool:
        account = accounts.functions.accountOf(owner).call()
        return bool(accounts.functions.rolesOf(account).call() & Role.GOVERNOR)

    def _require_as_planned(self, plan: Plan, *, handed_over: bool) -> None:
        """DeployFailed unless all is as planned; what governance changed after the deployment is only told."""
        at = {name: entry["address"] for name, entry in self.state["contracts"].items()}
        inspector = Inspector(self.web3, plan, self.key.address, at, self.state["deployBlock"], self.artifacts)
        found = inspector.look(handed_over=handed_over)
        for difference in found.differences:
            if difference.kind == FIXED or not self.state["complete"]:
                raise DeployFailed(str(difference))
            self.say(f"changed since the deployment: {difference}")

    def _load(self, plan: Plan) -> None:
        chain_id, block = self.web3.eth.chain_id, self.web3.eth.block_number
        begun = plan.as_json(self.key.address)
        if not self.file.exists():
            self.state = {"chainId": chain_id, "deployBlock": block, "complete": False, "compiler": compiler_settings()}
            self.state |= begun | {"contracts": {}}
            self._save()
            return
        try:
            self.state = json.loads(self.file.read_text())
            found = {key: self.state[key] for key in (*begun, "chainId", "deployBlock", "complete", "contracts")}
        except (ValueError, KeyError, TypeError) as error:
            raise DeployFailed(
                f"{self.file} is no deployments file of this build ({error!r}); move it away to deploy anew"
            ) from error
        if found["chainId"] != chain_id:
            raise DeployFailed(f"{self.file} is of chain {found['chainId']}, chain {chain_id} answers")
        if found["deployBlock"] > block:
            raise DeployFailed(
                f"{self.file} begins at block {found['deployBlock']}, but the chain is only at {block}: "
                "is it another one? Move the file away to deploy anew"
            )
        for key, value in begun.items():
            if found[key] != value:
                raise DeployFailed(
                    f"{self.file} was begun with {key} {found[key]}, now it is {value}; "
                    "give what was given then, or move the file away to deploy anew"
                )

    def _save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.state, indent=1) + "\n")
        partial.replace(self.file)


def _created_address(sender: str, nonce: int) -> str:
    """Where a transaction of `sender` with `nonce` creates its contract (Yellow Paper, section 7)."""
    encoded: bytes = rlp.encode([parse_address(sender), nonce])
    return address_text(keccak(encoded)[12:])


def main() -> None:
    """Deploys or checks, as the command line says."""
    sys.exit(run(sys.argv[1:]))


def run(options: Sequence[str], rpc: str | None = None) -> int:
    """The command with these options; `rpc` takes the place of --rpc. Exit status 0, or 1 with the reason."""
    given = arguments(rpc).parse_args(options)
    try:
        return _check(given) if given.check else _deploy(given)
    except (ChainFailed, CompileFailed, Web3Exception, RequestException, OSError) as error:
        sys.stderr.write(f"deploy: {error}\n")
        return 1


def _deploy(given: argparse.Namespace) -> int:
    missing = [f"--{name}" for name in ("keystore", "house", "dust", "operator") if getattr(given, name) is None]
    if missing:
        raise PlanRefused(f"deploying needs {', '.join(missing)} as well; see --help")
    plan = Plan(
        house=given.house,
        dust=given.dust,
        operator=given.operator,
        governor=given.governor,
        auditor=given.auditor,
        issuer=given.issuer,
        withdrawal_delay_s=given.withdrawal_delay_s,
        module_delay_s=given.module_delay_s,
        bond_micro=given.bond_micro,
        dispute_window_s=given.dispute_window_s,
        answer_window_s=given.answer_window_s,
        close_after_s=given.close_after_s,
        settle_within_s=given.settle_within_s,
    )
    key = open_key(given.keystore, given.passphrase_file)
    plan.check(key.address)
    Deployer(connect(given.rpc), key, given.out, _say, given.gas_price_wei, given.limit_s).run(plan)
    sys.stdout.write(f"deployed; addresses and ABIs are in {given.out}\n")
    return 0


def _check(given: argparse.Namespace) -> int:
    try:
        file = json.loads(given.check.read_text())
        found = inspect_published(connect(given.rpc), file, _say)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanRefused(f"{given.check} is no deployments file of ours: {error!r}") from error
    for holder in found.holders:
        _say(_holder_line(holder))
    return _conclude(found)


def _holder_line(holder: Holder) -> str:
    state = "open" if holder.open else "closed" if holder.account else "no account"
    return f"account {holder.account} of {holder.owner} ({state}): {role_names(holder.roles)}"


def _conclude(found: Inspection) -> int:
    for difference in found.differences:
        _say(f"✗ {difference}")
    if found.differences:
        _say(f"{len(found.differences)} differences")
        return 1
    _say(f"no differences in {found.compared} comparisons")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _address(text: str) -> str:
    try:
        return address_text(parse_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: {error}") from error


def arguments(rpc: str | None) -> argparse.ArgumentParser:
    """The command line; `rpc` takes the place of --rpc."""
    parser = argparse.ArgumentParser(prog="deploy", description=__doc__)
    add = parser.add_argument
    add("--rpc", default=rpc, required=rpc is None, help="JSON-RPC address of the chain")
    add(
        "--check", type=Path, metavar="FILE", help="compare a deployments file with this build and the chain, read-only"
    )
    add("--keystore", type=Path, help="keystore file of the deployer")
    add("--passphrase-file", type=Path, help="file with the keystore's passphrase; else WATTLEDGER_PASSPHRASE")
    add("--out", type=Path, default=Path("var/deployment.json"), help="deployments file to write or go on from")
    add("--house", type=_address, help="owner of the house account")
    add("--dust", type=_address, help="owner of the dust account")
    add("--operator", type=_address, help="first operator, who settles as well")
    add("--governor", type=_address, help="who governs in the end; without it the deployer stays governor")
    add("--auditor", type=_address, help="an auditor")
    add("--issuer", type=_address, help="who issues the token; without it the operator does")
    add("--withdrawal-delay-s", type=int, default=HOUR_S, help="how long a withdrawal waits")
    add("--module-delay-s", type=int, default=7 * DAY_S, help="how long a new module waits")
    add("--bond-micro", type=int, default=MICRO_PER_EURO, help="what a dispute locks, micro-euro")
    add("--dispute-window-s", type=int, default=90 * DAY_S, help="how long after its end a row can be disputed")
    add("--answer-window-s", type=int, default=7 * DAY_S, help="how long a dispute can be answered")
    add("--close-after-s", type=int, default=DAY_S, help="how long after its end an interval's positions stay open")
    add("--settle-within-s", type=int, default=6 * HOUR_S, help="how long after its end an auction can be settled")
    add("--gas-price-wei", type=int, help="without it, twice the base fee")
    add("--limit-s", type=float, default=RECEIPT_LIMIT_S, help="how long to wait for each transaction")
    return parser


if "ape" in sys.modules:  # `ape run deploy` looks for `cli` here
    from scripts._ape import command

    cli = command(run)

if __name__ == "__main__":
    main()
