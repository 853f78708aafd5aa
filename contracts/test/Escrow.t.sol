// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IAccountRegistry} from "../interfaces/IAccountRegistry.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

contract EscrowTest is Base {
    uint40 private constant LATER = NOW + WITHDRAWAL_DELAY;

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

    function testFuzz_nobodyElseTouchesAnAccountsMoney(address caller, bool unknown) public {
        vm.assume(caller != ALICE_OWNER);
        _request(30);
        vm.warp(LATER);
        uint24 account = unknown ? (caller == STRANGER ? NOBODY : 0) : ALICE;
        bytes memory why = abi.encodeWithSelector(IAccountRegistry.NotAccountOwner.selector, caller, account);
        vm.startPrank(caller);
        vm.expectRevert(why);
        escrow.requestWithdrawal(account, 1);
        vm.expectRevert(why);
        escrow.cancelWithdrawal(account);
        vm.expectRevert(why);
        escrow.withdraw(account);
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

    /* GOVERNANCE */

    function testFuzz_aGovernorNamesTheSettlementModule(address module) public {
        vm.expectEmit(address(escrow));
        emit IEscrow.ModuleSet(module);
        vm.prank(GOVERNOR);
        escrow.setSettlementModule(module);
    }

    function testFuzz_nobodyElseNamesTheSettlementModule(address caller) public {
        vm.assume(caller != GOVERNOR);
        vm.expectRevert(_missingRole(caller, Roles.GOVERNOR));
        vm.prank(caller);
        escrow.setSettlementModule(caller);
    }

    /* BATCHES, WITH THIS CONTRACT AS THE SETTLEMENT MODULE */

    function test_aBatchMovesMoneyBetweenAccounts() public {
        vm.assertEq(_apply(_entry(ALICE, 70, 0), _entry(BOB, 0, 60), _entry(DUST, 0, 10)).length, 0);
        _assertFree(ALICE, RICH - 70);
        _assertFree(BOB, RICH + 60);
        _assertFree(DUST, 10);
    }

    function testFuzz_onlyTheSettlementModuleMovesMoney(address caller) public {
        vm.assume(caller != address(settlement));
        uint256[] memory entries = new uint256[](2);
        (entries[0], entries[1]) = (_entry(ALICE, 1, 0), _entry(BOB, 0, 1));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotSettlement.selector, caller));
        vm.prank(caller);
        escrow.applyBatch(entries);
    }

    function test_aBatchThatDoesNotSumToZeroIsRefused() public {
        _becomeSettlementModule();
        uint256[] memory entries = new uint256[](2);
        (entries[0], entries[1]) = (_entry(ALICE, 70, 0), _entry(BOB, 0, 71));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Unbalanced.selector, 70, 71));
        escrow.applyBatch(entries);
    }

    function test_anUnknownAccountIsInNoBatch() public {
        _becomeSettlementModule();
        uint256[] memory entries = new uint256[](2);
        (entries[0], entries[1]) = (_entry(ALICE, 70, 0), _entry(NOBODY, 0, 70));
        vm.expectRevert(_unknownAccount(NOBODY));
        escrow.applyBatch(entries);
        (entries[0], entries[1]) = (_entry(ALICE, 0, 0), _entry(0, 0, 0));
        vm.expectRevert(_unknownAccount(0));
        escrow.applyBatch(entries);
    }

    function test_aPayerThatCannotPayStopsTheWholeBatchAndIsNamed() public {
        uint24[] memory insolvent = _apply(_entry(ALICE, 70, 0), _entry(CAROL, 1, 0), _entry(BOB, 0, 71));
        vm.assertEq(insolvent.length, 1);
        vm.assertEq(insolvent[0], CAROL);
        _assertFree(ALICE, RICH);
        _assertFree(BOB, RICH);
    }

    function test_incomeOfTheSameBatchPaysNoDebit() public {
        uint24[] memory insolvent = _apply(_entry(ALICE, 70, 0), _entry(CAROL, 1, 70), _entry(BOB, 0, 1));
        vm.assertEq(insolvent.length, 1);
        vm.assertEq(insolvent[0], CAROL);
    }

    function test_moneySetApartForAWithdrawalPaysNoDebit() public {
        _request(RICH - 69);
        uint24[] memory insolvent = _apply(_entry(ALICE, 70, 0), _entry(BOB, 0, 70), _entry(DUST, 0, 0));
        vm.assertEq(insolvent.length, 1);
        vm.assertEq(insolvent[0], ALICE);
    }

    function test_aBatchLeavesAWaitingWithdrawalAlone() public {
        _request(30);
        _apply(_entry(ALICE, 70, 5), _entry(BOB, 0, 65), _entry(DUST, 0, 0));
        _assertFree(ALICE, RICH - 30 - 65);
        _assertRequest(30, LATER);
    }

    function test_aBalanceThatWouldNotFitIsRefused() public {
        _fund(CAROL_OWNER, CAROL, type(uint96).max);
        _becomeSettlementModule();
        uint256[] memory entries = new uint256[](2);
        (entries[0], entries[1]) = (_entry(ALICE, 1, 0), _entry(CAROL, 0, 1));
        vm.expectRevert(_panic(1));
        escrow.applyBatch(entries);
    }

    function testFuzz_aBatchConservesMoney(uint256 aliceDebit, uint256 bobDebit, uint256 carolDebit, uint256 share)
        public
    {
        uint112[3] memory debits = [
            uint112(_between(aliceDebit, 0, RICH + RICH / 4)),
            uint112(_between(bobDebit, 0, RICH + RICH / 4)),
            uint112(_between(carolDebit, 0, 1))
        ];
        uint256 all = uint256(debits[0]) + debits[1] + debits[2];
        uint112 toAlice = uint112(_between(share, 0, all));
        uint256 total = _totalFree();
        uint24[] memory insolvent = _apply(
            _entry(ALICE, debits[0], toAlice),
            _entry(BOB, debits[1], uint112(all - toAlice)),
            _entry(CAROL, debits[2], 0)
        );
        uint256 poor = (debits[0] > RICH ? 1 : 0) + (debits[1] > RICH ? 1 : 0) + debits[2];
        vm.assertEq(insolvent.length, poor);
        _assertFree(ALICE, poor == 0 ? RICH - debits[0] + toAlice : RICH);
        vm.assertEq(_totalFree(), total);
    }

    /* WHAT THE TESTS SHARE */

    function _approved(address owner, uint96 amount) private {
        _mint(owner, amount);
        vm.prank(owner);
        token.approve(address(escrow), amount);
    }

    function _request(uint96 amount) private {
        vm.prank(ALICE_OWNER);
        escrow.requestWithdrawal(ALICE, amount);
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

    function _entry(uint24 account, uint112 debit, uint112 credit) private pure returns (uint256) {
        return uint256(account) << 224 | uint256(debit) << 112 | credit;
    }

    function _becomeSettlementModule() private {
        vm.prank(GOVERNOR);
        escrow.setSettlementModule(address(this));
    }

    function _apply(uint256 one, uint256 two, uint256 three) private returns (uint24[] memory) {
        _becomeSettlementModule();
        uint256[] memory entries = new uint256[](3);
        (entries[0], entries[1], entries[2]) = (one, two, three);
        return escrow.applyBatch(entries);
    }
}
