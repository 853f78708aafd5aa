// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAccountRegistry} from "../interfaces/IAccountRegistry.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {Roles} from "../Roles.sol";
import {Base, ISettlementToken} from "./Base.sol";

/// @title Members that leave, and come back. This contract is a module of the escrow too.
contract AccountClosingTest is Base {
    function _proposeOtherModules() internal override {
        escrowGate.proposeModule(address(this));
    }

    /* THE TREASURY */

    function test_aGovernorNamesTheTreasury() public {
        IAccountRegistry young = _youngRegistry();
        vm.expectEmit(address(young));
        emit IAccountRegistry.TreasurySet(address(escrow), address(token));
        vm.prank(GOVERNOR);
        young.setTreasury(address(escrow));
    }

    function test_theTreasuryIsNamedOnce() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.TreasuryAlreadySet.selector, address(escrow)));
        vm.prank(GOVERNOR);
        accounts.setTreasury(address(settlement));
    }

    function test_theTreasuryIsAContract() public {
        IAccountRegistry young = _youngRegistry();
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.NotAContract.selector, STRANGER));
        vm.prank(GOVERNOR);
        young.setTreasury(STRANGER);
    }

    function testFuzz_nobodyElseNamesTheTreasury(address caller) public {
        vm.assume(caller != GOVERNOR);
        IAccountRegistry young = _youngRegistry();
        vm.expectRevert(_missingRole(caller, Roles.GOVERNOR));
        vm.prank(caller);
        young.setTreasury(address(escrow));
    }

    function test_withoutATreasuryNobodyLeaves() public {
        IAccountRegistry young = _youngRegistry();
        vm.startPrank(GOVERNOR);
        address[5] memory owners = [OPERATOR, RIVAL, ALICE_OWNER, BOB_OWNER, CAROL_OWNER];
        for (uint256 i; i < 5; ++i) {
            young.openAccount(owners[i], address(0));
        }
        vm.expectRevert(_cannotClose(CAROL));
        young.closeAccount(CAROL);
        young.setTreasury(address(escrow));
        young.closeAccount(CAROL);
        vm.stopPrank();
        vm.assertFalse(young.isOpen(CAROL));
    }

    function _youngRegistry() private returns (IAccountRegistry) {
        return IAccountRegistry(_deploy("AccountRegistry", abi.encode(HOUSE_OWNER, DUST_OWNER, GOVERNOR)));
    }

    /* LEAVING */

    function test_leavingMembersGetOutWhole() public {
        _request(ALICE_OWNER, ALICE, RICH);
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.startPrank(ALICE_OWNER);
        escrow.withdraw(ALICE);
        vm.assertEq(token.balanceOf(ALICE_OWNER), RICH);
        // The issuer takes the tokens, pays out euro elsewhere, and burns them.
        token.transfer(OPERATOR, RICH);
        accounts.closeAccount(ALICE);
        vm.stopPrank();
        uint256 supply = token.totalSupply();
        vm.prank(OPERATOR);
        token.burn(RICH);
        vm.assertEq(token.totalSupply(), supply - RICH);
        vm.assertFalse(accounts.isOpen(ALICE));
        vm.assertTrue(escrow.isClear(ALICE));
    }

    function test_anAccountIsClosedByItsOwner() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.AccountClosed(CAROL, CAROL_OWNER, CAROL);
        _close(CAROL_OWNER, CAROL);
        vm.assertFalse(accounts.isOpen(CAROL));
        vm.assertFalse(accounts.isMember(CAROL_OWNER));
        vm.assertEq(accounts.accountOf(CAROL_OWNER), CAROL);
        vm.assertEq(accounts.ownerOf(CAROL), CAROL_OWNER);
        vm.assertEq(accounts.accountCount(), ACCOUNTS);
        vm.assertTrue(accounts.isOpen(BOB));
    }

    function test_anAccountIsClosedByAGovernor() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.AccountClosed(CAROL, CAROL_OWNER, GOVERNOR_ACCOUNT);
        _close(GOVERNOR, CAROL);
        vm.assertFalse(accounts.isOpen(CAROL));
    }

    function test_nobodyElseClosesAnAccount() public {
        address[3] memory callers = [BOB_OWNER, OPERATOR, HOUSE_OWNER];
        for (uint256 i; i < callers.length; ++i) {
            vm.expectRevert(_notAccountOwner(callers[i], CAROL));
            _close(callers[i], CAROL);
        }
        vm.expectRevert(_notAMember(STRANGER));
        _close(STRANGER, CAROL);
        vm.assertTrue(accounts.isOpen(CAROL));
    }

    function test_anUnknownAccountIsNotClosed() public {
        vm.expectRevert(_unknownAccount(NOBODY));
        _close(GOVERNOR, NOBODY);
        vm.expectRevert(_unknownAccount(0));
        _close(GOVERNOR, 0);
    }

    function test_houseAndDustStay() public {
        vm.expectRevert(_cannotClose(HOUSE));
        _close(HOUSE_OWNER, HOUSE);
        vm.expectRevert(_cannotClose(DUST));
        _close(GOVERNOR, DUST);
    }

    function test_anAccountIsClosedOnce() public {
        _close(CAROL_OWNER, CAROL);
        vm.expectRevert(_cannotClose(CAROL));
        _close(GOVERNOR, CAROL);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        _close(CAROL_OWNER, CAROL);
    }

    function test_theVehicleKeyOfAClosedAccountIsWorthNothingFromThenOnAndFree() public {
        vm.prank(CAROL_OWNER);
        accounts.setDriverKey(CAROL, address(0x2008));
        vm.warp(NOW + 7);
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.AccountClosed(CAROL, CAROL_OWNER, CAROL);
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.DriverKeySet(CAROL, address(0), address(0x2008));
        _close(CAROL_OWNER, CAROL);
        vm.assertEq(accounts.driverKeyOf(CAROL), address(0));
        vm.assertEq(accounts.driverKeyValidUntil(CAROL, address(0x2008)), NOW + 7);
        vm.prank(BOB_OWNER);
        accounts.setDriverKey(BOB, address(0x2008));
        vm.assertEq(accounts.driverKeyOf(BOB), address(0x2008));
    }

    /* WHAT MUST BE CLEAR FIRST */

    function test_anAccountWithARoleIsNotClosed() public {
        vm.prank(GOVERNOR);
        accounts.grantRole(CAROL, Roles.AUDITOR);
        vm.expectRevert(_notClear(CAROL, Roles.AUDITOR, 0));
        _close(CAROL_OWNER, CAROL);
    }

    function test_anAccountWhoseOwnerHoldsTokensIsNotClosed() public {
        _mint(CAROL_OWNER, 9);
        vm.expectRevert(_notClear(CAROL, 0, 9));
        _close(GOVERNOR, CAROL);
    }

    function test_anAccountWithMoneyIsNotClosed() public {
        vm.expectRevert(_notClear(ALICE, 0, 0));
        _close(ALICE_OWNER, ALICE);
    }

    function test_anAccountThatWaitsForAWithdrawalIsNotClosed() public {
        _request(ALICE_OWNER, ALICE, RICH);
        _assertFree(ALICE, 0);
        vm.expectRevert(_notClear(ALICE, 0, 0));
        _close(ALICE_OWNER, ALICE);
    }

    function test_anAccountWithLockedMoneyIsNotClosed() public {
        escrow.lock(ALICE, RICH);
        _assertFree(ALICE, 0);
        vm.expectRevert(_notClear(ALICE, 0, 0));
        _close(ALICE_OWNER, ALICE);
    }

    function test_anAccountThatOwesIsNotClosed() public {
        _oweBy(CAROL, 5);
        vm.expectRevert(_notClear(CAROL, 0, 0));
        _close(CAROL_OWNER, CAROL);
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, 0);
        _close(CAROL_OWNER, CAROL);
        vm.assertFalse(accounts.isOpen(CAROL));
    }

    function testFuzz_onlyAClearAccountCloses(uint96 free, uint96 tokens, uint8 parts) public {
        free = uint96(_between(free, 0, 3));
        tokens = uint96(_between(tokens, 0, 2));
        if (free != 0) _fund(CAROL_OWNER, CAROL, free);
        if (free > 1 && parts & 1 != 0) _request(CAROL_OWNER, CAROL, 1);
        if (parts & 2 != 0) _oweBy(CAROL, 7);
        uint16 role = parts & 4 != 0 ? Roles.AUDITOR : 0;
        vm.startPrank(GOVERNOR);
        if (role != 0) accounts.grantRole(CAROL, role);
        vm.stopPrank();
        if (tokens != 0) _mint(CAROL_OWNER, tokens);
        bool clear = free == 0 && tokens == 0 && parts & 2 == 0 && role == 0;
        if (!clear) vm.expectRevert(_notClear(CAROL, role, tokens));
        _close(CAROL_OWNER, CAROL);
        vm.assertEq(accounts.isOpen(CAROL), !clear);
    }

    /* WHAT A CLOSED ACCOUNT CAN AND CANNOT DO */

    function test_aClosedAccountTakesNoPartInAnything() public {
        _close(CAROL_OWNER, CAROL);
        vm.startPrank(CAROL_OWNER);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        accounts.setDriverKey(CAROL, ALICE_VEHICLE);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        escrow.deposit(ALICE, 1);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        escrow.collect(ALICE, 1);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        escrow.setDailyCap(CAROL, 1);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        escrow.reclaim(CAROL, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAMember.selector, CAROL_OWNER));
        token.transfer(BOB_OWNER, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAMember.selector, CAROL_OWNER));
        _mint(CAROL_OWNER, 1);
        vm.startPrank(GOVERNOR);
        vm.expectRevert(_unknownAccount(CAROL));
        accounts.grantRole(CAROL, Roles.GOVERNOR);
        vm.expectRevert(_unknownAccount(CAROL));
        accounts.revokeRole(CAROL, Roles.GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.AlreadyMember.selector, CAROL_OWNER, CAROL));
        accounts.openAccount(CAROL_OWNER, address(0));
        vm.stopPrank();
    }

    function test_aClosedAccountTakesNoDeposit() public {
        _close(CAROL_OWNER, CAROL);
        _mint(BOB_OWNER, 5);
        vm.startPrank(BOB_OWNER);
        token.approve(address(escrow), 5);
        vm.expectRevert(_unknownAccount(CAROL));
        escrow.deposit(CAROL, 5);
        vm.stopPrank();
    }

    function test_laterRowsOfAClosedAccountAreSetAsideAndBlockNoBatch() public {
        _close(CAROL_OWNER, CAROL);
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(CAROL, 1000, CHARGE));
        bytes memory batch = _batchOf(_first(2000, 0, rows));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 1, 300_001);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(CAROL, 0, OPERATOR_ACCOUNT, 1, 300_001, 300_001);
        _settle(batch);
        _assertFree(ALICE, RICH - 300_001);
        _assertFree(OPERATOR_ACCOUNT, RICH + 300_001);
        vm.assertFalse(escrow.isClear(CAROL));
    }

    function test_aMemberThatComesBackPaysWhatItOwes() public {
        _close(CAROL_OWNER, CAROL);
        _settle(_batchOf(_first(1000, 0, _row(CAROL, 1000, CHARGE))));
        vm.prank(OPERATOR);
        accounts.reopenAccount(CAROL);
        _fund(CAROL_OWNER, CAROL, 300_002);
        _assertFree(CAROL, 1);
        _assertFree(OPERATOR_ACCOUNT, RICH + 300_001);
    }

    function test_whatAClosedAccountIsPaidForEnergyIsThereWhenItComesBack() public {
        _close(CAROL_OWNER, CAROL);
        _settle(_batchOf(_first(0, 1000, _row(CAROL, 1000, DISCHARGE))));
        _assertFree(CAROL, 200_001);
        vm.expectRevert(_notAMember(CAROL_OWNER));
        _request(CAROL_OWNER, CAROL, 200_001);
        vm.prank(GOVERNOR);
        accounts.reopenAccount(CAROL);
        _request(CAROL_OWNER, CAROL, 200_001);
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.prank(CAROL_OWNER);
        escrow.withdraw(CAROL);
        vm.assertEq(token.balanceOf(CAROL_OWNER), 200_001);
    }

    /* COMING BACK */

    function test_anOperatorOpensAClosedAccountAgain() public {
        _close(CAROL_OWNER, CAROL);
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.AccountReopened(CAROL, CAROL_OWNER, OPERATOR_ACCOUNT);
        vm.prank(OPERATOR);
        accounts.reopenAccount(CAROL);
        vm.assertTrue(accounts.isOpen(CAROL));
        vm.assertTrue(accounts.isMember(CAROL_OWNER));
        vm.assertEq(accounts.requireMember(CAROL_OWNER), CAROL);
        vm.assertEq(accounts.rolesOf(CAROL), 0);
        vm.assertEq(accounts.driverKeyOf(CAROL), address(0));
    }

    function test_onlyAClosedAccountIsOpenedAgain() public {
        vm.startPrank(GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.NotClosed.selector, CAROL));
        accounts.reopenAccount(CAROL);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.NotClosed.selector, NOBODY));
        accounts.reopenAccount(NOBODY);
        vm.stopPrank();
    }

    function testFuzz_nobodyElseOpensAClosedAccountAgain(address caller) public {
        vm.assume(caller != GOVERNOR && caller != OPERATOR && caller != RIVAL);
        _close(CAROL_OWNER, CAROL);
        vm.expectRevert(_missingRole(caller, Roles.OPERATOR | Roles.GOVERNOR));
        vm.prank(caller);
        accounts.reopenAccount(CAROL);
        vm.assertFalse(accounts.isOpen(CAROL));
    }

    function testFuzz_anAccountClosesAndComesBackAsOftenAsItLikes(uint8 times) public {
        times = uint8(_between(times, 1, 8));
        for (uint256 i; i < times; ++i) {
            _close(CAROL_OWNER, CAROL);
            vm.prank(RIVAL);
            accounts.reopenAccount(CAROL);
        }
        vm.assertEq(accounts.accountOf(CAROL_OWNER), CAROL);
        vm.assertTrue(accounts.isOpen(CAROL));
    }

    /* WHAT THE TESTS SHARE */

    function _close(address caller, uint24 account) private {
        vm.prank(caller);
        accounts.closeAccount(account);
    }

    function _oweBy(uint24 debtor, uint96 owedMicro) private {
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](1);
        debts[0] = IEscrow.NewDebt(debtor, OPERATOR_ACCOUNT, owedMicro, owedMicro);
        escrow.recordDebts(1, debts);
    }

    function _cannotClose(uint24 account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.CannotClose.selector, account);
    }

    function _notClear(uint24 account, uint16 roles, uint256 tokenMicro) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.NotClear.selector, account, roles, tokenMicro);
    }
}
