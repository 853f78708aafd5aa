// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {MarketBase} from "./MarketBase.sol";

/// @title What holds whatever was traded and metered, at any price.
contract PositionFuzzTest is MarketBase {
    uint40 private constant DAY = NOW + 1 days;
    uint16 private constant RIVAL_ZONE = 9;
    uint40 private constant SMALL_WH = 20_000;

    struct Case {
        uint40 boughtWh;
        uint40 soldWh;
        uint32 importedWh;
        uint32 exportedWh;
    }

    /// @dev Prices of any size; the charge price is not below the discharge price.
    function _open(int32 price, uint32 fee, int32 charge, int32 discharge) private {
        if (charge < discharge) (charge, discharge) = (discharge, charge);
        _openRivalZone(RIVAL_ZONE, charge, discharge);
        positions.conclude(RIVAL_ZONE, DAY, IPositionBook.Result(true, true, price, fee));
    }

    /// @dev Prices below a euro per kWh, so that all can pay.
    function _openModest(int32 price, uint32 fee, int32 charge, int32 discharge) private {
        _open(price % 1_000_000, fee % 1_000_000, charge % 1_000_000, discharge % 1_000_000);
    }

    function _enter(uint24 account, Case memory one) private {
        _trade(RIVAL_ZONE, DAY, account, false, one.boughtWh, 0);
        _trade(RIVAL_ZONE, DAY, account, true, one.soldWh, 1);
        _metered(RIVAL_ACCOUNT, DAY, account, one.importedWh, one.exportedWh);
    }

    function _closeThem(uint24[] memory list) private {
        vm.warp(DAY + INTERVAL_S + CLOSE_AFTER_S);
        positions.close(RIVAL_ZONE, DAY, list, chargeTariff, dischargeTariff);
    }

    function testFuzz_moneyIsConserved(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        Case memory one,
        Case memory two,
        Case memory three
    ) public {
        _open(price, fee, charge, discharge);
        (one.importedWh, two.exportedWh) = (one.importedWh | 1, two.exportedWh | 1);
        _enter(ALICE, one);
        _enter(BOB, two);
        three.importedWh |= 1;
        _enter(CAROL, three);
        uint256 total = _totalHeld();
        _closeThem(_accounts(ALICE, BOB, CAROL));
        vm.assertEq(_totalHeld(), total);
        vm.assertEq(token.balanceOf(address(escrow)), total);
    }

    function testFuzz_whoGivesNothingReceivesNothingForWhatItSold(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        uint40 soldWh
    ) public {
        _openModest(price, fee, charge, discharge);
        _enter(ALICE, Case(0, uint40(_between(soldWh, 1, SMALL_WH)), 0, 0));
        uint256 before = _free(ALICE);
        _closeThem(_accounts(ALICE));
        vm.assertTrue(_free(ALICE) <= before);
    }

    function testFuzz_whoTakesNothingReceivesNothingForWhatItBought(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        uint40 boughtWh
    ) public {
        _openModest(price, fee, charge, discharge);
        _enter(ALICE, Case(uint40(_between(boughtWh, 1, SMALL_WH)), 0, 0, 0));
        uint256 before = _free(ALICE);
        _closeThem(_accounts(ALICE));
        vm.assertTrue(_free(ALICE) <= before);
    }

    /// @dev Being away from what it traded never leaves an account better off than what it traded, priced at what
    ///      its energy is worth to the grid: of a Wh that is short it pays the dearest price, for one too many it gets
    ///      the cheapest.
    function testFuzz_aShortAccountNeverGains(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        uint32 soldWh,
        uint32 exportedWh
    ) public {
        _openModest(price, fee, charge, discharge);
        soldWh = uint32(_between(soldWh, 1, SMALL_WH));
        exportedWh = uint32(_between(exportedWh, 0, soldWh - 1));
        _enter(ALICE, Case(0, soldWh, 0, exportedWh));
        _enter(BOB, Case(0, exportedWh, 0, exportedWh));
        _closeThem(_accounts(ALICE));
        int256 short = int256(_owedBy(ALICE)) - int256(uint256(_free(ALICE)));
        if (exportedWh != 0) _closeThem(_accounts(BOB));
        int256 exact = int256(_owedBy(BOB)) - int256(uint256(_free(BOB)));
        vm.assertTrue(short >= exact);
    }

    function testFuzz_whatIsMeteredLateCostsNoLess(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        uint32 boughtWh,
        uint32 lateWh
    ) public {
        _openModest(price, fee, charge, discharge);
        boughtWh = uint32(_between(boughtWh, 1, SMALL_WH));
        lateWh = uint32(_between(lateWh, 1, SMALL_WH));
        _enter(ALICE, Case(boughtWh, 0, 0, 0));
        _enter(BOB, Case(boughtWh, 0, lateWh, 0));
        _closeThem(_accounts(ALICE, BOB));
        _metered(RIVAL_ACCOUNT, DAY, ALICE, lateWh, 0);
        _closeThem(_accounts(ALICE));
        int256 late = int256(_owedBy(ALICE)) - int256(uint256(_free(ALICE)));
        vm.assertTrue(late >= int256(_owedBy(BOB)) - int256(uint256(_free(BOB))));
    }

    function testFuzz_howAccountsAreCalledTogetherMakesNoDifference(
        int32 price,
        uint32 fee,
        int32 charge,
        int32 discharge,
        Case memory one,
        Case memory two
    ) public {
        // Small enough that all can pay.
        (one.boughtWh, one.soldWh) = (one.boughtWh % 5000, one.soldWh % 5000);
        (two.boughtWh, two.soldWh) = (two.boughtWh % 5000, two.soldWh % 5000);
        (one.importedWh, one.exportedWh) = (one.importedWh % 5000 + 1, one.exportedWh % 5000);
        (two.importedWh, two.exportedWh) = (two.importedWh % 5000, two.exportedWh % 5000 + 1);
        _openModest(price, fee, charge, discharge);
        _enter(ALICE, one);
        _enter(BOB, two);
        uint256 state = vm.snapshotState();
        _closeThem(_accounts(ALICE, BOB));
        bytes memory together = abi.encode(_free(ALICE), _free(BOB), _free(RIVAL_ACCOUNT), _free(DUST));
        vm.revertToState(state);
        _closeThem(_accounts(BOB));
        _closeThem(_accounts(ALICE));
        vm.assertEq(together, abi.encode(_free(ALICE), _free(BOB), _free(RIVAL_ACCOUNT), _free(DUST)));
    }

    function _owedBy(uint24 account) private view returns (uint256) {
        (uint96 owedMicro,,) = escrow.debtsOf(account);
        return owedMicro;
    }
}
