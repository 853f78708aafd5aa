"""What is deployed for whom: constructor arguments, wiring and roles, as the plan has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from eth_abi.abi import encode

from domain.keccak import keccak
from domain.text import address_text, parse_address
from scripts.chain import ChainFailed

QUARTER_S = 900
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
LONGEST_FREEZE_S = 72 * HOUR_S
"""For how long governance can hold withdrawals back (Escrow.MAX_FREEZE_S)."""
MICRO_PER_EURO = 1_000_000

CONSTRUCTORS: dict[str, tuple[str, ...]] = {
    "AccountRegistry": ("house", "dust", "governor"),
    "StationRegistry": ("accounts", "moduleDelay"),
    "TariffBook": ("accounts",),
    "SettlementToken": ("accounts",),
    "Escrow": ("accounts", "token", "withdrawalDelay", "moduleDelay"),
    "PositionBook": ("accounts", "tariffBook", "escrow", "closeAfterS", "settleWithinS"),
    "SessionSettlement": ("accounts", "stations", "tariffBook", "escrow", "positions"),
    "AuctionHouse": ("accounts", "escrow", "positions"),
    "DisputeCourt": (
        *("accounts", "tariffBook", "escrow", "settlement"),
        *("bondMicro", "disputeWindowS", "answerWindowS"),
    ),
}
"""The contracts in the order in which they are deployed, with their constructors' arguments by name.
But for AccountRegistry's, each is an immutable with a getter of this name."""
REFERENCES = {
    "accounts": "AccountRegistry",
    "stations": "StationRegistry",
    "tariffBook": "TariffBook",
    "token": "SettlementToken",
    "escrow": "Escrow",
    "positions": "PositionBook",
    "settlement": "SessionSettlement",
}
"""Arguments that are addresses of contracts."""
MODULES = (
    ("StationRegistry", "SessionSettlement"),
    ("Escrow", "PositionBook"),
    ("Escrow", "SessionSettlement"),
    ("Escrow", "DisputeCourt"),
    ("Escrow", "AuctionHouse"),
)
"""Which contract lets which one act as a module."""
GATES = ("StationRegistry", "Escrow")
SIGNED_FOR = ("StationRegistry", "AuctionHouse")
"""Contracts that check signatures over their own EIP-712 domain, and keep it as an immutable."""
_DOMAIN_TYPEHASH = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


class Role(IntFlag):
    """The contracts' roles (contracts/Roles.sol)."""

    GOVERNOR = 1
    OPERATOR = 2
    SETTLER = 4
    AUDITOR = 8
    ISSUER = 16


def role_names(roles: int) -> str:
    """Roles as people say them."""
    return ", ".join(str(role.name).lower() for role in Role if roles & role) or "none"


class PlanRefused(ChainFailed):
    """The contracts would not be deployed like this, or nobody should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is named at the deployment, and the platform's delays. Addresses are checksummed text.

    Without a governor the deployer stays governor; without an issuer the operator issues the token.
    """

    house: str
    dust: str
    operator: str
    governor: str | None = None
    auditor: str | None = None
    issuer: str | None = None
    withdrawal_delay_s: int = HOUR_S
    module_delay_s: int = 7 * DAY_S
    bond_micro: int = MICRO_PER_EURO
    dispute_window_s: int = 90 * DAY_S
    answer_window_s: int = 7 * DAY_S
    close_after_s: int = QUARTER_S
    settle_within_s: int = 6 * HOUR_S

    def check(self, deployer: str) -> None:
        """PlanRefused if the contracts would refuse this, or if the deployer could not let go at the end."""
        for name, value, bits in (
            ("withdrawal delay", self.withdrawal_delay_s, 32),
            ("module delay", self.module_delay_s, 32),
            ("dispute window", self.dispute_window_s, 32),
            ("answer window", self.answer_window_s, 32),
            ("time to close", self.close_after_s, 32),
            ("time to settle", self.settle_within_s, 32),
            ("bond", self.bond_micro, 96),
        ):
            if not 0 < value < 1 << bits:
                raise PlanRefused(f"the {name} {value} is not between 0 and 2^{bits}")
        if self.settle_within_s < self.close_after_s:
            raise PlanRefused(
                f"the time to settle of {self.settle_within_s} s is too short: positions are closed "
                f"{self.close_after_s} s after their interval, and an auction must be settled before; "
                f"give {self.close_after_s} s or more"
            )
        needed = self.withdrawal_delay_s + LONGEST_FREEZE_S
        if self.module_delay_s <= needed:
            raise PlanRefused(
                f"the module delay of {self.module_delay_s} s is too short: members must be able to withdraw before a "
                f"new module acts, and a withdrawal takes {self.withdrawal_delay_s} s and can be frozen for "
                f"{LONGEST_FREEZE_S} s; give {needed + 1} s or more"
            )
        if len({self.house, self.dust, deployer}) < len(("house", "dust", "deployer")):
            raise PlanRefused("house, dust and deployer must be three addresses: each owns an account of its own")
        named = {"governor": self.governor, "operator": self.operator, "auditor": self.auditor, "issuer": self.issuer}
        for name, owner in named.items():
            if owner is not None and owner in (self.house, self.dust):
                raise PlanRefused(f"the {name} must not own the house or the dust account as well")
            if owner == deployer and self.governor is not None:
                raise PlanRefused(f"the deployer hands over and keeps nothing: it cannot be the {name} as well")

    def arguments(self, name: str, deployer: str, at: Mapping[str, str]) -> dict[str, str | int]:
        """Constructor arguments of a contract by name; `at` has the contracts' addresses."""
        own: dict[str, str | int] = {
            "house": self.house,
            "dust": self.dust,
            "governor": deployer,
            "withdrawalDelay": self.withdrawal_delay_s,
            "moduleDelay": self.module_delay_s,
            "bondMicro": self.bond_micro,
            "disputeWindowS": self.dispute_window_s,
            "answerWindowS": self.answer_window_s,
            "closeAfterS": self.close_after_s,
            "settleWithinS": self.settle_within_s,
        }
        return {key: at[REFERENCES[key]] if key in REFERENCES else own[key] for key in CONSTRUCTORS[name]}

    def roles(self, deployer: str) -> dict[str, Role]:
        """Roles by owner once all is done."""
        held: dict[str, Role] = {}
        for owner, role in (
            (self.operator, Role.OPERATOR | Role.SETTLER),
            (self.issuer or self.operator, Role.ISSUER),
            (self.auditor, Role.AUDITOR),
            (self.governor or deployer, Role.GOVERNOR),
        ):
            if owner is not None:
                held[owner] = held.get(owner, Role(0)) | role
        return held

    def as_json(self, deployer: str) -> dict[str, Any]:
        """The plan's part of the deployments file."""
        return {
            "deployer": deployer,
            "accounts": {"house": self.house, "dust": self.dust},
            "roles": {
                "governor": self.governor or deployer,
                "operator": self.operator,
                "settler": self.operator,
                "issuer": self.issuer or self.operator,
                "auditor": self.auditor,
            },
            "delaysS": {
                "withdrawal": self.withdrawal_delay_s,
                "module": self.module_delay_s,
                "dispute": self.dispute_window_s,
                "answer": self.answer_window_s,
                "close": self.close_after_s,
                "settle": self.settle_within_s,
            },
            "bondMicro": self.bond_micro,
        }


def plan_of(published: Mapping[str, Any]) -> tuple[Plan, str]:
    """The plan in a deployments file, and the deployer; PlanRefused if it is none of ours."""
    try:
        deployer, roles, delays = _address(published["deployer"]), published["roles"], published["delaysS"]
        governor, operator, issuer = (_address(roles[name]) for name in ("governor", "operator", "issuer"))
        plan = Plan(
            house=_address(published["accounts"]["house"]),
            dust=_address(published["accounts"]["dust"]),
            operator=operator,
            governor=None if governor == deployer else governor,
            auditor=None if roles["auditor"] is None else _address(roles["auditor"]),
            issuer=None if issuer == operator else issuer,
            withdrawal_delay_s=int(delays["withdrawal"]),
            module_delay_s=int(delays["module"]),
            bond_micro=int(published["bondMicro"]),
            dispute_window_s=int(delays["dispute"]),
            answer_window_s=int(delays["answer"]),
            close_after_s=int(delays["close"]),
            settle_within_s=int(delays["settle"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanRefused(
            f"this is no deployments file of ours: {error!r}; write one with scripts/deploy.py"
        ) from error
    return plan, deployer


def domain_separator(chain_id: int, contract: str) -> bytes:
    """EIP-712 domain separator of a registry."""
    types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    values = [_DOMAIN_TYPEHASH, keccak(b"Wattledger"), keccak(b"1"), chain_id, contract]
    return bytes(keccak(encode(types, values)))


def _address(text: str) -> str:
    return address_text(parse_address(text))
