"""The field's way beside ours: one transaction, one packed record and one ERC-20 payment for each session."""

import random
from dataclasses import dataclass, field

from web3.contract import Contract

from bench.consortium import CHARGE_PRICES, DAY_S, DAY_START, Consortium
from domain.keccak import keccak
from scripts.anvil import ROOT
from scripts.compile import compiled_beside

SOURCE = ROOT / "bench" / "naive" / "PackedSessions.sol"
STATION = 1
FIRST_ACCOUNT = 1
PURSE_MICRO = 10**9
UNLIMITED = 2**256 - 1


@dataclass(slots=True)
class PackedPlatform:
    """Its contracts on the consortium's chain, with drivers that hold money and approved its payments."""

    consortium: Consortium
    drivers: int
    sessions: Contract = field(init=False)

    def __post_init__(self) -> None:
        send, key, deploy = self.consortium.send, self.consortium.key, self.consortium.deployed
        contracts = compiled_beside(SOURCE)
        operator = key("operator").address
        token = deploy(contracts["PlainEuro"], key("governor").address, (self.drivers + 1) * PURSE_MICRO)
        self.sessions = deploy(contracts["PackedSessions"], token.address, operator)
        owners = [key(f"driver {i}").address for i in range(self.drivers)]
        send(self.sessions.functions.enrolDrivers(FIRST_ACCOUNT, owners))
        send(self.sessions.functions.enrolStation(STATION, operator))
        for holder in (operator, *owners):
            send(token.functions.transfer(holder, PURSE_MICRO))
        for i in range(self.drivers):
            send(token.functions.approve(self.sessions.address, UNLIMITED), f"driver {i}")

    def pay(self, rng: random.Random) -> int:
        """Records and pays one session as the other benchmarks have them; the gas of its transaction."""
        call = self.sessions.functions.recordAndPay(
            keccak(rng.randbytes(32)),
            STATION,
            FIRST_ACCOUNT + rng.randrange(self.drivers),
            rng.randrange(300, 20_000),
            DAY_START + rng.randrange(DAY_S - 900),
            rng.randrange(60, 600),
            rng.choice(CHARGE_PRICES),
        )
        return self.consortium.send(call, "operator")["gasUsed"]
