"""Compares what is on the chain with this build and with a plan. Reads only: anybody can do it.

Code is compared byte by byte but for its immutables; of those, all places in the code must agree, and each
must be one of the planned values. Then each value that the contracts tell is compared, each module, each role.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3RPCError

from domain.text import hex_text
from scripts.compile import SETTINGS, SOLC_VERSION, Artifact, compiled
from scripts.plan import CONSTRUCTORS, GATES, MODULES, SIGNED_FOR, Plan, Role, domain_separator, plan_of, role_names

SMALLEST_RANGE = 1
FIXED, GOVERNED, PUBLISHED = "fixed", "governed", "published"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something is not as it should be. `kind` says who could have made it so.

    FIXED: nobody, once deployed. GOVERNED: the governor, since. PUBLISHED: whoever wrote the deployments file.
    """

    kind: str
    where: str
    expected: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}; {self.advice}"


@dataclass(frozen=True, slots=True)
class Holder:
    """An account that holds or held a role."""

    account: int
    owner: str
    roles: Role
    open: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found, with how many comparisons were made."""

    differences: tuple[Difference, ...]
    compared: int
    holders: tuple[Holder, ...]


_DEPLOY_ANEW = "these are not the contracts that the plan describes: deploy anew into another file"
_GOVERNANCE = "governance can change it: ask the governor, see docs/how-to/govern.md"
_FILE = "do not trust this file: get it again from who deployed"
_BUILD = "check out the source that was deployed, or do not use these contracts"


class Inspector:
    """One look at the contracts at `at`, which `deployer` deployed by `plan` from block `first_block` on."""

    def __init__(
        self,
        web3: Web3,
        plan: Plan,
        deployer: str,
        at: Mapping[str, str],
        first_block: int,
        artifacts: Mapping[str, Artifact] | None = None,
    ) -> None:
        self._web3, self._plan, self._deployer, self._at, self._first_block = web3, plan, deployer, at, first_block
        self._artifacts = compiled() if artifacts is None else artifacts
        self._differences: list[Difference] = []
        self._compared = 0
        self._contracts: dict[str, Contract] = {}

    def look(self, *, handed_over: bool) -> Inspection:
        """Everything. Before the hand-over the deployer is governor."""
        if self._look_at_code():
            self._look_at_values()
            self._look_at_modules()
            holders = self._look_at_roles(handed_over=handed_over)
        else:
            holders = ()
        return Inspection(tuple(self._differences), self._compared, holders)

    def _look_at_code(self) -> bool:
        """Whether all of the code is this build's but for immutables, so that its answers mean something."""
        ours = True
        for name, artifact in self._artifacts.items():
            code = bytes(self._web3.eth.get_code(Web3.to_checksum_address(self._at[name])))
            self._compared += 1
            if not artifact.is_deployed_as(code):
                what = f"code of {len(code)} bytes" if code else "no code"
                found = f"{what} that is not this build's {name}" if code else what
                where = f"{name} at {self._at[name]}"
                self._note(FIXED, where, f"code with hash {hex_text(artifact.code_hash)}", found, _BUILD)
                ours = False
                continue
            self._look_at_immutables(name, artifact.immutables_in(code))
        return ours

    def _look_at_immutables(self, name: str, found: list[frozenset[int]]) -> None:
        planned = {_number(value) for value in self._arguments(name).values()}
        if name in SIGNED_FOR:
            chain_id = self._web3.eth.chain_id
            planned |= {chain_id, int.from_bytes(domain_separator(chain_id, self._at[name]), "big")}
        for numbers in found:
            self._compared += 1
            if len(numbers) != 1 or not numbers <= planned:
                shown = " and ".join(hex(number) for number in sorted(numbers))
                self._note(FIXED, f"{name}, immutable in the code", "one of the planned values", shown, _DEPLOY_ANEW)

    def _look_at_values(self) -> None:
        for number, owner in enumerate((self._plan.house, self._plan.dust, self._deployer), start=1):
            self._value("AccountRegistry", "ownerOf", owner, number)
        for name in list(CONSTRUCTORS)[1:]:
            for argument, value in self._arguments(name).items():
                self._value(name, argument, value)
        for name in SIGNED_FOR:
            self._value(name, "domainSeparator", domain_separator(self._web3.eth.chain_id, self._at[name]))
        self._value("SettlementToken", "escrow", self._at["Escrow"])
        self._value("AccountRegistry", "escrow", self._at["Escrow"])
        self._value("AccountRegistry", "token", self._at["SettlementToken"])
        for gate in GATES:
            self._value(gate, "sealedModules", True)

    def _value(self, name: str, function: str, expected: object, *args: object) -> None:
        self._compared += 1
        try:
            found = self.contract(name).functions[function](*args).call()
        except (ContractLogicError, BadFunctionCallOutput) as error:
            found = f"no answer ({error})"
        if found != expected:
            shown = ", ".join(str(argument) for argument in args)
            where = f"{name}.{function}({shown})"
            self._note(FIXED, where, _shown(expected), _shown(found), _DEPLOY_ANEW)

    def _look_at_modules(self) -> None:
        for gate in GATES:
            contract, known = self.contract(gate), self.modules(gate)
            planned = {self._at[module]: module for proposing, module in MODULES if proposing == gate}
            for address in sorted(known.keys() | planned.keys()):
                self._compared += 1
                where = f"{gate}, module {address}"
                if address in planned and not contract.functions.isModule(address).call():
                    self._note(GOVERNED, where, f"active, as {planned[address]}", "no active module", _GOVERNANCE)
                elif address not in planned:
                    found = f"a module from second {known[address]} on"
                    self._note(GOVERNED, where, "no module", found, _GOVERNANCE)

    def _look_at_roles(self, *, handed_over: bool) -> tuple[Holder, ...]:
        planned = dict(self._plan.roles(self._deployer))
        if not handed_over and self._plan.governor is not None:
            planned[self._deployer] = Role.GOVERNOR
            planned[self._plan.governor] = planned[self._plan.governor] & ~Role.GOVERNOR
        holders = self.holders(*planned, self._deployer)
        for holder in holders:
            self._compared += 1
            expected = planned.get(holder.owner, Role(0))
            if holder.roles != expected:
                where = f"roles of {holder.owner}"
                self._note(GOVERNED, where, role_names(expected), role_names(holder.roles), _GOVERNANCE)
            if holder.owner == self._deployer and holder.open and handed_over and self._plan.governor is not None:
                where = f"account {holder.account} of the deployer"
                self._note(GOVERNED, where, "closed", "open", _GOVERNANCE)
        return holders

    def modules(self, gate: str) -> dict[str, int]:
        """A gate's modules and proposals, with the second from which on each may act."""
        contract = self.contract(gate)
        proposed = {event["args"]["module"] for event in self.events(contract.events.ModuleProposed())}
        active_from = {address: contract.functions.moduleActiveFrom(address).call() for address in sorted(proposed)}
        return {address: second for address, second in active_from.items() if second}

    def holders(self, *others: str) -> tuple[Holder, ...]:
        """Who was ever granted a role, and `others`, in the order of their accounts."""
        accounts = self.contract("AccountRegistry")
        granted = {event["args"]["account"] for event in self.events(accounts.events.RoleGranted())}
        owners = {accounts.functions.ownerOf(account).call() for account in granted} | set(others)
        return tuple(sorted(map(self._holder, owners), key=lambda holder: (holder.account, holder.owner)))

    def _holder(self, owner: str) -> Holder:
        accounts = self.contract("AccountRegistry").functions
        account = accounts.accountOf(owner).call()
        return Holder(account, owner, Role(accounts.rolesOf(account).call()), accounts.isMember(owner).call())

    def first_event_is_in_range(self) -> bool:
        """Whether the block that is published as the first one is not behind the first event."""
        opened = self.events(self.contract("AccountRegistry").events.AccountOpened())
        return any(event["args"]["account"] == 1 for event in opened)

    def events(self, event: Any) -> Iterator[Any]:
        """All events of a kind; in ever smaller ranges if the node refuses large ones."""

        def within(first: int, last: int) -> Iterator[Any]:
            try:
                found = event.get_logs(from_block=first, to_block=last)
            except (Web3RPCError, ValueError):
                if last - first < SMALLEST_RANGE:
                    raise
                middle = (first + last) // 2
                yield from within(first, middle)
                yield from within(middle + 1, last)
            else:
                yield from found

        last = int(self._web3.eth.block_number)
        if self._first_block <= last:
            yield from within(self._first_block, last)

    def contract(self, name: str) -> Contract:
        """The contract, made once: web3 reads the whole ABI for it."""
        if name not in self._contracts:
            address = Web3.to_checksum_address(self._at[name])
            self._contracts[name] = self._web3.eth.contract(address=address, abi=self._artifacts[name].abi)
        return self._contracts[name]

    def _arguments(self, name: str) -> dict[str, str | int]:
        return self._plan.arguments(name, self._deployer, self._at)

    def _note(self, kind: str, where: str, expected: str, found: str, advice: str) -> None:
        self._differences.append(Difference(kind, where, expected, found, advice))


def inspect_published(web3: Web3, file: Mapping[str, Any], say: Callable[[str], None]) -> Inspection:
    """Compares a deployments file with this build and with the chain. PlanRefused if it is no such file."""
    plan, deployer = plan_of(file)
    at = {name: file["contracts"].get(name, {}).get("address", "0x" + "00" * 20) for name in CONSTRUCTORS}
    inspector = Inspector(web3, plan, deployer, at, int(file["deployBlock"]))
    say("comparing the file with this build")
    published = list(_differences_of_file(web3, file, plan, deployer, at))
    say("comparing code, values, modules and roles on the chain")
    found = inspector.look(handed_over=True)
    code_is_ours = not any(difference.kind == FIXED for difference in found.differences)
    if code_is_ours and not inspector.first_event_is_in_range():
        where, block = "deployBlock", str(file["deployBlock"])
        published.append(Difference(PUBLISHED, where, "a block no later than the first event", block, _FILE))
    return Inspection((*published, *found.differences), found.compared, found.holders)


def _differences_of_file(
    web3: Web3, file: Mapping[str, Any], plan: Plan, deployer: str, at: Mapping[str, str]
) -> Iterator[Difference]:
    ours: dict[str, Any] = {"compiler": compiler_settings()}
    own: dict[str, Any] = {"chainId": web3.eth.chain_id, "complete": True, **plan.as_json(deployer)}
    for name, artifact in compiled().items():
        ours[name] = {"codeHash": hex_text(artifact.code_hash), "abi": artifact.abi}
        own[name] = {"arguments": plan.arguments(name, deployer, at)}
    found = file | file["contracts"]
    for rows, advice in ((ours, _BUILD), (own, _FILE)):
        for where, expected, value in _unequal("file", rows, found):
            yield Difference(PUBLISHED, where, _shown(expected), _shown(value), advice)


def _unequal(where: str, expected: object, found: object) -> Iterator[tuple[str, object, object]]:
    """Which values differ, key by key; keys that are not expected are left alone."""
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            yield from _unequal(f"{where}, {key}", value, found.get(key) if isinstance(found, Mapping) else None)
    elif found != expected:
        yield where, expected, found


def compiler_settings() -> dict[str, Any]:
    """What the code was made with."""
    return {
        "solc": SOLC_VERSION,
        **{key: SETTINGS[key] for key in ("optimizer", "viaIR", "evmVersion", "metadata")},
    }


def _number(value: str | int) -> int:
    return int(value, 16) if isinstance(value, str) else value


def _shown(value: object) -> str:
    text = hex_text(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004
