// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {NamedAccounts} from "../../Roles.sol";
import {ProofBase} from "./ProofBase.sol";

/// @title What the proofs call of Escrow.
interface IMoney is IEscrow, IModuleGate {}

/// @title Proofs over the verbs of Escrow that move money of one account: requests, locks and debts.
contract MoneyProofs is ProofBase {
    /// What the escrow keeps of an account, micro-euro.
    struct Money {
        uint256 freeMicro;
        uint256 requestedMicro;
        uint256 lockedMicro;
    }

    IMoney private escrow;
    IERC20 private token;

    function setUp() public {
        address accounts = _anyAccounts();
        token = IERC20(_deploy("SettlementToken", abi.encode(accounts)));
        symbolic.enableSymbolicStorage(address(token));
        escrow = IMoney(_deploy("Escrow", abi.encode(accounts, token, uint40(1 days), uint40(7 days))));
        symbolic.enableSymbolicStorage(address(escrow));
    }

    function check_aRequestMovesMoneyFromFreeToRequested(uint24 account, uint96 amountMicro, uint40 time) public {
        vm.warp(time);
        Money memory before = _moneyOf(account);
        _call(abi.encodeCall(IEscrow.requestWithdrawal, (account, amountMicro)));
        Money memory later = _moneyOf(account);
        assert(later.freeMicro + amountMicro == before.freeMicro);
        assert(later.requestedMicro == amountMicro && before.requestedMicro == 0);
        assert(later.lockedMicro == before.lockedMicro);
        (uint96 owedMicro,,) = escrow.debtsOf(account);
        assert(later.freeMicro >= owedMicro);
    }

    function check_aCancelledRequestIsFreeAgain(uint24 account, uint40 time) public {
        vm.warp(time);
        Money memory before = _moneyOf(account);
        _call(abi.encodeCall(IEscrow.cancelWithdrawal, (account)));
        Money memory later = _moneyOf(account);
        assert(later.freeMicro == before.freeMicro + before.requestedMicro);
        assert(later.requestedMicro == 0 && before.requestedMicro != 0);
        assert(later.lockedMicro == before.lockedMicro);
    }

    /// @dev The token does not check that what an owner receives fits, because its supply does.
    function check_aWithdrawalPaysExactlyWhatWasRequested(uint24 account, address owner, uint40 time) public {
        vm.warp(time);
        vm.assume(owner != address(escrow));
        Money memory before = _moneyOf(account);
        (uint256 ownedBefore, uint256 heldBefore) = (token.balanceOf(owner), token.balanceOf(address(escrow)));
        (, uint40 availableAt) = escrow.withdrawalOf(account);
        bytes memory data = abi.encodeCall(IEscrow.withdraw, (account));
        vm.prank(owner);
        _call(data);
        Money memory later = _moneyOf(account);
        assert(later.requestedMicro == 0 && before.requestedMicro != 0);
        assert(later.freeMicro == before.freeMicro && later.lockedMicro == before.lockedMicro);
        assert(token.balanceOf(address(escrow)) == heldBefore - before.requestedMicro);
        unchecked {
            assert(token.balanceOf(owner) == ownedBefore + before.requestedMicro);
        }
        assert(availableAt <= time && escrow.frozenUntil() <= time);
    }

    function check_lockedMoneyIsNoLongerFree(uint24 account, uint96 amountMicro, uint40 time) public {
        vm.warp(time);
        Money memory before = _moneyOf(account);
        _call(abi.encodeCall(IEscrow.lock, (account, amountMicro)));
        Money memory later = _moneyOf(account);
        assert(later.freeMicro + amountMicro == before.freeMicro);
        assert(later.lockedMicro == before.lockedMicro + amountMicro);
        assert(later.requestedMicro == before.requestedMicro);
    }

    function check_releasedMoneyIsFreeForWhomItIsReleased(uint24 account, uint24 to, uint96 amountMicro, uint40 time)
        public
    {
        vm.warp(time);
        Money memory before = _moneyOf(account);
        uint256 freeBefore = escrow.freeOf(to);
        _call(abi.encodeCall(IEscrow.release, (account, to, amountMicro)));
        Money memory later = _moneyOf(account);
        assert(later.lockedMicro + amountMicro == before.lockedMicro);
        assert(escrow.freeOf(to) == freeBefore + amountMicro);
        assert(account == to || later.freeMicro == before.freeMicro);
        assert(later.requestedMicro == before.requestedMicro);
    }

    function check_collectingMovesExactlyWhatIsOwed(uint24 debtor, uint24 other, uint40 time) public {
        vm.warp(time);
        // The compiler worked this account's slot out; halmos only knows it once it has seen it worked out.
        escrow.freeOf(NamedAccounts.DUST);
        (, uint32 first,) = escrow.debtsOf(debtor);
        IEscrow.Debt memory debt = escrow.debtOf(debtor, first);
        // What is recorded and what is taken off see to that.
        vm.assume(debt.shareMicro <= debt.owedMicro);
        uint256 expected = escrow.freeOf(other);
        _call(abi.encodeCall(IEscrow.collect, (debtor, 1)));
        (, uint32 firstAfter,) = escrow.debtsOf(debtor);
        if (firstAfter != first) {
            if (other == debtor) expected -= debt.owedMicro;
            if (other == debt.creditor) expected += debt.shareMicro;
            if (other == NamedAccounts.DUST) expected += debt.owedMicro - debt.shareMicro;
            assert(escrow.debtOf(debtor, first).owedMicro == 0);
        }
        assert(escrow.freeOf(other) == expected);
    }

    function check_aDebtIsCollectedOnlyOnce(uint24 debtor, uint40 time) public {
        vm.warp(time);
        (uint96 owedBefore, uint32 first,) = escrow.debtsOf(debtor);
        IEscrow.Debt memory debt = escrow.debtOf(debtor, first);
        _call(abi.encodeCall(IEscrow.collect, (debtor, 1)));
        (uint96 owedAfter, uint32 firstAfter,) = escrow.debtsOf(debtor);
        assert(firstAfter == first || firstAfter == first + 1);
        assert(uint256(owedAfter) + (firstAfter == first ? 0 : debt.owedMicro) == owedBefore);
    }

    /// @dev Leaves out the paths on which it reverts. Escrow's own assertion, that no balance passes 2^96, would
    ///      look like one of a proof's if the call let it through.
    function _call(bytes memory data) private {
        (bool done,) = _try(address(escrow), data);
        vm.assume(done);
    }

    function _moneyOf(uint24 account) private view returns (Money memory money) {
        (uint96 requestedMicro,) = escrow.withdrawalOf(account);
        money = Money(escrow.freeOf(account), requestedMicro, escrow.lockedOf(account));
    }
}
