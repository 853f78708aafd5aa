// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {Base} from "./Base.sol";

/// @title What could not be paid: recorded by modules, of which this contract is one, and collected in order.
contract EscrowDebtsTest is Base {
    /// @dev A debt as the tests' own count has it.
    struct Owed {
        uint24 creditor;
        uint96 owed;
        uint96 share;
        bool open;
    }

    Owed[] private _twin;

    function _proposeOtherModules() internal override {
        escrowGate.proposeModule(address(this));
    }

    /* RECORDING */

    function test_aDebtIsRecorded() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(CAROL, 0, OPERATOR_ACCOUNT, 42, 10, 9);
        _owe(42, OPERATOR_ACCOUNT, 10, 9);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(CAROL, 1, RIVAL_ACCOUNT, 43, 5, 5);
        _owe(43, RIVAL_ACCOUNT, 5, 5);
        _assertQueue(15, 0, 2);
        _assertDebt(0, OPERATOR_ACCOUNT, 42, 10, 9);
        _assertDebt(1, RIVAL_ACCOUNT, 43, 5, 5);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        vm.assertFalse(escrow.isClear(CAROL));
    }

    function test_aDebtOfNothingIsNotRecorded() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        _owe(1, OPERATOR_ACCOUNT, 0, 0);
    }

    function test_aCreditorReceivesNoMoreThanIsOwed() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ShareTooLarge.selector, 10, 11));
        _owe(1, OPERATOR_ACCOUNT, 10, 11);
    }

    function testFuzz_debtsOfABatchAreRecordedInTheirOrder(uint256 seed, uint256 count) public {
        count = _between(count, 0, 6);
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](count);
        uint256[2] memory total;
        for (uint256 i; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint96 owed = uint96(_between(random, 1, 1 << 90));
            debts[i] = IEscrow.NewDebt(
                random & 1 == 0 ? CAROL : BOB, RIVAL_ACCOUNT, owed, uint96(_between(random >> 100, 0, owed))
            );
            total[random & 1] += owed;
        }
        escrow.recordDebts(uint32(seed), debts);
        uint32[2] memory next;
        for (uint256 i; i < count; ++i) {
            uint256 who = debts[i].debtor == CAROL ? 0 : 1;
            IEscrow.Debt memory found = escrow.debtOf(debts[i].debtor, next[who]++);
            vm.assertEq(
                abi.encode(found),
                abi.encode(IEscrow.Debt(RIVAL_ACCOUNT, uint32(seed), false, debts[i].owedMicro, debts[i].shareMicro))
            );
        }
        _assertQueue(total[0], 0, next[0]);
        (uint96 owedByBob,, uint32 nextOfBob) = escrow.debtsOf(BOB);
        vm.assertEq(owedByBob, total[1]);
        vm.assertEq(nextOfBob, next[1]);
    }

    /* COLLECTING ON A DEPOSIT */

    function test_aDepositPaysDebtsOldestFirst() public {
        _owe(1, OPERATOR_ACCOUNT, 10, 9);
        _owe(2, RIVAL_ACCOUNT, 5, 5);
        _approved(CAROL_OWNER, 20);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(CAROL, CAROL_OWNER, 20);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtCollected(CAROL, 0, OPERATOR_ACCOUNT, 10, 9);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtCollected(CAROL, 1, RIVAL_ACCOUNT, 5, 5);
        vm.prank(CAROL_OWNER);
        escrow.deposit(CAROL, 20);
        _assertFree(CAROL, 5);
        _assertFree(OPERATOR_ACCOUNT, RICH + 9);
        _assertFree(RIVAL_ACCOUNT, RICH + 5);
        _assertFree(DUST, 1);
        _assertQueue(0, 2, 2);
        _assertDebt(0, OPERATOR_ACCOUNT, 1, 0, 0);
        vm.assertFalse(escrow.isClear(CAROL));
    }

    function test_anOldestDebtThatIsTooLargeHoldsUpTheOthers() public {
        _owe(1, OPERATOR_ACCOUNT, 10, 10);
        _owe(2, RIVAL_ACCOUNT, 1, 1);
        _fund(CAROL_OWNER, CAROL, 9);
        _assertFree(CAROL, 9);
        _assertQueue(11, 0, 2);
        _fund(CAROL_OWNER, CAROL, 1);
        _assertFree(CAROL, 0);
        _assertQueue(1, 1, 2);
        _assertFree(OPERATOR_ACCOUNT, RICH + 10);
        _assertFree(RIVAL_ACCOUNT, RICH);
    }

    function test_aDepositLooksAtSixteenDebtsAtTheMost() public {
        for (uint32 batch = 1; batch <= 20; ++batch) {
            _owe(batch, OPERATOR_ACCOUNT, 1, 1);
        }
        _fund(CAROL_OWNER, CAROL, 100);
        _assertFree(CAROL, 84);
        _assertQueue(4, 16, 20);
        _fund(CAROL_OWNER, CAROL, 1);
        _assertFree(CAROL, 81);
        _assertQueue(0, 20, 20);
    }

    function test_aWrittenOffDebtIsSkippedAndCountsAmongTheSixteen() public {
        for (uint32 batch = 1; batch <= 18; ++batch) {
            _owe(batch, OPERATOR_ACCOUNT, 1, 1);
        }
        vm.startPrank(GOVERNOR);
        escrow.writeOff(CAROL, 0);
        escrow.writeOff(CAROL, 5);
        vm.stopPrank();
        _fund(CAROL_OWNER, CAROL, 100);
        _assertFree(CAROL, 86);
        _assertQueue(2, 16, 18);
    }

    function test_aDebtorThatIsItsOwnCreditorPaysTheDustAlone() public {
        _owe(1, CAROL, 10, 7);
        _fund(CAROL_OWNER, CAROL, 10);
        _assertFree(CAROL, 7);
        _assertFree(DUST, 3);
        _assertQueue(0, 1, 1);
    }

    /* COLLECTING WHEN ASKED */

    function test_anyMemberHasDebtsCollected() public {
        _fund(CAROL_OWNER, CAROL, 12);
        _owe(1, OPERATOR_ACCOUNT, 10, 9);
        _owe(2, RIVAL_ACCOUNT, 5, 5);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtCollected(CAROL, 0, OPERATOR_ACCOUNT, 10, 9);
        vm.prank(BOB_OWNER);
        escrow.collect(CAROL, 5);
        _assertFree(CAROL, 2);
        _assertQueue(5, 1, 2);
    }

    function test_noMoreDebtsAreLookedAtThanAsked() public {
        _fund(CAROL_OWNER, CAROL, 12);
        _owe(1, OPERATOR_ACCOUNT, 1, 1);
        _owe(2, OPERATOR_ACCOUNT, 1, 1);
        vm.startPrank(BOB_OWNER);
        escrow.collect(CAROL, 0);
        _assertQueue(2, 0, 2);
        escrow.collect(CAROL, 1);
        _assertQueue(1, 1, 2);
        escrow.collect(CAROL, type(uint32).max);
        _assertQueue(0, 2, 2);
        escrow.collect(CAROL, type(uint32).max);
        escrow.collect(NOBODY, 1);
        vm.stopPrank();
        _assertFree(CAROL, 10);
    }

    function test_aStrangerCollectsNothing() public {
        vm.expectRevert(_notAMember(STRANGER));
        vm.prank(STRANGER);
        escrow.collect(CAROL, 1);
    }

    function test_moneySetApartOrLockedPaysNoDebt() public {
        _fund(CAROL_OWNER, CAROL, 30);
        _request(CAROL_OWNER, CAROL, 10);
        escrow.lock(CAROL, 11);
        _owe(1, OPERATOR_ACCOUNT, 10, 10);
        _collect(1);
        _assertQueue(10, 0, 1);
        _assertFree(CAROL, 9);
    }

    /* DEBTS AND DAILY CAPS */

    function test_whatIsCollectedCountsAgainstTheDailyCap() public {
        _fund(CAROL_OWNER, CAROL, 1000);
        _cap(100);
        _owe(1, OPERATOR_ACCOUNT, 60, 60);
        _owe(2, OPERATOR_ACCOUNT, 41, 41);
        _collect(9);
        _assertQueue(41, 1, 2);
        vm.assertEq(escrow.spendableOf(CAROL), 40);
        vm.warp(NOW + 1 days);
        _collect(9);
        _assertQueue(0, 2, 2);
        (, uint64 spent, uint24 day) = escrow.dailyCapOf(CAROL);
        vm.assertEq(spent, 41);
        vm.assertEq(day, NOW / 1 days + 1);
        _assertFree(CAROL, 899);
    }

    function test_aDepositPaysDebtsWhateverTheCap() public {
        _cap(1);
        _owe(1, OPERATOR_ACCOUNT, 60, 60);
        _fund(CAROL_OWNER, CAROL, 60);
        _assertQueue(0, 1, 1);
        _assertFree(CAROL, 0);
        vm.assertEq(escrow.spendableOf(CAROL), 0);
    }

    function test_somebodyElsesDepositPullsNoMoreOldMoneyThanTheCapLeaves() public {
        _fund(CAROL_OWNER, CAROL, 1000);
        _cap(100);
        _owe(1, OPERATOR_ACCOUNT, 111, 111);
        _depositByBob(10);
        _assertQueue(111, 0, 1);
        _assertFree(CAROL, 1010);
        _depositByBob(11);
        _assertQueue(0, 1, 1);
        _assertFree(CAROL, 910);
        // The cap is used up: further debts are paid from what comes in, and from nothing else.
        _owe(2, OPERATOR_ACCOUNT, 5, 5);
        _depositByBob(4);
        _assertQueue(5, 1, 2);
        _depositByBob(5);
        _assertQueue(0, 2, 2);
        _assertFree(CAROL, 914);
    }

    function testFuzz_oldMoneyIsCollectedWithinTheCapWhateverComesIn(uint64 capMicro, uint96 came, uint256 seed)
        public
    {
        capMicro = uint64(_between(capMicro, 1, 1200));
        came = uint96(_between(came, 1, 500));
        _fund(CAROL_OWNER, CAROL, 1000);
        _cap(capMicro);
        for (uint256 i; i < 5; ++i) {
            uint96 owed = uint96(_between(uint256(keccak256(abi.encode(seed, i))), 1, 400));
            _owe(uint32(i), OPERATOR_ACCOUNT, owed, owed);
        }
        _depositByBob(came);
        uint256 paid = 1000 + came - _free(CAROL);
        vm.assertTrue(paid <= uint256(capMicro) + came);
        vm.assertEq(_free(OPERATOR_ACCOUNT), RICH + paid);
    }

    /* LEAVING WITH DEBTS */

    function test_whatIsOwedIsNotWithdrawn() public {
        _fund(CAROL_OWNER, CAROL, 30);
        _owe(1, OPERATOR_ACCOUNT, 40, 40);
        _owe(2, OPERATOR_ACCOUNT, 2, 2);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, CAROL, 30, 43));
        _request(CAROL_OWNER, CAROL, 1);
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, CAROL, 30, 31));
        _request(CAROL_OWNER, CAROL, 29);
        _request(CAROL_OWNER, CAROL, 28);
        _collect(9);
        _assertFree(CAROL, 0);
        _assertQueue(0, 2, 2);
    }

    /* WRITING OFF */

    function test_aGovernorWritesADebtOff() public {
        _owe(1, OPERATOR_ACCOUNT, 10, 9);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtWrittenOff(CAROL, 0, OPERATOR_ACCOUNT, 10);
        _writeOff(0);
        _assertQueue(0, 0, 1);
        vm.assertEq(abi.encode(escrow.debtOf(CAROL, 0)), abi.encode(IEscrow.Debt(OPERATOR_ACCOUNT, 1, true, 0, 0)));
        vm.assertTrue(escrow.isClear(CAROL));
        _assertFree(OPERATOR_ACCOUNT, RICH);
    }

    function test_whatIsNotOwedIsNotWrittenOff() public {
        vm.expectRevert(_noDebt(0));
        _writeOff(0);
        _owe(1, OPERATOR_ACCOUNT, 10, 9);
        _writeOff(0);
        vm.expectRevert(_noDebt(0));
        _writeOff(0);
        _owe(2, OPERATOR_ACCOUNT, 10, 9);
        _fund(CAROL_OWNER, CAROL, 10);
        vm.expectRevert(_noDebt(1));
        _writeOff(1);
    }

    /* REDUCING */

    function test_aDebtIsReduced() public {
        _owe(1, OPERATOR_ACCOUNT, 10, 8);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtReduced(CAROL, 0, 4, 3);
        escrow.reduceDebt(CAROL, 0, 4, 3);
        _assertDebt(0, OPERATOR_ACCOUNT, 1, 6, 5);
        _assertQueue(6, 0, 1);
        escrow.reduceDebt(CAROL, 0, 6, 5);
        _assertQueue(0, 0, 1);
        vm.assertTrue(escrow.isClear(CAROL));
        _fund(CAROL_OWNER, CAROL, 3);
        _assertFree(CAROL, 3);
        _assertQueue(0, 1, 1);
    }

    function testFuzz_aDebtIsReducedByNoMoreThanIsOwed(uint96 owed, uint96 share, uint96 less, uint96 lessShare)
        public
    {
        owed = uint96(_between(owed, 1, 1 << 80));
        share = uint96(_between(share, 0, owed));
        less = uint96(_between(less, 0, uint256(owed) + 2));
        lessShare = uint96(_between(lessShare, 0, uint256(share) + 2));
        _owe(1, OPERATOR_ACCOUNT, owed, share);
        bool tooMuch = less > owed || lessShare > share;
        bool done = !tooMuch && share - lessShare <= owed - less;
        if (tooMuch) {
            vm.expectRevert(_panic(0x11));
        } else if (!done) {
            vm.expectRevert(abi.encodeWithSelector(IEscrow.ShareTooLarge.selector, owed - less, share - lessShare));
        }
        escrow.reduceDebt(CAROL, 0, less, lessShare);
        _assertDebt(0, OPERATOR_ACCOUNT, 1, done ? owed - less : owed, done ? share - lessShare : share);
        _assertQueue(done ? owed - less : owed, 0, 1);
        vm.assertEq(escrow.isClear(CAROL), done && less == owed);
    }

    function test_whatIsNotOwedIsNotReduced() public {
        vm.expectRevert(_noDebt(0));
        escrow.reduceDebt(CAROL, 0, 1, 1);
        _owe(1, OPERATOR_ACCOUNT, 10, 8);
        vm.expectRevert(_panic(0x11));
        escrow.reduceDebt(CAROL, 0, 11, 8);
        vm.expectRevert(_panic(0x11));
        escrow.reduceDebt(CAROL, 0, 10, 9);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ShareTooLarge.selector, 7, 8));
        escrow.reduceDebt(CAROL, 0, 3, 0);
        _assertDebt(0, OPERATOR_ACCOUNT, 1, 10, 8);
    }

    /* ANYTHING */

    /// @dev Debts come and go in any order; the escrow keeps what a plain list keeps.
    function testFuzz_theQueueIsThatOfAPlainList(uint256 seed) public {
        uint256 free;
        uint256 first;
        uint256[3] memory received;
        for (uint256 i; i < 24; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 what = random % 5;
            random >>= 8;
            if (what < 2) {
                uint96 owed = uint96(_between(random, 1, 50));
                uint24 creditor = random & 1 == 0 ? OPERATOR_ACCOUNT : RIVAL_ACCOUNT;
                _twin.push(Owed(creditor, owed, uint96(_between(random >> 100, 0, owed)), true));
                _owe(uint32(i), creditor, owed, _twin[_twin.length - 1].share);
            } else if (what == 2 && _twin.length != 0) {
                uint32 number = uint32(random % _twin.length);
                if (_twin[number].open) _writeOff(number);
                _twin[number].open = false;
            } else {
                uint96 came = uint96(_between(random, 1, 60));
                _fund(CAROL_OWNER, CAROL, came);
                (free, first) = _collected(free + came, first, received);
            }
            _assertFree(CAROL, free);
            _assertQueue(_owed(), first, _twin.length);
        }
        _assertFree(OPERATOR_ACCOUNT, RICH + received[0]);
        _assertFree(RIVAL_ACCOUNT, RICH + received[1]);
        _assertFree(DUST, received[2]);
        vm.assertEq(token.balanceOf(address(escrow)), _totalHeld());
    }

    function _collected(uint256 free, uint256 first, uint256[3] memory received) private returns (uint256, uint256) {
        for (uint256 i; i < 16 && first < _twin.length; ++i) {
            Owed storage debt = _twin[first];
            if (debt.open) {
                if (debt.owed > free) break;
                free -= debt.owed;
                received[debt.creditor == OPERATOR_ACCOUNT ? 0 : 1] += debt.share;
                received[2] += debt.owed - debt.share;
                debt.open = false;
            }
            ++first;
        }
        return (free, first);
    }

    function _owed() private view returns (uint256 owed) {
        for (uint256 i; i < _twin.length; ++i) {
            if (_twin[i].open) owed += _twin[i].owed;
        }
    }

    /* WHAT THE TESTS SHARE */

    /// @dev Carol owes.
    function _owe(uint32 batch, uint24 creditor, uint96 owedMicro, uint96 shareMicro) private {
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](1);
        debts[0] = IEscrow.NewDebt(CAROL, creditor, owedMicro, shareMicro);
        escrow.recordDebts(batch, debts);
    }

    function _collect(uint32 most) private {
        vm.prank(BOB_OWNER);
        escrow.collect(CAROL, most);
    }

    function _writeOff(uint32 number) private {
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, number);
    }

    function _cap(uint64 capMicro) private {
        vm.prank(CAROL_OWNER);
        escrow.setDailyCap(CAROL, capMicro);
    }

    function _approved(address owner, uint96 amount) private {
        _mint(owner, amount);
        vm.prank(owner);
        token.approve(address(escrow), amount);
    }

    function _depositByBob(uint96 amount) private {
        _approved(BOB_OWNER, amount);
        vm.prank(BOB_OWNER);
        escrow.deposit(CAROL, amount);
    }

    function _noDebt(uint32 number) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEscrow.NoDebt.selector, CAROL, number);
    }

    function _assertQueue(uint256 owedMicro, uint256 first, uint256 next) private view {
        (uint96 owed, uint32 firstOf, uint32 nextOf) = escrow.debtsOf(CAROL);
        vm.assertEq(owed, owedMicro, "owed");
        vm.assertEq(firstOf, first, "first debt");
        vm.assertEq(nextOf, next, "next debt");
    }

    function _assertDebt(uint32 number, uint24 creditor, uint32 batch, uint96 owedMicro, uint96 shareMicro)
        private
        view
    {
        vm.assertEq(
            abi.encode(escrow.debtOf(CAROL, number)),
            abi.encode(IEscrow.Debt(creditor, batch, false, owedMicro, shareMicro))
        );
    }
}
