"""Gas of a settled session, measured on anvil with the deployed contracts.

A session is one 13-byte row: one driver, one tariff, one market interval. Each batch is settled by one
transaction, intrinsic gas and calldata included. All accounts and stations have settled before, so that
the figures are those of the running platform; the first batch, which fills empty storage, stands beside.
"""

import argparse
import json
import random
import sys
from typing import Any

from bench.consortium import Consortium
from scripts.anvil import anvil

TEXTBOOK_GAS = 320_750
PACKED_PEER_GAS = 142_444
SEED = 20_190_710


def measure(sessions: int, stations: int, accounts: int, *, discharge: bool = False) -> dict[str, float]:
    """Gas a session in the first batch and in a later one; accounts are picked from ten times as many."""
    rng = random.Random(SEED)
    with anvil() as rpc:
        consortium = Consortium(rpc, stations=stations, accounts=10 * accounts, bidirectional=discharge)
        drivers = rng.sample(consortium.drivers(), accounts)
        gas = [
            consortium.settle(consortium.batch(rng, sessions, drivers, discharge=discharge))["gasUsed"]
            for _ in range(3)
        ]
    return {"first": gas[0] / sessions, "later": max(gas[1:]) / sessions}


def run() -> dict[str, Any]:
    """All figures, by their names."""
    day = measure(256, 8, 20)
    region = measure(1024, 32, 20)
    v2g = measure(256, 8, 20, discharge=True)
    return {
        "benchmark": "gas",
        "chain": "anvil",
        "compiler": "solc 0.8.30, viaIR, paris",
        "gas_per_session_256x8x20": round(day["later"], 1),
        "gas_per_session_256x8x20_first_batch": round(day["first"], 1),
        "gas_per_session_1024x32x20": round(region["later"], 1),
        "gas_per_v2g_row": round(v2g["later"], 1),
        "peer_packed_struct_gas": PACKED_PEER_GAS,
        "peer_textbook_gas": TEXTBOOK_GAS,
    }


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    arguments = parser.parse_args()
    figures = run()
    if not arguments.json:
        for name, value in figures.items():
            sys.stdout.write(f"{name:40} {value}\n")
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
