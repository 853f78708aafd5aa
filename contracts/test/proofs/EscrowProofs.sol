// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry} from "../../Entries.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {ProofBase} from "./ProofBase.sol";

/// @title What the proofs call of Escrow.
interface IGatedEscrow is IEscrow, IModuleGate {}

/// @title Proofs over Escrow.applyBatch, for batches of two entries with any accounts, debits and credits.
/// @notice Both entries may be of one account. Each entry of a longer batch goes through the same steps in turn.
contract EscrowProofs is ProofBase {
    uint256 private constant ENTRIES = 2;
    /// @dev Some time; whatever the escrow keeps of times may lie before or behind it.
    uint40 private constant NOW = 1_800_000_000;

    IGatedEscrow private escrow;

    function setUp() public {
        vm.warp(NOW);
        address accounts = _anyAccounts();
        address token = _deploy("SettlementToken", abi.encode(accounts));
        escrow = IGatedEscrow(_deploy("Escrow", abi.encode(accounts, token, uint40(1 days), uint40(7 days))));
        symbolic.enableSymbolicStorage(address(escrow));
    }

    /// @dev The last assertion adds up what each balance was found to be after the batch, each account once.
    function check_anAppliedBatchConservesTheSumOfBalances(Entry[ENTRIES] memory entries) public {
        uint256[ENTRIES] memory before = _balancesOf(entries);
        vm.assume(_apply(entries));
        uint256 sumBefore;
        uint256 sumAfter;
        unchecked {
            for (uint256 i; i < ENTRIES; ++i) {
                uint256 moved = before[i];
                for (uint256 j; j < ENTRIES; ++j) {
                    if (_same(entries[i], entries[j])) moved += entries[j].creditOf() - entries[j].debitOf();
                }
                assert(_freeOf(entries[i]) == moved);
                if (i == 0 || !_same(entries[i], entries[0])) {
                    sumBefore += before[i];
                    sumAfter += moved;
                }
            }
        }
        assert(sumAfter == sumBefore);
    }

    /// @dev A payer's second entry can spend what its first one brought.
    function check_anAppliedBatchPaysNobodyBelowZero(Entry[ENTRIES] memory entries) public {
        uint256[ENTRIES] memory before = _balancesOf(entries);
        vm.assume(_apply(entries));
        assert(entries[0].debitOf() <= before[0]);
        uint256 gained = _same(entries[0], entries[1]) ? entries[0].creditOf() : 0;
        uint256 spent = _same(entries[0], entries[1]) ? entries[0].debitOf() : 0;
        assert(spent + entries[1].debitOf() <= before[1] + gained);
    }

    function check_anAppliedBatchTakesNoMoreThanTheDailyCapLeaves(Entry[ENTRIES] memory entries) public {
        (uint64 capMicro, uint64 spentMicro, uint24 day) = escrow.dailyCapOf(entries[0].accountOf());
        uint256 today = NOW / 1 days;
        uint256 spentToday = day == today ? spentMicro : 0;
        vm.assume(capMicro != 0);
        vm.assume(_apply(entries));
        uint256 debitMicro = entries[0].debitOf();
        if (_same(entries[0], entries[1])) debitMicro += entries[1].debitOf();
        assert(debitMicro == 0 || spentToday + debitMicro <= capMicro);
        (uint64 capAfter, uint64 spentAfter, uint24 dayAfter) = escrow.dailyCapOf(entries[0].accountOf());
        assert(capAfter == capMicro);
        if (debitMicro != 0) assert(dayAfter == today && spentAfter == spentToday + debitMicro);
    }

    function check_aBatchThatIsNotAppliedChangesNoBalance(Entry[ENTRIES] memory entries) public {
        uint256[ENTRIES] memory before = _balancesOf(entries);
        vm.assume(!_apply(entries));
        for (uint256 i; i < ENTRIES; ++i) {
            assert(_freeOf(entries[i]) == before[i]);
        }
    }

    /// @dev With one entry for each account. That an account is unknown or the sums differ is another matter.
    function check_aBatchNamesExactlyThoseWhoCannotPay(Entry[ENTRIES] memory entries) public {
        vm.assume(!_same(entries[0], entries[1]));
        uint256 poor;
        for (uint256 i; i < ENTRIES; ++i) {
            if (escrow.spendableOf(entries[i].accountOf()) < entries[i].debitOf()) ++poor;
        }
        assert(escrow.insolventOf(_list(entries)).length == poor);
        if (_apply(entries)) assert(poor == 0);
    }

    function check_aBatchLeavesEverybodyElseAlone(Entry[ENTRIES] memory entries, uint24 other) public {
        for (uint256 i; i < ENTRIES; ++i) {
            vm.assume(other != entries[i].accountOf());
        }
        uint96 before = escrow.freeOf(other);
        _apply(entries);
        assert(escrow.freeOf(other) == before);
    }

    function check_aBatchLeavesWhatIsNotFreeAlone(Entry[ENTRIES] memory entries, uint24 account) public {
        (uint96 requestedBefore, uint40 availableBefore) = escrow.withdrawalOf(account);
        uint96 lockedBefore = escrow.lockedOf(account);
        (uint96 owedBefore,,) = escrow.debtsOf(account);
        _apply(entries);
        (uint96 requestedMicro, uint40 availableAt) = escrow.withdrawalOf(account);
        (uint96 owedMicro,,) = escrow.debtsOf(account);
        assert(requestedMicro == requestedBefore && availableAt == availableBefore);
        assert(escrow.lockedOf(account) == lockedBefore && owedMicro == owedBefore);
    }

    function check_onlyModulesApplyABatch(Entry[ENTRIES] memory entries, address caller, uint40 time) public {
        vm.warp(time);
        vm.assume(!escrow.isModule(caller));
        bytes memory data = abi.encodeCall(IEscrow.applyBatch, (_list(entries)));
        vm.prank(caller);
        (bool done,) = _try(address(escrow), data);
        assert(!done);
    }

    /* WHAT THE PROOFS SHARE */

    /// @return applied false if it reverted
    function _apply(Entry[ENTRIES] memory entries) private returns (bool applied) {
        vm.assume(escrow.isModule(address(this)));
        (applied,) = _try(address(escrow), abi.encodeCall(IEscrow.applyBatch, (_list(entries))));
    }

    function _list(Entry[ENTRIES] memory entries) private pure returns (Entry[] memory list) {
        list = new Entry[](ENTRIES);
        for (uint256 i; i < ENTRIES; ++i) {
            list[i] = entries[i];
        }
    }

    function _balancesOf(Entry[ENTRIES] memory entries) private view returns (uint256[ENTRIES] memory balances) {
        for (uint256 i; i < ENTRIES; ++i) {
            balances[i] = _freeOf(entries[i]);
        }
    }

    function _freeOf(Entry entry) private view returns (uint256) {
        return escrow.freeOf(entry.accountOf());
    }

    function _same(Entry one, Entry other) private pure returns (bool) {
        return one.accountOf() == other.accountOf();
    }
}
