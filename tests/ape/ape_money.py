"""The contracts as a user of ape meets them: money in, settlement refused to those who are no settlers, money out."""

from dataclasses import dataclass
from typing import Any

import ape
import pytest

HOUR_S, DAY_S = 3_600, 86_400
WITHDRAWAL_DELAY_S, MODULE_DELAY_S = HOUR_S, 7 * DAY_S
BOND_MICRO = 1_000_000
OPERATOR_ROLE, SETTLER_ROLE, ISSUER_ROLE = 2, 4, 16
DEPOSIT_MICRO = 25_000_000
NO_KEY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Platform:
    """Deployed contracts and who is who."""

    registry: Any
    stations: Any
    token: Any
    escrow: Any
    settlement: Any
    governor: Any
    operator: Any
    driver: Any
    driver_account: int


@pytest.fixture(scope="module")
def platform(project: Any, accounts: Any) -> Platform:
    """Nine contracts, wired and sealed, an operator and a driver with money in its account."""
    house, dust, governor, operator, driver = accounts[:5]
    registry = governor.deploy(project.AccountRegistry, house, dust, governor)
    stations = governor.deploy(project.StationRegistry, registry, MODULE_DELAY_S)
    tariffs = governor.deploy(project.TariffBook, registry)
    token = governor.deploy(project.SettlementToken, registry)
    escrow = governor.deploy(project.Escrow, registry, token, WITHDRAWAL_DELAY_S, MODULE_DELAY_S)
    positions = governor.deploy(project.PositionBook, registry, tariffs, escrow, 900, 6 * HOUR_S)
    settlement = governor.deploy(project.SessionSettlement, registry, stations, tariffs, escrow, positions)
    auctions = governor.deploy(project.AuctionHouse, registry, escrow, positions)
    court = governor.deploy(
        project.DisputeCourt, registry, tariffs, escrow, settlement, BOND_MICRO, 90 * DAY_S, 7 * DAY_S
    )
    token.setEscrow(escrow, sender=governor)
    registry.setTreasury(escrow, sender=governor)
    stations.proposeModule(settlement, sender=governor)
    for module in (positions, settlement, court, auctions):
        escrow.proposeModule(module, sender=governor)
    stations.sealModules(sender=governor)
    escrow.sealModules(sender=governor)
    registry.openAccounts([operator, driver], [NO_KEY, NO_KEY], sender=governor)
    for role in (OPERATOR_ROLE, SETTLER_ROLE, ISSUER_ROLE):
        registry.grantRole(registry.accountOf(operator), role, sender=governor)
    token.mint(driver, DEPOSIT_MICRO, sender=operator)
    driver_account = registry.accountOf(driver)
    return Platform(registry, stations, token, escrow, settlement, governor, operator, driver, driver_account)


def deposit(at: Platform) -> Any:
    at.token.approve(at.escrow, DEPOSIT_MICRO, sender=at.driver)
    return at.escrow.deposit(at.driver_account, DEPOSIT_MICRO, sender=at.driver)


def test_deposit_is_free_money_in_the_escrow(platform: Platform) -> None:
    receipt = deposit(platform)
    (event,) = receipt.decode_logs(platform.escrow.Deposited)
    assert (event.account, event.amountMicro) == (platform.driver_account, DEPOSIT_MICRO)
    assert platform.escrow.freeOf(platform.driver_account) == DEPOSIT_MICRO
    assert platform.token.balanceOf(platform.escrow) == DEPOSIT_MICRO
    assert platform.token.balanceOf(platform.driver) == 0


def test_settlement_by_somebody_who_is_no_settler_is_refused(platform: Platform) -> None:
    for outsider in (platform.driver, platform.governor):
        with ape.reverts(platform.registry.MissingRole, inputs={"caller": outsider.address, "role": SETTLER_ROLE}):
            platform.settlement.settle(b"\x01", sender=outsider)
    with ape.reverts(platform.settlement.EmptyBatch):
        platform.settlement.settle(b"\x01", sender=platform.operator)
    assert platform.settlement.batchCount() == 0


def test_withdrawal_waits_and_comes_back_whole(platform: Platform, chain: Any) -> None:
    deposit(platform)
    platform.escrow.requestWithdrawal(platform.driver_account, DEPOSIT_MICRO, sender=platform.driver)
    assert platform.escrow.freeOf(platform.driver_account) == 0
    with ape.reverts(platform.escrow.TooEarly):
        platform.escrow.withdraw(platform.driver_account, sender=platform.driver)
    chain.mine(timestamp=chain.blocks.head.timestamp + WITHDRAWAL_DELAY_S)
    platform.escrow.withdraw(platform.driver_account, sender=platform.driver)
    assert platform.token.balanceOf(platform.driver) == DEPOSIT_MICRO
    assert platform.escrow.isClear(platform.driver_account)


def test_module_that_is_proposed_after_the_seal_waits(platform: Platform, chain: Any) -> None:
    platform.escrow.proposeModule(platform.token, sender=platform.governor)
    now = chain.blocks.head.timestamp
    assert platform.escrow.moduleActiveFrom(platform.token) == now + MODULE_DELAY_S
    assert not platform.escrow.isModule(platform.token)
    chain.mine(timestamp=now + MODULE_DELAY_S)
    assert platform.escrow.isModule(platform.token)
