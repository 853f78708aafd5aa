"""Compiles the contracts with py-solc-x and keeps the result, keyed by all that goes into it."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import solcx

from domain.keccak import keccak

ROOT = Path(__file__).resolve().parent.parent
SOLC = ROOT / "scripts" / "solc"
CACHE = ROOT / "build" / "contracts"
DEPLOYED = (
    "AccountRegistry",
    "StationRegistry",
    "TariffBook",
    "SettlementToken",
    "Escrow",
    "PositionBook",
    "SessionSettlement",
    "AuctionHouse",
    "DisputeCourt",
)
SOLC_VERSION = "0.8.30"
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 1_000_000},
    "viaIR": True,
    "evmVersion": "paris",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
    "outputSelection": {
        "*": {
            "*": [
                "abi",
                "evm.bytecode.object",
                "evm.deployedBytecode.object",
                "evm.deployedBytecode.immutableReferences",
            ]
        }
    },
}


class CompileFailed(Exception):
    """The compiler refused the sources; its own words follow."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract. `immutables` are, for each of them, the (start, length) places in the code that it fills."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed: bytes
    immutables: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def code_hash(self) -> bytes:
        """keccak256 of the runtime code with zeros where its immutables are: the same at each deployment."""
        return bytes(keccak(self._masked(self.deployed)))

    def is_deployed_as(self, code: bytes) -> bool:
        """Whether `code` is this contract, whatever its immutables are."""
        return len(code) == len(self.deployed) and self._masked(code) == self._masked(self.deployed)

    def immutables_in(self, code: bytes) -> list[frozenset[int]]:
        """What `code` has for each immutable; more than one number if its places do not agree."""
        return [
            frozenset(int.from_bytes(code[start : start + length], "big") for start, length in places)
            for places in self.immutables
        ]

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for places in self.immutables:
            for start, length in places:
                masked[start : start + length] = bytes(length)
        return bytes(masked)


def compiled(names: Sequence[str] = DEPLOYED) -> dict[str, Artifact]:
    """The contracts that are deployed, or others, by name; compiled at most once for the same sources."""
    contracts = _contracts(_sources())
    return {name: _artifact(name, contracts[f"contracts/{name}.sol"][name]) for name in names}


def compiled_beside(source: Path) -> dict[str, Artifact]:
    """The contracts of one file that is not deployed, by name; compiled like those that are."""
    path = str(source.relative_to(ROOT))
    contracts = _contracts({path: {"content": source.read_text()}} | _openzeppelin())
    return {name: _artifact(name, output) for name, output in contracts[path].items()}


def _contracts(sources: dict[str, dict[str, str]]) -> dict[str, Any]:
    key = hashlib.sha256(json.dumps([sources, SETTINGS], sort_keys=True).encode()).hexdigest()[:16]
    cached = CACHE / f"{key}.json"
    if not cached.exists():
        output = _compile(sources)
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        partial.write_text(json.dumps(output))
        partial.replace(cached)
    return cast(dict[str, Any], json.loads(cached.read_text())["contracts"])


def _sources() -> dict[str, dict[str, str]]:
    files = [*(ROOT / "contracts").glob("*.sol"), *(ROOT / "contracts" / "interfaces").glob("*.sol")]
    return {str(file.relative_to(ROOT)): {"content": file.read_text()} for file in sorted(files)} | _openzeppelin()


def _openzeppelin() -> dict[str, dict[str, str]]:
    """The libraries' version stands for their sources, which the compiler finds itself."""
    package = ROOT / "node_modules" / "@openzeppelin" / "contracts" / "package.json"
    return {str(package.relative_to(ROOT)): {"content": package.read_text()}}


def _compile(sources: dict[str, dict[str, str]]) -> dict[str, Any]:
    solidity = {name: source for name, source in sources.items() if name.endswith(".sol")}
    request = {"language": "Solidity", "sources": solidity, "settings": SETTINGS}
    try:
        return cast(
            dict[str, Any],
            solcx.compile_standard(request, solc_binary=SOLC, base_path=str(ROOT), allow_paths=str(ROOT)),
        )
    except solcx.exceptions.SolcError as error:
        raise CompileFailed(str(error)) from error


def _artifact(name: str, output: dict[str, Any]) -> Artifact:
    deployed = output["evm"]["deployedBytecode"]
    references = deployed.get("immutableReferences", {}).values()
    return Artifact(
        name=name,
        abi=output["abi"],
        bytecode=output["evm"]["bytecode"]["object"],
        deployed=bytes.fromhex(deployed["object"]),
        immutables=tuple(
            sorted(tuple(sorted((place["start"], place["length"]) for place in places)) for places in references)
        ),
    )


def main() -> None:
    """Compiles and says what there is."""
    for artifact in compiled().values():
        sys.stdout.write(f"{artifact.name}: {len(artifact.deployed)} bytes\n")


if __name__ == "__main__":
    main()
