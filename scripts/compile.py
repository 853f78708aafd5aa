"""Compiles the contracts with py-solc-x and keeps the result, keyed by all that goes into it."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import solcx

ROOT = Path(__file__).resolve().parent.parent
SOLC = ROOT / "scripts" / "solc"
CACHE = ROOT / "build" / "contracts"
DEPLOYED = ("AccountRegistry", "StationRegistry", "TariffBook", "SettlementToken", "Escrow", "SessionSettlement")
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
    """A compiled contract. `immutables` are (start, length) ranges of the code that construction fills in."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed: bytes
    immutables: tuple[tuple[int, int], ...]

    def is_deployed_as(self, code: bytes) -> bool:
        """Whether `code` is this contract, whatever its immutables are."""
        return len(code) == len(self.deployed) and self._masked(code) == self._masked(self.deployed)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)


def compiled() -> dict[str, Artifact]:
    """The contracts that are deployed, by name; compiled at most once for the same sources."""
    sources = _sources()
    key = hashlib.sha256(json.dumps([sources, SETTINGS], sort_keys=True).encode()).hexdigest()[:16]
    cached = CACHE / f"{key}.json"
    if not cached.exists():
        output = _compile(sources)
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        partial.write_text(json.dumps(output))
        partial.replace(cached)
    contracts = json.loads(cached.read_text())["contracts"]
    return {name: _artifact(name, contracts[f"contracts/{name}.sol"][name]) for name in DEPLOYED}


def _sources() -> dict[str, dict[str, str]]:
    files = [*(ROOT / "contracts").glob("*.sol"), *(ROOT / "contracts" / "interfaces").glob("*.sol")]
    files += sorted((ROOT / "node_modules" / "@openzeppelin" / "contracts").glob("package.json"))
    return {str(file.relative_to(ROOT)): {"content": file.read_text()} for file in sorted(files)}


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
    ranges = [place for places in deployed.get("immutableReferences", {}).values() for place in places]
    return Artifact(
        name=name,
        abi=output["abi"],
        bytecode=output["evm"]["bytecode"]["object"],
        deployed=bytes.fromhex(deployed["object"]),
        immutables=tuple(sorted((place["start"], place["length"]) for place in ranges)),
    )


def main() -> None:
    """Compiles and says what there is."""
    for artifact in compiled().values():
        sys.stdout.write(f"{artifact.name}: {len(artifact.deployed)} bytes\n")


if __name__ == "__main__":
    main()
