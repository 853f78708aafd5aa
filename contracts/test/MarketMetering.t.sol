// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {TariffTerms} from "../TariffTerms.sol";
import {Vm} from "./Base.sol";
import {MarketBase} from "./MarketBase.sol";

/// @title Rows of market tariffs: registers move, money does not, and positions are told.
contract MarketMeteringTest is MarketBase {
    uint40 private constant BEGIN = INTERVAL;

    function setUp() public override {
        super.setUp();
        vm.warp(BEGIN + 2 * INTERVAL_S);
    }

    /* WHAT A BATCH DOES */

    function test_aMarketRowMovesNoMoneyAndIsMetered() public {
        Statement memory s = _from(1, 1234, 0, _row(ALICE, 1234, MARKET_CHARGE));
        uint256[] memory rows = _list(_meterWord(GRID, ALICE, BEGIN, false, 1234));
        vm.expectEmit(address(positions));
        emit IPositionBook.Metered(rows);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s, _none()), 1, 0, 0, _list(_numbers(s)));
        _settle(_batchOf(s));
        _assertFree(ALICE, RICH);
        _assertFree(GRID, RICH);
        _assertFree(DUST, 0);
        _assertMetered(BEGIN, ALICE, 1234, 0);
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.importWh, 1234);
    }

    function test_energyGivenBackIsMeteredAsExported() public {
        _settle(_batchOf(_from(1, 0, 77, _row(ALICE, 77, MARKET_DISCHARGE))));
        _assertMetered(BEGIN, ALICE, 0, 77);
        _assertFree(ALICE, RICH);
        vm.assertEq(stations.stationOf(V2G_STATION).exportWh, 77);
    }

    function test_aRowCountsForTheIntervalInWhichItBegins() public {
        bytes memory rows = bytes.concat(
            _row(ALICE, 10, 0, 900, MARKET_CHARGE),
            _row(ALICE, 3, 899, 901, MARKET_CHARGE),
            _row(ALICE, 5, 900, 900, MARKET_CHARGE)
        );
        Statement memory s = _from(1, 18, 0, rows);
        s.durationS = 1800;
        _settle(_batchOf(s));
        _assertMetered(BEGIN, ALICE, 13, 0);
        _assertMetered(BEGIN + INTERVAL_S, ALICE, 5, 0);
    }

    function test_rowsOfAnIntervalAddUp() public {
        bytes memory rows = bytes.concat(_row(ALICE, 10, MARKET_CHARGE), _row(ALICE, 7, MARKET_DISCHARGE));
        _settle(_batchOf(_from(1, 10, 7, rows)));
        Statement memory s = _from(2, 14, 7, _row(ALICE, 4, MARKET_CHARGE));
        s.startTime = BEGIN + INTERVAL_S;
        _settle(_batchOf(s));
        _metered(ALICE, 4, 0);
        _assertMetered(BEGIN, ALICE, 14, 7);
        _assertMetered(BEGIN + INTERVAL_S, ALICE, 4, 0);
    }

    function test_ordinaryRowsBesideThemArePaid() public {
        // Ordinary tariffs hold until a day after the tests begin.
        bytes memory rows = bytes.concat(
            _row(ALICE, 1000, CHARGE),
            _row(BOB, 500, MARKET_CHARGE),
            _row(HOUSE, 3, UNBILLED_IMPORT),
            _row(ALICE, 200, MARKET_CHARGE),
            _row(ALICE, 1000, CHARGE),
            _row(BOB, 40, MARKET_DISCHARGE)
        );
        uint256[] memory told = new uint256[](3);
        told[0] = _meterWord(GRID, BOB, BEGIN, false, 500);
        told[1] = _meterWord(GRID, ALICE, BEGIN, false, 200);
        told[2] = _meterWord(GRID, BOB, BEGIN, true, 40);
        vm.expectEmit(address(positions));
        emit IPositionBook.Metered(told);
        _settle(_batchOf(_from(1, 2703, 40, rows)));
        _assertFree(ALICE, RICH - 600_002);
        _assertFree(BOB, RICH);
        _assertFree(GRID, RICH + 600_002);
    }

    function test_aBatchIsMeteredOnceAlsoIfItTakesASecondWalk() public {
        bytes memory rows =
            bytes.concat(_row(ALICE, 500, MARKET_CHARGE), _row(CAROL, 1000, CHARGE), _row(CAROL, 40, MARKET_CHARGE));
        Statement memory s = _from(1, 1540, 0, rows);
        uint256[] memory told = new uint256[](2);
        told[0] = _meterWord(GRID, ALICE, BEGIN, false, 500);
        told[1] = _meterWord(GRID, CAROL, BEGIN, false, 40);
        vm.recordLogs();
        _settle(_batchOf(s));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 seen;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(positions)) continue;
            vm.assertEq(logs[i].data, abi.encode(told));
            ++seen;
        }
        vm.assertEq(seen, 1);
        // Who cannot pay the row that is billed is metered all the same.
        _assertMetered(BEGIN, CAROL, 40, 0);
        _assertMetered(BEGIN, ALICE, 500, 0);
        vm.assertEq(escrow.debtOf(CAROL, 0).owedMicro, 300_001);
    }

    function test_anOrdinaryBatchTellsThePositionsNothing() public {
        vm.recordLogs();
        _settle(_batchOf(_from(1, 1000, 0, _row(ALICE, 1000, CHARGE))));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1);
    }

    function testFuzz_manyRowsAreToldInTheirOrder(uint256 seed) public {
        uint256 count = _between(seed, 1, 40);
        uint256[] memory told = new uint256[](count);
        bytes memory rows;
        uint40 importedWh;
        for (uint256 i; i < count; ++i) {
            uint32 energyWh = uint32(_between(uint256(keccak256(abi.encode(seed, i))), 0, 100));
            uint24 account = i % 3 == 0 ? ALICE : BOB;
            rows = bytes.concat(rows, _row(account, energyWh, MARKET_CHARGE));
            told[i] = _meterWord(GRID, account, BEGIN, false, energyWh);
            importedWh += energyWh;
        }
        vm.expectEmit(address(positions));
        emit IPositionBook.Metered(told);
        _settle(_batchOf(_from(1, importedWh, 0, rows)));
        uint256 alice = positions.positionOf(ZONE, BEGIN, ALICE).importedWh;
        vm.assertEq(alice + positions.positionOf(ZONE, BEGIN, BOB).importedWh, importedWh);
    }

    function test_aMeteredRowIsPaidWhenItsPositionIsClosed() public {
        _bought(ALICE, 1000);
        _conclude(300_000, 10_000);
        _settle(_batchOf(_from(1, 1000, 0, _row(ALICE, 1000, MARKET_CHARGE))));
        vm.warp(CLOSABLE);
        _close(ALICE);
        _assertFree(ALICE, RICH - 310_000);
    }

    /* WHAT A BATCH REFUSES */

    function test_aMarketTariffNeedsAZone() public {
        Statement memory s = _from(1, 10, 0, _row(ALICE, 10, RIVAL_MARKET_CHARGE));
        s.station = RIVAL_STATION;
        _settleRefused(_batchOf(s), abi.encodeWithSelector(IPositionBook.NoZoneOf.selector, RIVAL_ACCOUNT));
        positions.openZone(ZONE + 1, RIVAL_ACCOUNT);
        _settle(_batchOf(s));
        vm.assertEq(positions.positionOf(ZONE + 1, BEGIN, ALICE).importedWh, 10);
        _assertMetered(BEGIN, ALICE, 0, 0);
    }

    function test_aMarketRowIsOfItsOperatorsStationsAlone() public {
        _settleRefused(
            _batchOf(_from(1, 10, 0, _row(ALICE, 10, RIVAL_MARKET_CHARGE))),
            abi.encodeWithSelector(
                IStationRegistry.ForeignTariff.selector, V2G_STATION, OPERATOR_ACCOUNT, RIVAL_ACCOUNT
            )
        );
    }

    function test_aMarketRowLiesInItsTariff() public {
        Statement memory s = _from(1, 10, 0, _row(ALICE, 10, MARKET_CHARGE));
        s.startTime = BEGIN - 1;
        _settleRefused(
            _batchOf(s),
            abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, MARKET_CHARGE)
        );
    }

    function test_theHouseAndAccountsThatDoNotExistAreNotMetered() public {
        _settleRefused(
            _batchOf(_from(1, 10, 0, _row(HOUSE, 10, MARKET_CHARGE))),
            abi.encodeWithSelector(ISessionSettlement.AccountCannotTrade.selector, HOUSE)
        );
        _settleRefused(_batchOf(_from(1, 10, 0, _row(NOBODY, 10, MARKET_CHARGE))), _unknownAccount(NOBODY));
    }

    function test_onlyModulesMeter() public {
        vm.expectRevert(abi.encodeWithSelector(IPositionBook.NotAModule.selector, OPERATOR));
        vm.prank(OPERATOR);
        positions.meter(_list(_meterWord(GRID, ALICE, BEGIN, false, 1)));
    }

    function test_aPositionHoldsAsMuchAsARegister() public {
        uint256[] memory rows = new uint256[](257);
        for (uint256 i; i < 257; ++i) {
            rows[i] = _meterWord(GRID, ALICE, BEGIN, false, type(uint32).max);
        }
        vm.expectRevert(_panic(0x11));
        positions.meter(rows);
    }

    /* TARIFFS */

    function test_marketPricesAreKnownBeforeTheyHold() public {
        ITariffBook.Tariff memory tariff = _marketTariff(RIVAL_ACCOUNT, true, 1);
        uint40 time = BEGIN + 2 * INTERVAL_S;
        tariff.validFrom = time - 1;
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.NotAhead.selector, time - 1, time));
        _publishMarket(RIVAL, tariff);
        tariff.validFrom = time;
        _publishMarket(RIVAL, tariff);
    }

    function test_marketPricesOfADirectionDoNotOverlap() public {
        ITariffBook.Tariff memory tariff = _marketTariff(RIVAL_ACCOUNT, false, 1);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days - 1, NOW + 2 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITariffBook.Overlaps.selector,
                RIVAL_ACCOUNT,
                ITariffBook.Direction.MarketCharge,
                NOW + 1 days - 1,
                NOW + 1 days
            )
        );
        _publishMarket(RIVAL, tariff);
        tariff.validFrom = NOW + 1 days;
        _publishMarket(RIVAL, tariff);
        // Neither the other direction nor other tariffs nor other payees stand in the way.
        tariff.direction = ITariffBook.Direction.MarketDischarge;
        tariff.validFrom = NOW + 7200;
        _publishMarket(RIVAL, tariff);
        tariff.direction = ITariffBook.Direction.Charge;
        _publishMarket(RIVAL, tariff);
    }

    function testFuzz_aMarketTariffReadsBackAsItWasPublished(bool discharge, int32 price, uint40 to) public {
        ITariffBook.Tariff memory tariff = _marketTariff(RIVAL_ACCOUNT, discharge, price);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days, uint40(_between(to, NOW + 1 days + 1, type(uint40).max)));
        uint24 number = _publishMarket(RIVAL, tariff);
        uint256 terms = tariffBook.termsOf(number);
        vm.assertEq(abi.encode(tariffBook.tariffOf(number)), abi.encode(tariff));
        vm.assertEq(TariffTerms.discharges(terms), discharge);
        vm.assertTrue(TariffTerms.isMarket(terms));
        vm.assertEq(terms >> 42 & 0x3f, 0);
        vm.assertTrue(TariffTerms.priceOf(terms) == price);
    }

    /* DISPUTES */

    function test_aMarketRowIsNotDisputed() public {
        Statement memory s = _from(1, 1010, 0, bytes.concat(_row(ALICE, 10, MARKET_CHARGE), _row(ALICE, 1000, CHARGE)));
        _settle(_batchOf(s));
        IDisputeCourt.Proof memory proof = _proofOf(s, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.MeteredInMarket.selector, V2G_STATION, 1, 0));
        vm.prank(ALICE_OWNER);
        court.dispute(proof);
        proof = _proofOf(s, 1);
        vm.prank(ALICE_OWNER);
        court.dispute(proof);
    }

    /* PARTS */

    /// @dev A statement of the V2G station that begins with the interval.
    function _from(uint24 sequence, uint40 importWh, uint40 exportWh, bytes memory rows)
        private
        pure
        returns (Statement memory s)
    {
        s = _statement(V2G_STATION, sequence, importWh, exportWh, rows);
        s.startTime = BEGIN;
    }

    function _assertMetered(uint40 interval, uint24 account, uint256 importedWh, uint256 exportedWh) private view {
        IPositionBook.Position memory position = positions.positionOf(ZONE, interval, account);
        vm.assertEq(position.importedWh, importedWh);
        vm.assertEq(position.exportedWh, exportedWh);
    }

    function _digestOf(Statement memory s, uint24[] memory aside) private pure returns (bytes32) {
        return _batchDigest(EVIDENCE, keccak256(abi.encodePacked(_structHash(s))), aside);
    }

    function _none() private pure returns (uint24[] memory) {
        return new uint24[](0);
    }
}
