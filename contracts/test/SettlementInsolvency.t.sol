// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Base} from "./Base.sol";

/// @title Who cannot pay is set aside as a whole and owes it; everything else is settled.
contract SettlementInsolvencyTest is Base {
    uint256 private constant CHARGE_OWED = 370_202;
    uint256 private constant DISCHARGE_OWED = 246_802;

    /* WHO CANNOT PAY */

    function test_aDriverThatCannotPayIsSetAsideAndEverythingElseIsSettled() public {
        bytes memory rows =
            bytes.concat(_row(ALICE, 1234, CHARGE), _row(CAROL, 5, CHARGE), _row(HOUSE, 61, UNBILLED_IMPORT));
        Statement memory s = _first(1300, 0, rows);
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 1, 1501);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(CAROL, 0, OPERATOR_ACCOUNT, 1, 1501, 1500);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s, CAROL), 3, CHARGE_OWED, 1, _list(_numbers(s)));
        vm.recordLogs();
        _settle(batch);
        vm.assertEq(vm.getRecordedLogs().length, 3);
        _assertFree(ALICE, RICH - CHARGE_OWED);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH + CHARGE_OWED - 1);
        _assertRegisters(1300, 0);
        _assertDebt(CAROL, 0, OPERATOR_ACCOUNT, 1501, 1500);
    }

    function test_anOperatorThatCannotPayForEnergyGivenBackIsSetAsideAndOwesTheDriver() public {
        _request(OPERATOR, OPERATOR_ACCOUNT, RICH);
        bytes memory rows = bytes.concat(_row(BOB, 500, CHARGE), _row(ALICE, 1234, DISCHARGE));
        bytes memory batch = _batchOf(_first(500, 1234, rows));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, OPERATOR_ACCOUNT, 1, 1, DISCHARGE_OWED);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(OPERATOR_ACCOUNT, 0, ALICE, 1, uint96(DISCHARGE_OWED), uint96(DISCHARGE_OWED - 1));
        _settle(batch);
        _assertFree(ALICE, RICH);
        _assertFree(BOB, RICH - 150_001);
        _assertFree(OPERATOR_ACCOUNT, 150_000);
        // What it earns later pays nothing by itself: somebody collects, or it deposits.
        _fund(OPERATOR, OPERATOR_ACCOUNT, uint96(DISCHARGE_OWED - 150_000));
        _assertFree(ALICE, RICH + DISCHARGE_OWED - 1);
        _assertFree(OPERATOR_ACCOUNT, 0);
    }

    function test_aPayerThatCanPayOnlyOneOfItsRowsPaysNoneAndOwesTheirSum() public {
        _fund(CAROL_OWNER, CAROL, 301);
        bytes memory rows = bytes.concat(_row(CAROL, 1, CHARGE), _row(CAROL, 1, CHARGE));
        Statement memory s = _first(2, 0, rows);
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 0, 301);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 1, 301);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s, CAROL), 2, 0, 0, _list(_numbers(s)));
        _settle(batch);
        _assertFree(CAROL, 301);
        _assertDebt(CAROL, 0, OPERATOR_ACCOUNT, 602, 600);
    }

    function test_aPayerThatCanJustPayPays() public {
        _fund(CAROL_OWNER, CAROL, 301);
        _settle(_batchOf(_first(1, 0, _row(CAROL, 1, CHARGE))));
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH + 300);
    }

    function test_incomeOfTheSameBatchDoesNotMakeSolvent() public {
        bytes memory rows = bytes.concat(_row(CAROL, 10_000, DISCHARGE), _row(CAROL, 1, CHARGE));
        bytes memory batch = _batchOf(_first(1, 10_000, rows));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 1, 301);
        _settle(batch);
        _assertFree(CAROL, 2_000_010);
        _assertDebt(CAROL, 0, OPERATOR_ACCOUNT, 301, 300);
    }

    function test_moneySetApartForAWithdrawalPaysNoBill() public {
        _request(ALICE_OWNER, ALICE, RICH);
        bytes memory batch = _batchOf(_aliceCharges(1));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, ALICE, 1, 0, 301);
        _settle(batch);
        vm.prank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        _assertFree(ALICE, RICH);
        vm.prank(OPERATOR);
        escrow.collect(ALICE, 1);
        _assertFree(ALICE, RICH - 301);
    }

    function test_rowsOfNothingAreSetAsideWithoutADebt() public {
        bytes memory rows = bytes.concat(_row(CAROL, 1, CHARGE), _row(CAROL, 0, CHARGE));
        bytes memory batch = _batchOf(_first(1, 0, rows));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 0, 301);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 1, CAROL, 1, 1, 0);
        _settle(batch);
        _assertDebt(CAROL, 0, OPERATOR_ACCOUNT, 301, 300);
        (,, uint32 next) = escrow.debtsOf(CAROL);
        vm.assertEq(next, 1);
    }

    function test_manyPayersThatCannotPayAreAllSetAside() public {
        bytes memory rows = bytes.concat(_row(CAROL, 1, CHARGE), _row(HOUSE, 7, UNBILLED_IMPORT));
        rows = bytes.concat(rows, _row(DUST, 1, CHARGE), _row(GOVERNOR_ACCOUNT, 1, CHARGE), _row(BOB, 1, CHARGE));
        _settle(_batchOf(_first(11, 0, rows)));
        _assertFree(BOB, RICH - 301);
        _assertFree(DUST, 1);
        _assertDebt(CAROL, 0, OPERATOR_ACCOUNT, 301, 300);
        _assertDebt(DUST, 0, OPERATOR_ACCOUNT, 301, 300);
        _assertDebt(GOVERNOR_ACCOUNT, 0, OPERATOR_ACCOUNT, 301, 300);
    }

    /* DEBTS FOR EACH DEBTOR AND CREDITOR */

    function test_oneDebtStandsForAllRowsOfAPayerWithOnePayee() public {
        bytes memory one = _signed(_first(3, 0, bytes.concat(_row(CAROL, 1, CHARGE), _row(CAROL, 2, CHARGE))));
        bytes memory two = _signed(_statement(CHARGE_STATION, 1, 4, 0, _row(CAROL, 4, CHARGE)));
        bytes memory three = _signed(_rivals(5, _row(CAROL, 5, CHARGE)));
        _settle(bytes.concat(_header(TABLE_BITS, 3), one, two, three));
        (uint96 owed,, uint32 next) = escrow.debtsOf(CAROL);
        vm.assertEq(next, 2);
        vm.assertEq(owed, 301 + 601 + 1201 + 2001);
        uint32 first = escrow.debtOf(CAROL, 0).creditor == OPERATOR_ACCOUNT ? 0 : 1;
        _assertDebt(CAROL, first, OPERATOR_ACCOUNT, 301 + 601 + 1201, 300 + 600 + 1200);
        _assertDebt(CAROL, 1 - first, RIVAL_ACCOUNT, 2001, 2000);
    }

    function test_anOperatorOwesEachDriverApart() public {
        _request(OPERATOR, OPERATOR_ACCOUNT, RICH);
        bytes memory rows = bytes.concat(_row(ALICE, 10, DISCHARGE), _row(BOB, 20, DISCHARGE));
        rows = bytes.concat(rows, _row(ALICE, 30, DISCHARGE), _row(OPERATOR_ACCOUNT, 40, DISCHARGE));
        _settle(_batchOf(_first(0, 100, rows)));
        (uint96 owed,, uint32 next) = escrow.debtsOf(OPERATOR_ACCOUNT);
        vm.assertEq(next, 3);
        vm.assertEq(owed, 2001 + 4001 + 6001 + 8001);
        uint256 seen;
        for (uint32 i; i < 3; ++i) {
            IEscrow.Debt memory debt = escrow.debtOf(OPERATOR_ACCOUNT, i);
            if (debt.creditor == ALICE) _assertDebt(OPERATOR_ACCOUNT, i, ALICE, 2001 + 6001, 2000 + 6000);
            if (debt.creditor == BOB) _assertDebt(OPERATOR_ACCOUNT, i, BOB, 4001, 4000);
            if (debt.creditor == OPERATOR_ACCOUNT) _assertDebt(OPERATOR_ACCOUNT, i, OPERATOR_ACCOUNT, 8001, 8000);
            seen |= 1 << debt.creditor;
        }
        vm.assertEq(seen, 1 << ALICE | 1 << BOB | 1 << OPERATOR_ACCOUNT);
    }

    function test_debtsOfSeveralBatchesStandInTheirOrder() public {
        _settle(_batchOf(_first(1, 0, _row(CAROL, 1, CHARGE))));
        _settle(_batchOf(_statement(V2G_STATION, 2, 3, 0, _row(CAROL, 2, CHARGE))));
        vm.assertEq(escrow.debtOf(CAROL, 0).batch, 1);
        vm.assertEq(escrow.debtOf(CAROL, 1).batch, 2);
        _fund(CAROL_OWNER, CAROL, 301);
        vm.assertEq(escrow.debtOf(CAROL, 0).owedMicro, 0);
        vm.assertEq(escrow.debtOf(CAROL, 1).owedMicro, 601);
    }

    function test_aTableTooSmallForTheDebtsIsRefused() public {
        // Each of three accounts takes one of four places, and there are five debts between them.
        _request(OPERATOR, OPERATOR_ACCOUNT, RICH);
        bytes memory rows = bytes.concat(_row(DUST, 1, DISCHARGE), _row(OPERATOR_ACCOUNT, 1, DISCHARGE));
        rows = bytes.concat(rows, _row(CAROL, 1, DISCHARGE), _row(CAROL, 1, CHARGE));
        bytes memory more = bytes.concat(rows, _row(DUST, 1, CHARGE));
        _settleRefused(
            bytes.concat(_header(2, 1), _signed(_first(2, 3, more))),
            abi.encodeWithSelector(ISessionSettlement.TableFull.selector, 4)
        );
        _settle(bytes.concat(_header(2, 1), _signed(_first(1, 3, rows))));
        (,, uint32 next) = escrow.debtsOf(OPERATOR_ACCOUNT);
        vm.assertEq(next, 3);
    }

    /* DAILY CAPS */

    function test_exactlyTheCapIsPaidAndOneMoreIsOwedAsAWhole() public {
        vm.prank(ALICE_OWNER);
        escrow.setDailyCap(ALICE, 602);
        bytes memory rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(ALICE, 1, CHARGE));
        _settle(_batchOf(_first(2, 0, rows)));
        _assertFree(ALICE, RICH - 602);
        bytes memory batch = _batchOf(_statement(V2G_STATION, 2, 3, 0, _row(ALICE, 1, CHARGE)));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.RowSetAside(V2G_STATION, 2, ALICE, 2, 0, 301);
        _settle(batch);
        _assertFree(ALICE, RICH - 602);
        _assertDebt(ALICE, 0, OPERATOR_ACCOUNT, 301, 300);
        // The next day the cap leaves room for it again, whoever asks.
        vm.warp(NOW + 1 days);
        vm.prank(OPERATOR);
        escrow.collect(ALICE, 1);
        _assertFree(ALICE, RICH - 903);
    }

    function test_aPayerAboveItsCapPaysNoneOfItsRows() public {
        vm.prank(ALICE_OWNER);
        escrow.setDailyCap(ALICE, 601);
        bytes memory rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(ALICE, 1, CHARGE));
        _settle(_batchOf(_first(2, 0, rows)));
        _assertFree(ALICE, RICH);
        _assertDebt(ALICE, 0, OPERATOR_ACCOUNT, 602, 600);
        vm.assertEq(escrow.spendableOf(ALICE), 601);
    }

    /* WHAT THE TESTS SHARE */

    function _rivals(uint40 importWh, bytes memory rows) private pure returns (Statement memory s) {
        s = _statement(RIVAL_STATION, 1, importWh, 0, rows);
        s.tariffBase = RIVAL_CHARGE;
    }

    function _digestOf(Statement memory s, uint24 aside) private pure returns (bytes32) {
        uint24[] memory setAside = new uint24[](1);
        setAside[0] = aside;
        return _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(s))), setAside);
    }

    function _assertRegisters(uint40 importWh, uint40 exportWh) private view {
        IStationRegistry.Station memory found = stations.stationOf(V2G_STATION);
        vm.assertEq(found.importWh, importWh);
        vm.assertEq(found.exportWh, exportWh);
    }

    function _assertDebt(uint24 debtor, uint32 number, uint24 creditor, uint256 owed, uint256 share) private view {
        IEscrow.Debt memory debt = escrow.debtOf(debtor, number);
        vm.assertEq(debt.creditor, creditor);
        vm.assertEq(debt.owedMicro, owed);
        vm.assertEq(debt.shareMicro, share);
    }
}
