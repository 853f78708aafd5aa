// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {MarketBase} from "./MarketBase.sol";

/// @title What positions come to, to the micro-euro, and what closing refuses.
contract PositionClosingTest is MarketBase {
    int32 private constant PRICE = 300_001;
    uint32 private constant FEE = 20_003;
    uint32 private constant DEBT_BATCH = uint32(1 << 31) + uint32(INTERVAL / 900);

    /* CONSTRUCTION */

    function test_eachPartMustBeAContract() public {
        address[3] memory parts = [address(accounts), address(tariffBook), address(escrow)];
        for (uint256 i; i < 3; ++i) {
            address part = parts[i];
            parts[i] = STRANGER;
            (bool done, bytes memory why) = _deployed(abi.encode(parts, CLOSE_AFTER_S, SETTLE_WITHIN_S));
            vm.assertFalse(done);
            vm.assertEq(why, abi.encodeWithSelector(IPositionBook.NotAContract.selector, STRANGER));
            parts[i] = part;
        }
    }

    function test_aPositionHoldsNoMoreThanItsPlacesDo() public {
        _trade(ALICE, false, type(uint40).max, 1);
        _trade(ALICE, true, type(uint40).max, 2);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 1));
        _trade(ALICE, false, 1, 3);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 1));
        _trade(ALICE, true, 1, 4);
        IPositionBook.Position memory position = positions.positionOf(ZONE, INTERVAL, ALICE);
        vm.assertEq(position.boughtWh, type(uint40).max);
        vm.assertEq(position.soldWh, type(uint40).max);
        vm.assertEq(position.importedWh, 0);
        vm.assertEq(position.nonces, 6);
    }

    function test_positionsStayOpenLongEnoughWhateverBecameOfTheAuction() public {
        bytes memory arguments = abi.encode(accounts, tariffBook, escrow, 1 days, SETTLE_WITHIN_S);
        IPositionBook book = IPositionBook(vm.deployCode("PositionBook.sol:PositionBook", arguments));
        vm.assertEq(book.closableFrom(ZONE, INTERVAL), INTERVAL + INTERVAL_S + 1 days);
        book = IPositionBook(
            vm.deployCode("PositionBook.sol:PositionBook", abi.encode(accounts, tariffBook, escrow, 1, 900))
        );
        vm.assertEq(book.closableFrom(ZONE, INTERVAL), INTERVAL + INTERVAL_S + 901);
    }

    function _deployed(bytes memory arguments) private returns (bool done, bytes memory why) {
        bytes memory call =
            abi.encodeWithSignature("deployCode(string,bytes)", "PositionBook.sol:PositionBook", arguments);
        (done, why) = address(vm).call(call);
    }

    /* TRADES AND IMBALANCES */

    function test_whoTakesWhatItBoughtPaysPriceAndFee() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 1000, 0);
        _assertPays(PRICE, 320_004, 320_004);
    }

    function test_whoGivesWhatItSoldReceivesThePrice() public {
        _sold(ALICE, 1000);
        _metered(ALICE, 0, 1000);
        _assertReceives(PRICE, 300_001, 300_001);
    }

    function test_whoTakesMoreThanItBoughtPaysTheChargePriceForTheRest() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 1500, 0);
        // 320,004 and half of 400,003
        _assertPays(PRICE, 520_006, 520_005);
    }

    function test_whoTakesMoreThanItBoughtPaysTheClearingPriceIfThatIsHigher() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 1500, 0);
        // 500,001 and 20,003, and half of 500,001
        _assertPays(500_001, 770_005, 770_004);
    }

    function test_whoTakesLessThanItBoughtIsPaidTheDischargePriceForTheRest() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 500, 0);
        // 320,004 less half of 50,007
        _assertPays(PRICE, 295_001, 295_000);
    }

    function test_whoTakesLessThanItBoughtIsPaidTheClearingPriceIfThatIsLower() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 500, 0);
        // 40,001 and 20,003, less half of 40,001
        _assertPays(40_001, 40_004, 40_003);
    }

    function test_whoGivesLessThanItSoldPaysTheChargePriceForTheRest() public {
        _sold(ALICE, 1000);
        _metered(ALICE, 0, 500);
        // 300,001 less half of 400,003
        _assertReceives(PRICE, 100_000, 99_999);
    }

    function test_whoGivesMoreThanItSoldIsPaidTheDischargePriceForTheRest() public {
        _sold(ALICE, 1000);
        _metered(ALICE, 0, 1500);
        // 300,001 and half of 50,007
        _assertReceives(PRICE, 325_005, 325_004);
    }

    function test_whoSoldAndGivesNothingPaysTheDifference() public {
        _sold(ALICE, 1000);
        _assertPays(PRICE, 100_002, 100_002);
    }

    function test_whoBoughtAndTakesNothingPaysTheDifferenceAndTheFee() public {
        _bought(ALICE, 1000);
        // 320,004 less 50,007
        _assertPays(PRICE, 269_997, 269_997);
    }

    function test_atAPriceOfZeroTheFeeAndTheImbalanceRemain() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 999, 0);
        // the Wh that was not taken brings nothing: the price is below the discharge price
        _assertPays(0, 20_003, 20_003);
    }

    function test_atANegativePriceABuyerIsPaid() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 1000, 0);
        _assertReceives(-100_001, 79_998, 79_998);
    }

    function test_atANegativePriceWhoTakesNothingGivesThePriceBack() public {
        _bought(ALICE, 1000);
        // −100,001 and 20,003, and 100,001 back
        _assertPays(-100_001, 20_003, 20_003);
    }

    function test_atANegativePriceASellerPays() public {
        _sold(ALICE, 1000);
        _metered(ALICE, 0, 1000);
        _assertPays(-100_001, 100_001, 100_001);
    }

    function test_atANegativePriceWhoGivesNothingPaysThePriceAndTheCharge() public {
        _sold(ALICE, 1000);
        _assertPays(-100_001, 500_004, 500_004);
    }

    function test_withoutAPriceTheImbalancePricesCountAlone() public {
        _metered(ALICE, 1000, 0);
        _metered(BOB, 0, 1000);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(_accounts(ALICE, BOB));
        _assertFree(ALICE, RICH - 400_003);
        _assertFree(BOB, RICH + 50_007);
        _assertFree(GRID, RICH + 400_003 - 50_007);
    }

    function test_aPriceThatAnAuctionWithoutTradesTellsDoesNotCount() public {
        _metered(ALICE, 1000, 0);
        positions.conclude(ZONE, INTERVAL, IPositionBook.Result(true, false, 900_000, 900_000));
        vm.warp(CLOSABLE);
        _close(ALICE);
        _assertFree(ALICE, RICH - 400_003);
    }

    function test_whoBuysAndSellsByTwoOrdersIsChargedForBoth() public {
        _bought(ALICE, 1000);
        _sold(ALICE, 400);
        _metered(ALICE, 1000, 400);
        // 320,004 less 0.4 of 300,001
        _assertPays(PRICE, 200_004, 200_003);
    }

    function _assertPays(int32 price, uint96 owedMicro, uint96 receivedMicro) private {
        _assertAmounts(price, true, owedMicro, receivedMicro);
        _assertFree(ALICE, RICH - owedMicro);
        _assertFree(GRID, RICH + receivedMicro);
    }

    function _assertReceives(int32 price, uint96 owedMicro, uint96 receivedMicro) private {
        _assertAmounts(price, false, owedMicro, receivedMicro);
        _assertFree(GRID, RICH - owedMicro);
        _assertFree(ALICE, RICH + receivedMicro);
    }

    function _assertAmounts(int32 price, bool accountPays, uint96 owedMicro, uint96 receivedMicro) private {
        _conclude(price, FEE);
        vm.warp(CLOSABLE);
        _expectClosed(ALICE, accountPays, owedMicro, receivedMicro, false);
        _close(ALICE);
        _assertFree(DUST, owedMicro - receivedMicro);
        _assertClosed(ALICE);
    }

    /// @dev Expects the event of the position as it is in the book now.
    function _expectClosed(uint24 account, bool accountPays, uint96 owedMicro, uint96 receivedMicro, bool setAside)
        private
    {
        IPositionBook.Position memory p = positions.positionOf(ZONE, INTERVAL, account);
        vm.expectEmit(address(positions));
        emit IPositionBook.PositionClosed(
            ZONE,
            INTERVAL,
            account,
            p.boughtWh,
            p.soldWh,
            p.importedWh,
            p.exportedWh,
            accountPays,
            owedMicro,
            receivedMicro,
            setAside
        );
    }

    /* SEVERAL ACCOUNTS */

    function test_theGridAccountIsNetted() public {
        // It has nothing, so it can pay Bob only from what Alice pays.
        _emptyTheGrid();
        _bought(ALICE, 1000);
        _metered(ALICE, 1000, 0);
        _sold(BOB, 1000);
        _metered(BOB, 0, 1000);
        _conclude(PRICE, FEE);
        vm.warp(CLOSABLE);
        _close(_accounts(ALICE, BOB));
        _assertFree(ALICE, RICH - 320_004);
        _assertFree(BOB, RICH + 300_001);
        _assertFree(GRID, 20_003);
    }

    function test_dustIsSummed() public {
        _metered(ALICE, 1, 0);
        _metered(BOB, 0, 1);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(_accounts(ALICE, BOB));
        // 401 for 400 of 400.003, 51 for 50 of 50.007
        _assertFree(ALICE, RICH - 401);
        _assertFree(BOB, RICH + 50);
        _assertFree(GRID, RICH + 400 - 51);
        _assertFree(DUST, 2);
    }

    function test_theDustAccountTradesLikeAnyOther() public {
        _metered(DUST, 0, 1001);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(DUST);
        // 50,057.007
        _assertFree(DUST, 50_057 + 1);
        _assertFree(GRID, RICH - 50_058);
    }

    function test_theGridAccountOwesItselfNothing() public {
        _metered(GRID, 1000, 0);
        _metered(ALICE, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _closeRefused(_accounts(GRID), _nothing(GRID));
        _close(_accounts(GRID, ALICE));
        _assertFree(GRID, RICH + 400_003);
        vm.assertEq(positions.positionOf(ZONE, INTERVAL, GRID).importedWh, 1000);
    }

    /* WHO CANNOT PAY */

    function test_whoCannotPayOwesAndStopsNobody() public {
        _metered(ALICE, 1000, 0);
        _metered(CAROL, 1001, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(CAROL, 0, GRID, DEBT_BATCH, 400_404, 400_403);
        _expectClosed(ALICE, true, 400_003, 400_003, false);
        _expectClosed(CAROL, true, 400_404, 400_403, true);
        _close(_accounts(ALICE, CAROL));
        _assertFree(ALICE, RICH - 400_003);
        _assertFree(CAROL, 0);
        _assertFree(GRID, RICH + 400_003);
        _assertFree(DUST, 0);
        _assertClosed(CAROL);
        _fund(CAROL_OWNER, CAROL, 500_000);
        _assertFree(CAROL, 500_000 - 400_404);
        _assertFree(GRID, RICH + 400_003 + 400_403);
        _assertFree(DUST, 1);
    }

    function test_aGridAccountThatCannotPayOwes() public {
        _emptyTheGrid();
        _metered(ALICE, 0, 1000);
        _metered(BOB, 0, 1);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(GRID, 0, ALICE, DEBT_BATCH, 50_007, 50_007);
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(GRID, 1, BOB, DEBT_BATCH, 51, 50);
        _expectClosed(ALICE, false, 50_007, 50_007, true);
        _expectClosed(BOB, false, 51, 50, true);
        _close(_accounts(ALICE, BOB));
        _assertFree(ALICE, RICH);
        _assertFree(BOB, RICH);
        _assertClosed(ALICE);
    }

    function test_aGridAccountThatCannotPayIsPaidAllTheSame() public {
        _emptyTheGrid();
        _metered(ALICE, 10, 0);
        _metered(BOB, 0, 10_000);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(_accounts(ALICE, BOB));
        // 4,000.03
        _assertFree(ALICE, RICH - 4001);
        _assertFree(GRID, 4000);
        _assertFree(DUST, 1);
        (uint96 owedMicro,,) = escrow.debtsOf(GRID);
        vm.assertEq(owedMicro, 500_070);
    }

    function test_aGridAccountThatCannotPayWithoutWhatOthersOweItOwesToo() public {
        _emptyTheGrid();
        _metered(BOB, 0, 1000);
        _metered(CAROL, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        // Netted it gains. Carol's money is missing, and only the second attempt shows that it cannot pay Bob.
        _expectClosed(BOB, false, 50_007, 50_007, true);
        _expectClosed(CAROL, true, 400_003, 400_003, true);
        _close(_accounts(BOB, CAROL));
        _assertFree(GRID, 0);
        _assertFree(BOB, RICH);
        vm.assertEq(escrow.debtOf(GRID, 0).creditor, BOB);
        vm.assertEq(escrow.debtOf(CAROL, 0).creditor, GRID);
    }

    function test_aDailyCapIsKept() public {
        vm.prank(ALICE_OWNER);
        escrow.setDailyCap(ALICE, 400_002);
        _metered(ALICE, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(ALICE);
        _assertFree(ALICE, RICH);
        vm.assertEq(escrow.debtOf(ALICE, 0).owedMicro, 400_003);
    }

    function test_whatComesToNothingIsClosedBesideWhoCannotPay() public {
        _openRivalZone(8, 400_000, 0);
        _request(RIVAL, RIVAL_ACCOUNT, RICH);
        uint40 interval = NOW + 1 days;
        _metered(RIVAL_ACCOUNT, interval, ALICE, 0, 1000);
        _trade(8, interval, BOB, true, 1000, 0);
        _metered(RIVAL_ACCOUNT, interval, BOB, 0, 1000);
        positions.conclude(8, interval, IPositionBook.Result(true, true, 300_000, 0));
        vm.warp(interval + INTERVAL_S + CLOSE_AFTER_S);
        positions.close(8, interval, _accounts(ALICE, BOB), chargeTariff, dischargeTariff);
        _assertFree(ALICE, RICH);
        vm.assertEq(escrow.debtOf(RIVAL_ACCOUNT, 0).owedMicro, 300_000);
        vm.assertEq(positions.positionOf(8, interval, ALICE).exportedWh, 0);
    }

    function _emptyTheGrid() private {
        vm.prank(OPERATOR);
        escrow.requestWithdrawal(GRID, RICH);
    }

    /* WHEN */

    function test_whatIsMeteredLaterIsClosedLaterAsImbalance() public {
        _bought(ALICE, 1000);
        _conclude(PRICE, FEE);
        vm.warp(CLOSABLE);
        _close(ALICE);
        _assertFree(ALICE, RICH - 269_997);
        vm.warp(CLOSABLE + 100 days);
        _metered(ALICE, 1000, 0);
        _close(ALICE);
        // In all more than the 320,004 of who is in time.
        _assertFree(ALICE, RICH - 269_997 - 400_003);
    }

    function test_anAuctionThatDidNotEndInTimeCountsAsNothing() public {
        _bought(ALICE, 1000);
        _metered(ALICE, 1000, 0);
        vm.warp(SETTLE_UNTIL);
        _closeRefused(_accounts(ALICE), _tooEarly(SETTLE_UNTIL + 1));
        vm.warp(SETTLE_UNTIL + 1);
        vm.expectEmit(address(positions));
        emit IPositionBook.PositionClosed(ZONE, INTERVAL, ALICE, 0, 0, 1000, 0, true, 400_003, 400_003, false);
        _close(ALICE);
        _assertFree(ALICE, RICH - 400_003);
        _assertClosed(ALICE);
    }

    function test_fillsOfAnAuctionThatDidNotEndInTimeAreNothingToClose() public {
        _sold(ALICE, 1000);
        vm.warp(SETTLE_UNTIL + 1);
        _closeRefused(_accounts(ALICE), _nothing(ALICE));
    }

    function test_positionsAreClosedFromTheirTimeOn() public {
        _bought(ALICE, 1);
        _conclude(PRICE, FEE);
        vm.warp(CLOSABLE - 1);
        _closeRefused(_accounts(ALICE), _tooEarly(CLOSABLE));
        vm.warp(CLOSABLE);
        _close(ALICE);
    }

    /* WHAT IS REFUSED */

    function test_aPositionIsClosedOnce() public {
        _bought(ALICE, 1000);
        _conclude(PRICE, FEE);
        vm.warp(CLOSABLE);
        _close(ALICE);
        uint256 free = _free(ALICE);
        _closeRefused(_accounts(ALICE), _nothing(ALICE));
        _assertFree(ALICE, free);
    }

    function test_whoIsClosedAlreadyIsPassedOver() public {
        _metered(ALICE, 1000, 0);
        _metered(BOB, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _close(ALICE);
        _close(_accounts(ALICE, BOB, CAROL));
        _assertFree(ALICE, RICH - 400_003);
        _assertFree(BOB, RICH - 400_003);
        _closeRefused(_accounts(ALICE, BOB), _nothing(ALICE));
        _closeRefused(new uint24[](0), _nothing(0));
    }

    function test_noncesOutliveThePosition() public {
        positions.spendNonce(ZONE, INTERVAL, ALICE, 9);
        _bought(ALICE, 1000);
        _conclude(PRICE, FEE);
        vm.warp(CLOSABLE);
        _close(ALICE);
        vm.assertEq(positions.positionOf(ZONE, INTERVAL, ALICE).nonces, uint256(1 << 9 | 1));
    }

    function test_accountsComeInAscendingOrder() public {
        _metered(ALICE, 1, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _closeRefused(
            _accounts(ALICE, ALICE), abi.encodeWithSelector(IPositionBook.NotAscending.selector, ALICE, ALICE)
        );
        _closeRefused(_accounts(BOB, ALICE), abi.encodeWithSelector(IPositionBook.NotAscending.selector, BOB, ALICE));
    }

    function test_anAccountThatDoesNotExistIsRefused() public {
        _metered(NOBODY, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        _closeRefused(_accounts(NOBODY), _unknownAccount(NOBODY));
    }

    function test_nothingIsClosedWhileTheEscrowIsPaused() public {
        _metered(ALICE, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        vm.prank(GOVERNOR);
        escrow.pause();
        _closeRefused(_accounts(ALICE), _isPaused());
        vm.assertEq(positions.positionOf(ZONE, INTERVAL, ALICE).importedWh, 1000);
    }

    function test_anIntervalBeginsAtAQuarterOfAnHour() public {
        vm.warp(CLOSABLE);
        vm.expectRevert(abi.encodeWithSelector(IPositionBook.NotAnInterval.selector, INTERVAL + 1));
        positions.close(ZONE, INTERVAL + 1, _accounts(ALICE), chargeTariff, dischargeTariff);
    }

    function test_aZoneMustExist() public {
        vm.expectRevert(abi.encodeWithSelector(IPositionBook.UnknownZone.selector, ZONE + 1));
        positions.close(ZONE + 1, INTERVAL, _accounts(ALICE), chargeTariff, dischargeTariff);
    }

    function test_theTariffsMustBeTheZonesImbalancePrices() public {
        _metered(ALICE, 1000, 0);
        _concludeWithoutPrice();
        vm.warp(CLOSABLE);
        uint24[6] memory wrong = [MARKET_DISCHARGE, RIVAL_MARKET_CHARGE, CHARGE, DISCHARGE, 11, type(uint24).max];
        for (uint256 i; i < wrong.length; ++i) {
            _refuseTariffs(wrong[i], MARKET_DISCHARGE, wrong[i]);
        }
        _refuseTariffs(MARKET_CHARGE, MARKET_CHARGE, MARKET_CHARGE);
        _refuseTariffs(MARKET_CHARGE, DISCHARGE, DISCHARGE);
    }

    function test_theTariffsMustHoldInAllOfTheInterval() public {
        // The first ones begin with the tests and end a day later; these follow, and end within an interval.
        ITariffBook.Tariff memory tariff = _marketTariff(OPERATOR_ACCOUNT, false, 1);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days, NOW + 1 days + 900);
        uint24 exact = _publishMarket(OPERATOR, tariff);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days + 901, NOW + 1 days + 1800);
        uint24 late = _publishMarket(OPERATOR, tariff);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days + 1800, NOW + 1 days + 2699);
        uint24 short = _publishMarket(OPERATOR, tariff);
        tariff = _marketTariff(OPERATOR_ACCOUNT, true, 1);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days, NOW + 2 days);
        uint24 discharge = _publishMarket(OPERATOR, tariff);
        uint24[3] memory tariffs = [exact, late, short];
        for (uint40 i; i < 3; ++i) {
            uint40 interval = NOW + 1 days + 900 * i;
            _metered(GRID, interval, ALICE, 1000, 0);
            vm.warp(NOW + 2 days);
            if (i != 0) vm.expectRevert(_notImbalancePrice(tariffs[i], interval));
            positions.close(ZONE, interval, _accounts(ALICE), tariffs[i], discharge);
        }
    }

    function _refuseTariffs(uint24 charge, uint24 discharge, uint24 named) private {
        vm.expectRevert(_notImbalancePrice(named, INTERVAL));
        positions.close(ZONE, INTERVAL, _accounts(ALICE), charge, discharge);
    }

    function _notImbalancePrice(uint24 tariff, uint40 interval) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPositionBook.NotImbalancePrice.selector, tariff, ZONE, interval);
    }

    function _nothing(uint24 account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPositionBook.NothingToClose.selector, ZONE, INTERVAL, account);
    }

    function _tooEarly(uint40 from) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPositionBook.TooEarly.selector, INTERVAL, from);
    }
}
