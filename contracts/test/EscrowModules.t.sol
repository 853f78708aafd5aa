// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry, entryOf} from "../Entries.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {Base} from "./Base.sol";

/// @title A module that locks on behalf of a test.
contract Locker {
    IEscrow private immutable _escrow;

    constructor(IEscrow escrow_) {
        _escrow = escrow_;
    }

    function lock(uint24 account, uint96 amountMicro) external {
        _escrow.lock(account, amountMicro);
    }

    function release(uint24 account, uint24 to, uint96 amountMicro) external {
        _escrow.release(account, to, amountMicro);
    }
}

/// @title What modules may do with members' money. This contract is one of them.
contract EscrowModulesTest is Base {
    Locker private _other;

    function _proposeOtherModules() internal override {
        _other = new Locker(escrow);
        escrowGate.proposeModule(address(this));
        escrowGate.proposeModule(address(_other));
    }

    /* ENTRIES */

    function testFuzz_anEntryReadsBackAsItWasMade(uint24 account, uint96 debit, uint96 credit, uint40 own) public pure {
        Entry entry = entryOf(account, debit, credit);
        vm.assertEq(Entry.unwrap(entry), uint256(account) * 2 ** 232 + uint256(debit) * 2 ** 96 + credit);
        entry = Entry.wrap(Entry.unwrap(entry) | uint256(own) << 192);
        vm.assertEq(entry.accountOf(), account);
        vm.assertEq(entry.debitOf(), debit);
        vm.assertEq(entry.creditOf(), credit);
    }

    /* BATCHES */

    function test_aBatchMovesMoneyBetweenAccounts() public {
        escrow.applyBatch(_entries(_entry(ALICE, 70, 0), _entry(BOB, 0, 60), _entry(DUST, 0, 10)));
        _assertFree(ALICE, RICH - 70);
        _assertFree(BOB, RICH + 60);
        _assertFree(DUST, 10);
    }

    function testFuzz_onlyModulesMoveMoney(address caller) public {
        vm.assume(!escrowGate.isModule(caller));
        Entry[] memory entries = _entries(_entry(ALICE, 1, 0), _entry(BOB, 0, 1));
        vm.expectRevert(_notAModule(caller));
        vm.prank(caller);
        escrow.applyBatch(entries);
    }

    function test_aBatchThatDoesNotSumToZeroIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Unbalanced.selector, int256(1)));
        escrow.applyBatch(_entries(_entry(ALICE, 70, 0), _entry(BOB, 0, 71)));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Unbalanced.selector, int256(1)));
        escrow.applyBatch(_entries(_entry(ALICE, 0, 0), _entry(BOB, 0, 1)));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Unbalanced.selector, -int256(7)));
        escrow.applyBatch(_entries(_entry(ALICE, 70, 0), _entry(BOB, 0, 63)));
        _assertFree(ALICE, RICH);
    }

    function test_anUnknownAccountIsInNoBatch() public {
        vm.expectRevert(_unknownAccount(NOBODY));
        escrow.applyBatch(_entries(_entry(ALICE, 70, 0), _entry(NOBODY, 0, 70)));
        vm.expectRevert(_unknownAccount(0));
        escrow.applyBatch(_entries(_entry(ALICE, 0, 0), _entry(0, 0, 0)));
    }

    function test_whileItIsPausedNoBatchIsApplied() public {
        vm.prank(GOVERNOR);
        escrow.pause();
        vm.expectRevert(_isPaused());
        escrow.applyBatch(new Entry[](0));
    }

    function test_aPayerThatCannotPayStopsTheWholeBatchAndIsNamed() public {
        Entry[] memory entries = _entries(_entry(ALICE, 70, 0), _entry(CAROL, 1, 0), _entry(BOB, 0, 71));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, CAROL, 0, 1));
        escrow.applyBatch(entries);
        _assertInsolvent(entries, CAROL);
        _assertFree(ALICE, RICH);
        _assertFree(BOB, RICH);
    }

    function test_incomeOfTheSameEntryPaysNoDebit() public {
        Entry[] memory entries = _entries(_entry(ALICE, 70, 0), _entry(CAROL, 1, 70), _entry(BOB, 0, 1));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, CAROL, 0, 1));
        escrow.applyBatch(entries);
        _assertInsolvent(entries, CAROL);
    }

    function test_moneySetApartOrLockedPaysNoDebit() public {
        _request(ALICE_OWNER, ALICE, RICH - 100);
        escrow.lock(ALICE, 31);
        Entry[] memory entries = _entries(_entry(ALICE, 70, 0), _entry(BOB, 0, 70));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, ALICE, 69, 70));
        escrow.applyBatch(entries);
        _assertInsolvent(entries, ALICE);
        escrow.applyBatch(_entries(_entry(ALICE, 69, 0), _entry(BOB, 0, 69)));
        (uint96 requested,) = escrow.withdrawalOf(ALICE);
        vm.assertEq(requested, RICH - 100);
        vm.assertEq(escrow.lockedOf(ALICE), 31);
        _assertFree(ALICE, 0);
    }

    function test_aBalanceThatWouldNotFitIsRefused() public {
        _fund(CAROL_OWNER, CAROL, type(uint96).max);
        vm.expectRevert(_panic(1));
        escrow.applyBatch(_entries(_entry(ALICE, 1, 0), _entry(CAROL, 0, 1)));
    }

    function test_everybodyWhoCannotPayIsNamed() public {
        vm.prank(BOB_OWNER);
        escrow.setDailyCap(BOB, 5);
        Entry[] memory entries = _entries(_entry(CAROL, 1, 0), _entry(ALICE, RICH, 0), _entry(BOB, 6, 0));
        uint24[] memory insolvent = escrow.insolventOf(entries);
        vm.assertEq(insolvent.length, 2);
        vm.assertTrue((insolvent[0] == CAROL && insolvent[1] == BOB) || (insolvent[0] == BOB && insolvent[1] == CAROL));
        vm.assertEq(escrow.insolventOf(new Entry[](0)).length, 0);
    }

    function testFuzz_aBatchConservesMoneyAndNamesExactlyWhoCannotPay(
        uint256 aliceDebit,
        uint256 bobDebit,
        uint256 carolDebit,
        uint256 share
    ) public {
        uint96[3] memory debits = [
            uint96(_between(aliceDebit, 0, RICH + RICH / 4)),
            uint96(_between(bobDebit, 0, RICH + RICH / 4)),
            uint96(_between(carolDebit, 0, 1))
        ];
        uint96 all = debits[0] + debits[1] + debits[2];
        uint96 toAlice = uint96(_between(share, 0, all));
        Entry[] memory entries = _entries(
            _entry(ALICE, debits[0], toAlice), _entry(BOB, debits[1], all - toAlice), _entry(CAROL, debits[2], 0)
        );
        uint256 total = _totalFree();
        bool[3] memory poor = [debits[0] > RICH, debits[1] > RICH, debits[2] > 0];
        uint256 count;
        for (uint256 i = 3; i > 0; --i) {
            if (!poor[i - 1]) continue;
            ++count;
            uint24 account = i == 1 ? ALICE : i == 2 ? BOB : CAROL;
            // The first of them is the one that applyBatch stops at.
            if (!poor[0] && (i != 3 || !poor[1]) || i == 1) {
                vm.expectRevert(
                    abi.encodeWithSelector(IEscrow.Insolvent.selector, account, i == 3 ? 0 : RICH, debits[i - 1])
                );
                escrow.applyBatch(entries);
            }
        }
        vm.assertEq(escrow.insolventOf(entries).length, count);
        if (count == 0) escrow.applyBatch(entries);
        _assertFree(ALICE, count == 0 ? RICH - debits[0] + toAlice : RICH);
        vm.assertEq(_totalFree(), total);
    }

    /// @dev A module that names an account twice makes and takes no money, and nobody pays what it does not have.
    function testFuzz_anAccountNamedTwiceMakesNoMoney(uint256 seed) public {
        uint24[4] memory names = [ALICE, BOB, ALICE, CAROL];
        uint96[4] memory debits;
        uint96 all;
        for (uint256 i; i < 4; ++i) {
            debits[i] = uint96(_between(uint256(keccak256(abi.encode(seed, i))), 0, i == 3 ? 1 : RICH * 2 / 3));
            all += debits[i];
        }
        Entry[] memory entries = new Entry[](4);
        uint96 left = all;
        for (uint256 i; i < 4; ++i) {
            uint96 credit = i == 3 ? left : uint96(_between(uint256(keccak256(abi.encode(i, seed))), 0, left));
            left -= credit;
            entries[i] = _entry(names[i], debits[i], credit);
        }
        uint256[ACCOUNTS + 1] memory twin;
        bool applied = _twin(entries, twin);
        uint256 total = _totalFree();
        (bool done,) = address(escrow).call(abi.encodeCall(IEscrow.applyBatch, (entries)));
        vm.assertEq(done, applied);
        vm.assertEq(_totalFree(), total);
        for (uint24 account = ALICE; account <= CAROL; ++account) {
            _assertFree(account, applied ? twin[account] : account == CAROL ? 0 : RICH);
        }
    }

    /// @dev Entries applied one behind the other, each debit from what is there by then.
    function _twin(Entry[] memory entries, uint256[ACCOUNTS + 1] memory free) private pure returns (bool) {
        (free[ALICE], free[BOB]) = (RICH, RICH);
        for (uint256 i; i < entries.length; ++i) {
            uint24 account = entries[i].accountOf();
            if (free[account] < entries[i].debitOf()) return false;
            free[account] = free[account] - entries[i].debitOf() + entries[i].creditOf();
        }
        return true;
    }

    function _assertInsolvent(Entry[] memory entries, uint24 account) private view {
        uint24[] memory insolvent = escrow.insolventOf(entries);
        vm.assertEq(insolvent.length, 1);
        vm.assertEq(insolvent[0], account);
    }

    /* DAILY CAPS */

    function test_anOwnerCapsWhatSettlementTakesWithinADay() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.DailyCapSet(ALICE, 100);
        _cap(100);
        _assertCap(100, 0, 0);
        vm.assertEq(escrow.spendableOf(ALICE), 100);
        _assertFree(ALICE, RICH);
        _pay(60);
        _assertCap(100, 60, NOW / 1 days);
        vm.assertEq(escrow.spendableOf(ALICE), 40);
    }

    function test_exactlyTheCapIsTakenAndNotOneMore() public {
        _cap(100);
        _pay(60);
        Entry[] memory entries = _entries(_entry(ALICE, 41, 0), _entry(BOB, 0, 41));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, ALICE, 40, 41));
        escrow.applyBatch(entries);
        _assertInsolvent(entries, ALICE);
        _pay(40);
        vm.assertEq(escrow.spendableOf(ALICE), 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, ALICE, 0, 1));
        escrow.applyBatch(_entries(_entry(ALICE, 1, 0), _entry(BOB, 0, 1)));
    }

    function test_theCapStartsAnewAtMidnightUtc() public {
        _cap(100);
        uint40 midnight = (NOW / 1 days + 1) * 1 days;
        vm.warp(midnight - 1);
        _pay(100);
        vm.assertEq(escrow.spendableOf(ALICE), 0);
        vm.warp(midnight);
        vm.assertEq(escrow.spendableOf(ALICE), 100);
        _pay(99);
        _assertCap(100, 99, midnight / 1 days);
        vm.assertEq(escrow.spendableOf(ALICE), 1);
    }

    function test_aCapBelowWhatWasSpentLeavesNothing() public {
        _cap(100);
        _pay(60);
        _cap(50);
        vm.assertEq(escrow.spendableOf(ALICE), 0);
        _cap(61);
        vm.assertEq(escrow.spendableOf(ALICE), 1);
        _cap(0);
        vm.assertEq(escrow.spendableOf(ALICE), RICH - 60);
    }

    function test_aCapAboveTheBalanceLeavesTheBalance() public {
        _cap(type(uint64).max);
        vm.assertEq(escrow.spendableOf(ALICE), RICH);
        _request(ALICE_OWNER, ALICE, RICH - 7);
        vm.assertEq(escrow.spendableOf(ALICE), 7);
    }

    function test_aCapHoldsNobodyFromWithdrawing() public {
        _cap(1);
        _request(ALICE_OWNER, ALICE, RICH);
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.prank(ALICE_OWNER);
        escrow.withdraw(ALICE);
        vm.assertEq(token.balanceOf(ALICE_OWNER), RICH);
    }

    function test_whatIsReceivedDoesNotCountAgainstTheCap() public {
        _cap(100);
        escrow.applyBatch(_entries(_entry(ALICE, 60, 500), _entry(BOB, 500, 60)));
        _assertCap(100, 60, NOW / 1 days);
        _assertFree(ALICE, RICH + 440);
    }

    function test_whatWasSpentWithoutACapDoesNotCount() public {
        _pay(60);
        _assertCap(0, 0, 0);
        _cap(100);
        vm.assertEq(escrow.spendableOf(ALICE), 100);
    }

    /// @dev Payments, days and caps in any order, against a plain count.
    function testFuzz_noMoreThanTheCapIsTakenWithinADay(uint256 seed) public {
        uint256 free = RICH;
        uint256 spent;
        uint256 day;
        uint40 time = NOW;
        uint64 capMicro;
        for (uint256 i; i < 12; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 4 == 0) time += uint40(random >> 200) % 30 hours;
            vm.warp(time);
            if (random % 5 == 0) {
                capMicro = uint64(random >> 8) % 3 == 0 ? 0 : uint64(random >> 16) % 1000;
                _cap(capMicro);
            }
            if (time / 1 days != day) (day, spent) = (time / 1 days, 0);
            uint96 amount = uint96(_between(random >> 80, 1, 600));
            uint256 left = capMicro == 0 ? free : spent < capMicro ? capMicro - spent : 0;
            vm.assertEq(escrow.spendableOf(ALICE), left);
            if (amount > left) {
                vm.expectRevert(abi.encodeWithSelector(IEscrow.Insolvent.selector, ALICE, left, amount));
            }
            escrow.applyBatch(_entries(_entry(ALICE, amount, 0), _entry(BOB, 0, amount)));
            if (amount > left) continue;
            free -= amount;
            if (capMicro != 0) spent += amount;
            _assertFree(ALICE, free);
        }
    }

    function _cap(uint64 capMicro) private {
        vm.prank(ALICE_OWNER);
        escrow.setDailyCap(ALICE, capMicro);
    }

    function _pay(uint96 amount) private {
        escrow.applyBatch(_entries(_entry(ALICE, amount, 0), _entry(BOB, 0, amount)));
    }

    function _assertCap(uint256 cap, uint256 spent, uint256 day) private view {
        (uint64 capMicro, uint64 spentMicro, uint24 spentOn) = escrow.dailyCapOf(ALICE);
        vm.assertEq(capMicro, cap);
        vm.assertEq(spentMicro, spent);
        vm.assertEq(spentOn, day);
    }

    /* LOCKS */

    function test_aModuleLocksAndReleases() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.Locked(ALICE, address(this), 30);
        escrow.lock(ALICE, 30);
        _assertFree(ALICE, RICH - 30);
        vm.assertEq(escrow.lockedOf(ALICE), 30);
        vm.expectEmit(address(escrow));
        emit IEscrow.Released(ALICE, address(this), ALICE, 10);
        escrow.release(ALICE, ALICE, 10);
        vm.expectEmit(address(escrow));
        emit IEscrow.Released(ALICE, address(this), BOB, 20);
        escrow.release(ALICE, BOB, 20);
        _assertFree(ALICE, RICH - 20);
        _assertFree(BOB, RICH + 20);
        vm.assertEq(escrow.lockedOf(ALICE), 0);
    }

    function test_noMoreIsLockedThanIsFree() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, ALICE, RICH, uint256(RICH) + 1));
        escrow.lock(ALICE, RICH + 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, CAROL, 0, 1));
        escrow.lock(CAROL, 1);
    }

    function test_aModuleReleasesOnlyWhatItLocked() public {
        _other.lock(ALICE, 30);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientLocked.selector, ALICE, address(this), 0, 1));
        escrow.release(ALICE, ALICE, 1);
        escrow.lock(ALICE, 5);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientLocked.selector, ALICE, address(this), 5, 6));
        escrow.release(ALICE, BOB, 6);
        vm.assertEq(escrow.lockedOf(ALICE), 35);
    }

    function test_lockedMoneyGoesToNobodyUnknown() public {
        escrow.lock(ALICE, 30);
        vm.expectRevert(_unknownAccount(NOBODY));
        escrow.release(ALICE, NOBODY, 30);
        vm.expectRevert(_unknownAccount(0));
        escrow.release(ALICE, 0, 30);
    }

    function test_whilePausedNothingIsLockedAndEverythingReleased() public {
        escrow.lock(ALICE, 30);
        vm.prank(GOVERNOR);
        escrow.pause();
        vm.expectRevert(_isPaused());
        escrow.lock(ALICE, 1);
        escrow.release(ALICE, ALICE, 30);
        _assertFree(ALICE, RICH);
    }

    function test_whatARemovedModuleHadLockedIsReclaimedByTheOwner() public {
        escrow.lock(ALICE, 30);
        _other.lock(ALICE, 7);
        _remove(address(this));
        vm.expectRevert(_notAModule(address(this)));
        escrow.release(ALICE, BOB, 30);
        vm.expectEmit(address(escrow));
        emit IEscrow.Released(ALICE, address(this), ALICE, 30);
        vm.prank(ALICE_OWNER);
        escrow.reclaim(ALICE, address(this));
        _assertFree(ALICE, RICH - 7);
        vm.assertEq(escrow.lockedOf(ALICE), 7);
    }

    function test_whatAnActiveModuleLockedIsNotReclaimed() public {
        escrow.lock(ALICE, 30);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ModuleStillActive.selector, address(this)));
        vm.prank(ALICE_OWNER);
        escrow.reclaim(ALICE, address(this));
    }

    function test_nothingIsReclaimedTwiceOrByAnybodyElse() public {
        escrow.lock(ALICE, 30);
        _remove(address(this));
        vm.expectRevert(_notAccountOwner(BOB_OWNER, ALICE));
        vm.prank(BOB_OWNER);
        escrow.reclaim(ALICE, address(this));
        vm.startPrank(ALICE_OWNER);
        escrow.reclaim(ALICE, address(this));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        escrow.reclaim(ALICE, address(this));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ZeroAmount.selector));
        vm.prank(BOB_OWNER);
        escrow.reclaim(BOB, address(this));
        _assertFree(ALICE, RICH);
    }

    function testFuzz_locksOfTwoModulesAreKeptApart(uint256 seed) public {
        uint256[2] memory locked;
        uint256 toBob;
        for (uint256 i; i < 16; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 who = random & 1;
            bool release = random & 2 != 0;
            bool forBob = random & 4 != 0;
            uint96 amount = uint96(_between(random >> 8, 0, release ? locked[who] : 1000));
            if (release) {
                uint24 to = forBob ? BOB : ALICE;
                who == 0 ? escrow.release(ALICE, to, amount) : _other.release(ALICE, to, amount);
                locked[who] -= amount;
                if (forBob) toBob += amount;
            } else {
                who == 0 ? escrow.lock(ALICE, amount) : _other.lock(ALICE, amount);
                locked[who] += amount;
            }
            vm.assertEq(escrow.lockedOf(ALICE), locked[0] + locked[1]);
            _assertFree(ALICE, RICH - toBob - locked[0] - locked[1]);
            _assertFree(BOB, RICH + toBob);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IEscrow.InsufficientLocked.selector, ALICE, address(this), locked[0], locked[0] + 1)
        );
        escrow.release(ALICE, ALICE, uint96(locked[0] + 1));
    }

    function _remove(address module) private {
        vm.prank(GOVERNOR);
        escrowGate.removeModule(module);
    }
}
