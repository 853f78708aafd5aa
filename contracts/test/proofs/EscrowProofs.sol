// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry, entryOf} from "../../Entries.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {ProofBase} from "./ProofBase.sol";

/// @title What the proofs call of Escrow.
interface IGatedEscrow is IEscrow, IModuleGate {}

/// @title Proofs over Escrow.applyBatch, for batches of one entry or two with any debits and credits.
/// @notice Each entry of a longer batch goes through the same steps in turn.
contract EscrowProofs is ProofBase {
    uint256 private constant ENTRIES = 2;
    /// @dev Some time; whatever the escrow keeps of times may lie before or behind it.
    uint40 private constant NOW = 1_800_000_000;

    uint24 private constant PAYER = 6;
    uint24 private constant OTHER = 7;

    IGatedEscrow private escrow;

    function setUp() public {
        vm.warp(NOW);
        address accounts = _anyAccounts();
        address token = _deploy("SettlementToken", abi.encode(accounts));
        escrow = IGatedEscrow(_deploy("Escrow", abi.encode(accounts, token, uint40(1 days), uint40(7 days))));
        symbolic.enableSymbolicStorage(address(escrow));
    }

    /// @dev Which accounts they are makes no difference to the code: two numbers stand for any two, and so the proof
    ///      ends in time. Neither has a daily cap; what a cap does is the subject of a proof below.
    function check_anAppliedBatchConservesTheSumOfBalances(uint96[2] memory debits, uint96[2] memory credits) public {
        Entry[ENTRIES] memory entries = [entryOf(PAYER, debits[0], credits[0]), entryOf(OTHER, debits[1], credits[1])];
        _assumeUncapped(PAYER);
        _assumeUncapped(OTHER);
        (uint256 payer, uint256 other) = (escrow.freeOf(PAYER), escrow.freeOf(OTHER));
        vm.assume(_apply(entries));
        uint256 payerAfter = escrow.freeOf(PAYER);
        uint256 otherAfter = escrow.freeOf(OTHER);
        assert(payerAfter == _after(payer, entries[0]));
        assert(otherAfter == _after(other, entries[1]));
        assert(payerAfter + otherAfter == payer + other);
    }

    /// @dev An account without a cap may stand in a batch twice.
    function check_aBatchOfOneAccountLeavesItsBalance(uint96[2] memory debits, uint96[2] memory credits) public {
        Entry[ENTRIES] memory entries = [entryOf(PAYER, debits[0], credits[0]), entryOf(PAYER, debits[1], credits[1])];
        _assumeUncapped(PAYER);
        uint256 before = escrow.freeOf(PAYER);
        vm.assume(_apply(entries));
        _assertBalanced(entries);
        assert(escrow.freeOf(PAYER) == _after(_after(before, entries[0]), entries[1]));
        assert(escrow.freeOf(PAYER) == before);
    }

    /// @dev With one entry, which others leave alone, as a proof below says.
    function check_anAppliedBatchTakesNoMoreThanTheDailyCapLeaves(Entry entry) public {
        (uint64 capMicro, uint64 spentMicro, uint24 day) = escrow.dailyCapOf(entry.accountOf());
        vm.assume(capMicro != 0);
        vm.assume(_apply(_list(entry)));
        uint256 spentToday = (day == NOW / 1 days ? spentMicro : 0) + entry.debitOf();
        (uint64 capAfter, uint64 spentAfter, uint24 dayAfter) = escrow.dailyCapOf(entry.accountOf());
        assert(capAfter == capMicro);
        if (entry.debitOf() != 0) {
            assert(spentToday <= capMicro && dayAfter == NOW / 1 days && spentAfter == spentToday);
        }
    }

    function check_exactlyThoseWhoCannotPayAreNamed(Entry[ENTRIES] memory entries) public view {
        uint256 poor;
        for (uint256 i; i < ENTRIES; ++i) {
            if (escrow.spendableOf(entries[i].accountOf()) < entries[i].debitOf()) ++poor;
        }
        assert(escrow.insolventOf(_list(entries)).length == poor);
    }

    /// @dev With one entry: what another one does is no different.
    function check_aBatchLeavesEverybodyElseAlone(Entry entry, uint24 other) public {
        vm.assume(other != entry.accountOf());
        uint96 before = escrow.freeOf(other);
        vm.assume(_apply(_list(entry)));
        assert(escrow.freeOf(other) == before);
    }

    function check_aBatchLeavesWhatIsNotFreeAlone(Entry entry, uint24 account) public {
        (uint96 requestedBefore, uint40 availableBefore) = escrow.withdrawalOf(account);
        uint96 lockedBefore = escrow.lockedOf(account);
        (uint96 owedBefore,,) = escrow.debtsOf(account);
        vm.assume(_apply(_list(entry)));
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

    function _apply(Entry[ENTRIES] memory entries) private returns (bool applied) {
        return _apply(_list(entries));
    }

    /// @return applied false if it reverted, and so changed nothing
    function _apply(Entry[] memory entries) private returns (bool applied) {
        vm.assume(escrow.isModule(address(this)));
        (applied,) = _try(address(escrow), abi.encodeCall(IEscrow.applyBatch, (entries)));
    }

    function _list(Entry entry) private pure returns (Entry[] memory list) {
        list = new Entry[](1);
        list[0] = entry;
    }

    function _list(Entry[ENTRIES] memory entries) private pure returns (Entry[] memory list) {
        list = new Entry[](ENTRIES);
        for (uint256 i; i < ENTRIES; ++i) {
            list[i] = entries[i];
        }
    }

    function _assumeUncapped(uint24 account) private view {
        (uint64 capMicro,,) = escrow.dailyCapOf(account);
        vm.assume(capMicro == 0);
    }

    function _assertBalanced(Entry[ENTRIES] memory entries) private pure {
        unchecked {
            uint256 debitsMicro = entries[0].debitOf() + entries[1].debitOf();
            assert(debitsMicro == entries[0].creditOf() + entries[1].creditOf());
        }
    }

    /// @dev Asserts that the account could pay.
    function _after(uint256 freeMicro, Entry entry) private pure returns (uint256) {
        assert(entry.debitOf() <= freeMicro);
        unchecked {
            return freeMicro - entry.debitOf() + entry.creditOf();
        }
    }
}
