// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {Entry} from "../Entries.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IModuleGate} from "../interfaces/IModuleGate.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title Deposits, withdrawals, and what governance may do about them.
contract EscrowTest is Base {
    uint40 private constant LATER = NOW + WITHDRAWAL_DELAY;

    /* CONSTRUCTION */

    function test_theTokenMustBeAContract() public {
        vm.expectRevert(abi.encodeWithSelector(IModuleGate.NotAContract.selector, STRANGER));
        _deploy("Escrow", abi.encode(accounts, STRANGER, WITHDRAWAL_DELAY, MODULE_DELAY));
    }

    function testFuzz_modulesWaitLongerThanAFrozenWithdrawal(uint40 withdrawalDelay, uint40 moduleDelay) public {
        withdrawalDelay = uint40(_between(withdrawalDelay, 0, 60 days));
        moduleDelay = uint40(_between(moduleDelay, 0, 90 days));
        uint40 neededS = withdrawalDelay + MAX_FREEZE_S + 1;
        bool refused = moduleDelay < neededS;
        if (refused) vm.expectRevert(abi.encodeWithSelector(IEscrow.DelayTooShort.selector, moduleDelay, neededS));
        address found = _deploy("Escrow", abi.encode(accounts, token, withdrawalDelay, moduleDelay));
        if (refused) return;
        vm.assertEq(IEscrow(found).withdrawalDelay(), withdrawalDelay);
        vm.assertEq(IModuleGate(found).moduleDelay(), moduleDelay);
        vm.assertEq(address(IEscrow(found).token()), address(token));
    }

    /* DEPOSITS */

    function testFuzz_aDepositCreditsTheAccount(uint96 amount) public {
        amount = uint96(_between(amount, 1, type(uint96).max));
        _approved(ALICE_OWNER, amount);
        uint256 held = token.balanceOf(address(escrow));
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(CAROL, ALICE_OWNER, amount);
        vm.prank(ALICE_OWNER);
        escrow.deposit(CAROL, amount);
        _assertFree(CAROL, amount);
        _assertFree(ALICE, RICH);
        vm.assertEq(token.balanceOf(address(escrow)), held + amount);
        vm.assertEq(token.balanceOf(ALICE_OWNER), 0);
    }

    function test_anybodyWhoIsAMemberPaysForAnother() public {
        _mint(OPERATOR, 5);
        vm.startPrank(OPERATOR);
        token.approve(address(escrow), 5);
        escrow.deposit(CAROL, 5);
        vm.stopPrank();
        _assertFree(CAROL, 5);
        _assertFree(OPERATOR_ACCOUNT, RICH);
    }

    function test_aDepositOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, 0);
    }

    function test_anUnknownAccountTakesNoDeposit() public {
        _approved(ALICE_OWNER, 2);
        vm.startPrank(ALICE_OWNER);
        vm.expectRevert(_unknownAccount(NOBODY));
        escrow.deposit(NOBODY, 1);
        vm.expectRevert(_unknownAccount(0));
        escrow.deposit(0, 1);
        vm.stopPrank();
    }

    function test_aDepositNeedsTheDepositorsTokens() public {
        vm.prank(ALICE_OWNER);
        token.approve(address(escrow), 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ALICE_OWNER, 0, 1));
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, 1);
        _assertFree(ALICE, RICH);
    }

    function test_aDepositNeedsAnAllowance() public {
        _mint(ALICE_OWNER, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 0, 1));
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, 1);
    }

    function test_aBalanceDoesNotWrapAround() public {
        _approved(ALICE_OWNER, type(uint96).max);
        vm.expectRevert(_panic(1));
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, type(uint96).max);
    }

    /* WITHDRAWALS */

    function test_aRequestSetsMoneyApart() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.WithdrawalRequested(ALICE, 30, LATER);
        _request(30);
        _assertFree(ALICE, RICH - 30);
        _assertRequest(30, LATER);
        vm.assertEq(escrow.withdrawalDelay(), WITHDRAWAL_DELAY);
    }

    function test_aRequestOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        _request(0);
    }

    function test_aRequestBeyondTheBalanceIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, ALICE, RICH, uint256(RICH) + 1));
        _request(RICH + 1);
    }

    function test_aSecondRequestIsRefused() public {
        _request(30);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.AlreadyRequested.selector, ALICE, 30));
        _request(1);
    }

    function test_aRequestIsTakenBack() public {
        _request(30);
        vm.expectEmit(address(escrow));
        emit IEscrow.WithdrawalCancelled(ALICE, 30);
        vm.prank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        _assertFree(ALICE, RICH);
        _assertRequest(0, 0);
    }

    function test_aRequestIsNotTakenBackTwice() public {
        _request(30);
        vm.startPrank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NothingRequested.selector, ALICE));
        escrow.cancelWithdrawal(ALICE);
        vm.stopPrank();
    }

    function test_aRequestThatWasTakenBackPaysNothing() public {
        _request(30);
        vm.prank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        vm.warp(LATER);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NothingRequested.selector, ALICE));
        _withdraw();
    }

    function test_aWithdrawalIsPaidToTheOwnerAfterTheDelay() public {
        _request(30);
        vm.warp(LATER);
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdrawn(ALICE, ALICE_OWNER, 30);
        _withdraw();
        vm.assertEq(token.balanceOf(ALICE_OWNER), 30);
        _assertFree(ALICE, RICH - 30);
        _assertRequest(0, 0);
    }

    function test_aWithdrawalIsNotPaidTooEarly() public {
        _request(30);
        vm.warp(LATER - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.TooEarly.selector, ALICE, LATER));
        _withdraw();
    }

    function test_aWithdrawalIsNotPaidTwice() public {
        _request(30);
        vm.warp(LATER);
        _withdraw();
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NothingRequested.selector, ALICE));
        _withdraw();
        vm.assertEq(token.balanceOf(ALICE_OWNER), 30);
    }

    function test_aMemberTouchesNobodyElsesMoney() public {
        bytes memory why = _notAccountOwner(BOB_OWNER, ALICE);
        _request(30);
        vm.warp(LATER);
        vm.startPrank(BOB_OWNER);
        vm.expectRevert(why);
        escrow.requestWithdrawal(ALICE, 1);
        vm.expectRevert(why);
        escrow.cancelWithdrawal(ALICE);
        vm.expectRevert(why);
        escrow.withdraw(ALICE);
        vm.expectRevert(why);
        escrow.setDailyCap(ALICE, 1);
        vm.expectRevert(why);
        escrow.reclaim(ALICE, STRANGER);
        vm.expectRevert(_notAccountOwner(BOB_OWNER, 0));
        escrow.requestWithdrawal(0, 1);
        vm.stopPrank();
        _assertRequest(30, LATER);
    }

    function testFuzz_nobodyElseTouchesAnAccountsMoney(address caller, bool unknown) public {
        vm.assume(caller != ALICE_OWNER);
        _request(30);
        vm.warp(LATER);
        uint24 account = unknown ? (caller == STRANGER ? NOBODY : 0) : ALICE;
        bytes memory why = accounts.isMember(caller) ? _notAccountOwner(caller, account) : _notAMember(caller);
        vm.startPrank(caller);
        vm.expectRevert(why);
        escrow.requestWithdrawal(account, 1);
        vm.expectRevert(why);
        escrow.cancelWithdrawal(account);
        vm.expectRevert(why);
        escrow.withdraw(account);
        vm.expectRevert(why);
        escrow.setDailyCap(account, 1);
        vm.expectRevert(why);
        escrow.reclaim(account, STRANGER);
        vm.stopPrank();
        _assertRequest(30, LATER);
    }

    function testFuzz_aWithdrawalMovesExactlyWhatWasRequested(uint96 amount, uint40 wait, bool cancelled) public {
        amount = uint96(_between(amount, 1, RICH));
        wait = uint40(_between(wait, 0, 2 * WITHDRAWAL_DELAY));
        _request(amount);
        vm.warp(NOW + wait);
        if (cancelled) {
            vm.prank(ALICE_OWNER);
            escrow.cancelWithdrawal(ALICE);
            return _assertFree(ALICE, RICH);
        }
        bool early = wait < WITHDRAWAL_DELAY;
        if (early) vm.expectRevert(abi.encodeWithSelector(IEscrow.TooEarly.selector, ALICE, LATER));
        _withdraw();
        vm.assertEq(token.balanceOf(ALICE_OWNER), early ? 0 : amount);
        _assertFree(ALICE, RICH - amount);
    }

    /* PAUSE AND FREEZE: NEITHER IS A WAY TO KEEP MEMBERS' MONEY */

    function test_aGovernorPausesAndUnpauses() public {
        vm.assertFalse(escrow.paused());
        vm.expectEmit(address(escrow));
        emit IEscrow.Paused(GOVERNOR_ACCOUNT);
        vm.startPrank(GOVERNOR);
        escrow.pause();
        vm.assertTrue(escrow.paused());
        vm.expectRevert(_isPaused());
        escrow.pause();
        vm.expectEmit(address(escrow));
        emit IEscrow.Unpaused(GOVERNOR_ACCOUNT);
        escrow.unpause();
        vm.assertFalse(escrow.paused());
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotPaused.selector));
        escrow.unpause();
        vm.stopPrank();
    }

    function test_whilePausedNothingIsSettledDepositedOrCollected() public {
        _pause();
        bytes memory batch = _batchOf(_aliceCharges(1000));
        _settleRefused(batch, _isPaused());
        vm.expectRevert(_isPaused());
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, 1);
        vm.expectRevert(_isPaused());
        vm.prank(ALICE_OWNER);
        escrow.collect(ALICE, 1);
        vm.prank(GOVERNOR);
        escrow.unpause();
        _settle(batch);
        _assertFree(ALICE, RICH - 300_001);
    }

    function test_whilePausedMembersGetTheirMoneyOut() public {
        _pause();
        _request(ALICE_OWNER, ALICE, 30);
        vm.startPrank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        escrow.requestWithdrawal(ALICE, RICH);
        vm.warp(LATER);
        escrow.withdraw(ALICE);
        escrow.setDailyCap(ALICE, 1);
        vm.stopPrank();
        vm.assertTrue(escrow.paused());
        vm.assertEq(token.balanceOf(ALICE_OWNER), RICH);
        _assertFree(ALICE, 0);
    }

    function test_aFreezeStopsPayoutsAndEndsByItself() public {
        _request(ALICE_OWNER, ALICE, 30);
        vm.warp(LATER);
        vm.expectEmit(address(escrow));
        emit IEscrow.WithdrawalsFrozen(GOVERNOR_ACCOUNT, LATER + MAX_FREEZE_S);
        _freeze(MAX_FREEZE_S);
        vm.assertEq(escrow.frozenUntil(), LATER + MAX_FREEZE_S);
        vm.warp(LATER + MAX_FREEZE_S - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Frozen.selector, LATER + MAX_FREEZE_S));
        _withdraw();
        vm.warp(LATER + MAX_FREEZE_S);
        _withdraw();
        vm.assertEq(token.balanceOf(ALICE_OWNER), 30);
    }

    function test_aFreezeStopsNothingButPayouts() public {
        _freeze(MAX_FREEZE_S);
        _request(ALICE_OWNER, ALICE, 30);
        vm.prank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        _fund(CAROL_OWNER, CAROL, 7);
        _settle(_batchOf(_aliceCharges(1000)));
        _assertFree(ALICE, RICH - 300_001);
    }

    function test_aFreezeIsNotLongerThanThreeDays() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.FreezeTooLong.selector, MAX_FREEZE_S + 1, MAX_FREEZE_S));
        _freeze(MAX_FREEZE_S + 1);
        vm.assertEq(escrow.frozenUntil(), 0);
    }

    function test_theNextFreezeComesOnlyAfterMembersHadTimeToLeave() public {
        _freeze(1 hours);
        uint40 possibleFrom = NOW + 1 hours + MODULE_DELAY;
        bytes memory why = abi.encodeWithSelector(IEscrow.FreezeTooSoon.selector, possibleFrom);
        vm.expectRevert(why);
        _freeze(1);
        vm.warp(possibleFrom - 1);
        vm.expectRevert(why);
        _freeze(1);
        vm.warp(possibleFrom);
        _freeze(1);
        vm.assertEq(escrow.frozenUntil(), possibleFrom + 1);
    }

    function test_aFreezeIsEndedEarly() public {
        _request(ALICE_OWNER, ALICE, 30);
        vm.warp(LATER);
        _freeze(MAX_FREEZE_S);
        vm.warp(LATER + 5);
        vm.expectEmit(address(escrow));
        emit IEscrow.WithdrawalsThawed(GOVERNOR_ACCOUNT);
        vm.prank(GOVERNOR);
        escrow.thawWithdrawals();
        vm.assertEq(escrow.frozenUntil(), LATER + 5);
        _withdraw();
        // The time to leave counts from then on.
        vm.expectRevert(abi.encodeWithSelector(IEscrow.FreezeTooSoon.selector, LATER + 5 + MODULE_DELAY));
        _freeze(1);
    }

    function test_aFreezeThatIsOverIsNotMovedByAThaw() public {
        _freeze(10);
        vm.warp(NOW + 100);
        vm.prank(GOVERNOR);
        escrow.thawWithdrawals();
        vm.assertEq(escrow.frozenUntil(), NOW + 10);
    }

    function testFuzz_payoutsAreStoppedForTheFreezeAndNoLonger(uint40 durationS, uint40 wait) public {
        durationS = uint40(_between(durationS, 0, MAX_FREEZE_S));
        wait = uint40(_between(wait, 0, 2 * MAX_FREEZE_S));
        _request(ALICE_OWNER, ALICE, 30);
        vm.warp(LATER);
        _freeze(durationS);
        vm.warp(LATER + wait);
        bool frozen = wait < durationS;
        if (frozen) vm.expectRevert(abi.encodeWithSelector(IEscrow.Frozen.selector, LATER + durationS));
        _withdraw();
        vm.assertEq(token.balanceOf(ALICE_OWNER), frozen ? 0 : 30);
    }

    /* THE BALANCE CAP */

    function test_aGovernorCapsWhatDepositsLiftAnAccountTo() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.BalanceCapSet(100);
        _capBalances(100);
        vm.assertEq(escrow.balanceCap(), 100);
        _fund(CAROL_OWNER, CAROL, 100);
        _approved(CAROL_OWNER, 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.AboveBalanceCap.selector, CAROL, 101, 100));
        vm.prank(CAROL_OWNER);
        escrow.deposit(CAROL, 1);
        _assertFree(CAROL, 100);
        _capBalances(0);
        vm.prank(CAROL_OWNER);
        escrow.deposit(CAROL, 1);
        _assertFree(CAROL, 101);
    }

    function test_theBalanceCapTakesNothingFromWhoHasMore() public {
        _capBalances(1);
        _assertFree(ALICE, RICH);
        _settle(_batchOf(_first(0, 1000, _row(ALICE, 1000, DISCHARGE))));
        _assertFree(ALICE, RICH + 200_001);
        _request(ALICE_OWNER, ALICE, RICH);
    }

    function testFuzz_noDepositLiftsAnAccountAboveTheCap(uint96 capMicro, uint96 one, uint96 two) public {
        one = uint96(_between(one, 1, 1 << 90));
        two = uint96(_between(two, 1, 1 << 90));
        _capBalances(capMicro);
        _approved(CAROL_OWNER, one + two);
        uint256 held;
        for (uint256 i; i < 2; ++i) {
            uint96 amount = i == 0 ? one : two;
            bool above = capMicro != 0 && held + amount > capMicro;
            if (above) {
                vm.expectRevert(
                    abi.encodeWithSelector(IEscrow.AboveBalanceCap.selector, CAROL, held + amount, capMicro)
                );
            }
            vm.prank(CAROL_OWNER);
            escrow.deposit(CAROL, amount);
            if (!above) held += amount;
            _assertFree(CAROL, held);
        }
    }

    /* WHO */

    function testFuzz_nobodyButAGovernorHoldsTheReins(address caller) public {
        vm.assume(caller != GOVERNOR);
        bytes memory why = _missingRole(caller, Roles.GOVERNOR);
        vm.startPrank(caller);
        vm.expectRevert(why);
        escrow.pause();
        vm.expectRevert(why);
        escrow.unpause();
        vm.expectRevert(why);
        escrow.freezeWithdrawals(1);
        vm.expectRevert(why);
        escrow.thawWithdrawals();
        vm.expectRevert(why);
        escrow.setBalanceCap(1);
        vm.expectRevert(why);
        escrow.writeOff(ALICE, 0);
    }

    function testFuzz_aStrangerChangesNothing(address stranger) public {
        vm.assume(!accounts.isMember(stranger) && !escrowGate.isModule(stranger));
        bytes memory before = abi.encode(_moneyOf(ALICE), _moneyOf(CAROL));
        bytes memory noMember = _notAMember(stranger);
        bytes memory noModule = _notAModule(stranger);
        vm.startPrank(stranger);
        vm.expectRevert(noMember);
        escrow.deposit(ALICE, 1);
        vm.expectRevert(noMember);
        escrow.requestWithdrawal(ALICE, 1);
        vm.expectRevert(noMember);
        escrow.cancelWithdrawal(ALICE);
        vm.expectRevert(noMember);
        escrow.withdraw(ALICE);
        vm.expectRevert(noMember);
        escrow.setDailyCap(ALICE, 1);
        vm.expectRevert(noMember);
        escrow.collect(ALICE, 1);
        vm.expectRevert(noMember);
        escrow.reclaim(ALICE, address(court));
        vm.expectRevert(noModule);
        escrow.applyBatch(new Entry[](0));
        vm.expectRevert(noModule);
        escrow.recordDebts(1, new IEscrow.NewDebt[](0));
        vm.expectRevert(noModule);
        escrow.reduceDebt(ALICE, 0, 0, 0);
        vm.expectRevert(noModule);
        escrow.lock(ALICE, 0);
        vm.expectRevert(noModule);
        escrow.release(ALICE, ALICE, 0);
        vm.stopPrank();
        // pause, unpause, freezeWithdrawals, thawWithdrawals, setBalanceCap, writeOff: see the test above;
        // proposeModule, removeModule, sealModules: ModuleGate.t.sol.
        vm.assertEq(abi.encode(_moneyOf(ALICE), _moneyOf(CAROL)), before);
    }

    /* WHAT THE TESTS SHARE */

    function _approved(address owner, uint96 amount) private {
        _mint(owner, amount);
        vm.prank(owner);
        token.approve(address(escrow), amount);
    }

    function _request(uint96 amount) private {
        _request(ALICE_OWNER, ALICE, amount);
    }

    function _withdraw() private {
        vm.prank(ALICE_OWNER);
        escrow.withdraw(ALICE);
    }

    function _assertRequest(uint256 amount, uint256 at) private view {
        (uint96 amountMicro, uint40 availableAt) = escrow.withdrawalOf(ALICE);
        vm.assertEq(amountMicro, amount);
        vm.assertEq(availableAt, at);
    }

    function _pause() private {
        vm.prank(GOVERNOR);
        escrow.pause();
    }

    function _freeze(uint40 durationS) private {
        vm.prank(GOVERNOR);
        escrow.freezeWithdrawals(durationS);
    }

    function _capBalances(uint96 capMicro) private {
        vm.prank(GOVERNOR);
        escrow.setBalanceCap(capMicro);
    }
}
