// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base} from "./Base.sol";

/// @title Defects that these contracts once had.
contract FoundDefectsTest is Base {
    /// @dev A debt that was written off no longer told its creditor, and passed for any debt of its batch: the row
    ///      counted as reversed, but the driver went on owing it.
    function test_aWrittenOffDebtWithAnotherOperatorIsNotTheRows() public {
        Statement[] memory all = new Statement[](2);
        all[0] = _first(1, 0, _row(CAROL, 1, CHARGE));
        all[1] = _statement(RIVAL_STATION, 1, 5, 0, _row(CAROL, 5, CHARGE));
        all[1].tariffBase = RIVAL_CHARGE;
        _settle(_batch(_signed(all[0]), _signed(all[1])));
        uint24[] memory aside = new uint24[](1);
        aside[0] = CAROL;
        vm.prank(BOB_OWNER);
        court.dispute(_proofOf(1, new bytes32[](0), all, aside, 0, 0));
        uint32 rivals = escrow.debtOf(CAROL, 0).creditor == RIVAL_ACCOUNT ? 0 : 1;
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, rivals);
        vm.warp(NOW + ANSWER_WINDOW_S + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.WrongDebt.selector, CAROL, rivals));
        vm.prank(OPERATOR);
        court.reverse(V2G_STATION, 1, 0, rivals);
    }

    /// @dev The balance cap looked at what a deposit lifts the account to before its debts are collected, so a debt
    ///      above the cap could never be paid.
    function test_aDebtAboveTheBalanceCapCanBePaid() public {
        _settle(_batchOf(_first(1000, 0, _row(CAROL, 1000, CHARGE))));
        vm.prank(GOVERNOR);
        escrow.setBalanceCap(1000);
        _fund(CAROL_OWNER, CAROL, 300_001);
        _assertFree(CAROL, 0);
    }

    /// @dev A row of account 0 found an empty place in the ledger, which read as an entry of account 0 of a tariff
    ///      that is cached without a price: its Wh went where the operator's receipts are summed up. At any other
    ///      time the row is outside of the tariff's window; at the beginning of time it was not, and the operator
    ///      took what rounding left for the dust account.
    function test_anOperatorTakesNoDustWithARowOfAccountZero() public {
        ITariffBook.Tariff[] memory always = new ITariffBook.Tariff[](1);
        always[0] = ITariffBook.Tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 0, 0, type(uint40).max);
        vm.prank(OPERATOR);
        tariffBook.publish(always);
        bytes memory rows = bytes.concat(_row(BOB, 1, CHARGE), _row(BOB, 1, CHARGE), _row(BOB, 1, CHARGE));
        Statement memory honest = _first(3, 0, rows);
        bytes memory strange = bytes.concat(_row(ALICE, 0, 0, 0, 0), _row(0, 3, 0, 0, 200));
        Statement memory s = _statement(CHARGE_STATION, 1, 0, 0, strange);
        (s.startTime, s.durationS, s.tariffBase) = (0, 0, TARIFFS);
        vm.prank(OPERATOR);
        try settlement.settle(_batch(_signed(honest), _signed(s))) {} catch {}
        vm.assertTrue(_free(OPERATOR_ACCOUNT) <= RICH + 900);
    }
}
