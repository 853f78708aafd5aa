"""The deployments file: which contracts of ours are on which chain."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.audit import Deployed
from domain.errors import Malformed
from domain.signing import SigningDomain
from domain.text import parse_address

CONTRACTS = (
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


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """A contract's address and ABI."""

    name: str
    address: bytes
    abi: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Deployment:
    """All contracts of one platform. `block` is the first one that can hold an event of theirs.

    Positions stay open for `close_after_s`, auctions can be settled for `settle_within_s` after their interval.
    """

    chain_id: int
    block: int
    contracts: dict[str, DeployedContract]
    close_after_s: int
    settle_within_s: int

    @property
    def station_domain(self) -> SigningDomain:
        """Where stations' signatures count."""
        return SigningDomain(self.chain_id, self.contracts["StationRegistry"].address)

    @property
    def account_domain(self) -> SigningDomain:
        """Where drivers' and vehicles' signatures count."""
        return SigningDomain(self.chain_id, self.contracts["AccountRegistry"].address)

    @property
    def order_domain(self) -> SigningDomain:
        """Where signatures over orders count."""
        return SigningDomain(self.chain_id, self.contracts["AuctionHouse"].address)

    @property
    def events(self) -> frozenset[str]:
        """Names of all events of the contracts."""
        entries = (entry for contract in self.contracts.values() for entry in contract.abi)
        return frozenset(entry["name"] for entry in entries if entry["type"] == "event")

    @property
    def deployed(self) -> Deployed:
        """What an audit holds the chain's events against."""
        at = {name: contract.address for name, contract in self.contracts.items()}
        return Deployed(
            settlement=at["SessionSettlement"],
            court=at["DisputeCourt"],
            positions=at["PositionBook"],
            auctions=at["AuctionHouse"],
            escrow=at["Escrow"],
            token=at["SettlementToken"],
            station_domain=self.station_domain,
            account_domain=self.account_domain,
            close_after_s=self.close_after_s,
            settle_within_s=self.settle_within_s,
        )


def load_deployment(path: Path) -> Deployment:
    """Reads a deployments file; Malformed, with what to do, if it is none."""
    try:
        value = json.loads(path.read_text())
        contracts = {
            name: DeployedContract(name, parse_address(entry["address"]), entry["abi"])
            for name, entry in value["contracts"].items()
            if name in CONTRACTS
        }
        delays = value["delaysS"]
        deployment = Deployment(
            chain_id=int(value["chainId"]),
            block=int(value["deployBlock"]),
            contracts=contracts,
            close_after_s=int(delays["close"]),
            settle_within_s=int(delays["settle"]),
        )
    except OSError as error:
        raise Malformed(f"cannot read the deployments file {path}: {error.strerror}; run scripts/deploy.py") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"{path} is no deployments file of ours ({error!r}); run scripts/deploy.py") from error
    missing = [name for name in CONTRACTS if name not in deployment.contracts]
    if missing:
        raise Malformed(f"{path} lacks {', '.join(missing)}; run scripts/deploy.py again, it goes on where it stopped")
    return deployment
