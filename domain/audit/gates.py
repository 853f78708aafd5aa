"""Which contracts may move money and registers, and since when: the audit's copy of the two module gates."""

from dataclasses import dataclass, field

from domain.audit.findings import FindingCode
from domain.audit.report import Deployed, Report
from domain.chain import ChainEvent
from domain.text import address_text
from domain.units import UnixSeconds

GATES = ("Escrow", "StationRegistry")


@dataclass(slots=True)
class Gate:
    """One contract's modules. `delay_s` is None until the gate is sealed."""

    active_from_s: dict[bytes, int] = field(default_factory=dict)
    delay_s: int | None = None

    def is_active(self, module: bytes, time_s: int) -> bool:
        return self.active_from_s.get(module, time_s + 1) <= time_s


class Gates:
    """Both gates. What becomes active too soon, or is not of the deployments file, is reported."""

    def __init__(self, deployed: Deployed, report: Report) -> None:
        self._report = report
        self.gates = {name: Gate() for name in GATES}
        self._ours = {
            "Escrow": {deployed.settlement, deployed.court, deployed.positions, deployed.auctions},
            "StationRegistry": {deployed.settlement},
        }

    def note(self, event: ChainEvent, time_s: UnixSeconds) -> None:
        """Takes an event of a gate."""
        gate = self.gates[event.contract]
        if event.name == "ModulesSealed":
            gate.delay_s = event.args["moduleDelay"]
        elif event.name == "ModuleRemoved":
            gate.active_from_s.pop(event.args["module"], None)
        elif event.name == "ModuleProposed":
            module, found_s = event.args["module"], event.args["activeFrom"]
            expected_s = time_s + (gate.delay_s or 0)
            if found_s != expected_s:
                where = f"block {event.block}, {event.contract}, module {address_text(module)}"
                self._report(FindingCode.MODULE_TIMELOCK, where, f"active from {expected_s}", f"active from {found_s}")
            gate.active_from_s[module] = found_s

    @property
    def module_delay_s(self) -> int:
        """How long a new module of the escrow waits."""
        return self.gates["Escrow"].delay_s or 0

    def is_sealed(self, contract: str) -> bool:
        return self.gates[contract].delay_s is not None

    def is_active(self, contract: str, module: bytes, time_s: int) -> bool:
        return self.gates[contract].is_active(module, time_s)

    def check_active(self, module: bytes, contracts: tuple[str, ...], time_s: int, where: str) -> None:
        """Reports each gate at which the module was not active at this time."""
        for contract in contracts:
            if not self.is_active(contract, module, time_s):
                self._report(
                    FindingCode.MODULE_INACTIVE,
                    where,
                    f"an active module of the {contract}",
                    f"{address_text(module)}, not active at {time_s}",
                )

    def check_foreign(self, time_s: int) -> None:
        """Reports each module that is active at this time and is not of the deployments file."""
        for contract, gate in self.gates.items():
            for module in sorted(gate.active_from_s.keys() - self._ours[contract]):
                if gate.is_active(module, time_s):
                    self._report(
                        FindingCode.MODULE_FOREIGN,
                        f"{contract} at {time_s}",
                        "modules of the deployments file alone",
                        f"{address_text(module)}, active from {gate.active_from_s[module]}",
                    )
