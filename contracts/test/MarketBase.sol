// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base} from "./Base.sol";

/// @title A zone whose grid account is the operator's, with market prices for a day. The test is a module itself, as
///        the auction house is one.
abstract contract MarketBase is Base {
    uint16 internal constant ZONE = 7;
    uint24 internal constant GRID = OPERATOR_ACCOUNT;
    /// @dev The interval of the tests begins as they do.
    uint40 internal constant INTERVAL = NOW;
    uint40 internal constant CLOSABLE = INTERVAL + INTERVAL_S + CLOSE_AFTER_S;
    uint40 internal constant SETTLE_UNTIL = INTERVAL + INTERVAL_S + SETTLE_WITHIN_S;
    uint8 internal constant MARKET_CHARGE = 8;
    uint8 internal constant MARKET_DISCHARGE = 9;
    uint8 internal constant RIVAL_MARKET_CHARGE = 10;
    int32 internal constant CHARGE_IMBALANCE = 400_003;
    int32 internal constant DISCHARGE_IMBALANCE = 50_007;

    /// @dev The tariffs that `_close` names.
    uint24 internal chargeTariff = MARKET_CHARGE;
    uint24 internal dischargeTariff = MARKET_DISCHARGE;

    function setUp() public virtual override {
        super.setUp();
        positions.openZone(ZONE, GRID);
        _publishMarket(OPERATOR, _marketTariff(OPERATOR_ACCOUNT, false, CHARGE_IMBALANCE));
        _publishMarket(OPERATOR, _marketTariff(OPERATOR_ACCOUNT, true, DISCHARGE_IMBALANCE));
        _publishMarket(RIVAL, _marketTariff(RIVAL_ACCOUNT, false, CHARGE_IMBALANCE));
    }

    function _proposeOtherModules() internal virtual override {
        escrowGate.proposeModule(address(this));
    }

    /* PRICES */

    /// @dev A market tariff of the day that begins now.
    function _marketTariff(uint24 payee, bool discharge, int32 price)
        internal
        pure
        returns (ITariffBook.Tariff memory)
    {
        ITariffBook.Direction direction = discharge
            ? ITariffBook.Direction.MarketDischarge
            : ITariffBook.Direction.MarketCharge;
        return ITariffBook.Tariff(payee, direction, price, NOW, NOW + 1 days);
    }

    function _publishMarket(address owner, ITariffBook.Tariff memory tariff) internal returns (uint24) {
        ITariffBook.Tariff[] memory one = new ITariffBook.Tariff[](1);
        one[0] = tariff;
        vm.prank(owner);
        return tariffBook.publish(one);
    }

    /// @dev A second zone, of the rival, whose imbalance prices are free to choose.
    function _openRivalZone(uint16 zone, int32 charge, int32 discharge) internal {
        positions.openZone(zone, RIVAL_ACCOUNT);
        ITariffBook.Tariff memory tariff = _marketTariff(RIVAL_ACCOUNT, false, charge);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days, NOW + 2 days);
        chargeTariff = _publishMarket(RIVAL, tariff);
        tariff = _marketTariff(RIVAL_ACCOUNT, true, discharge);
        (tariff.validFrom, tariff.validTo) = (NOW + 1 days, NOW + 2 days);
        dischargeTariff = _publishMarket(RIVAL, tariff);
    }

    /* POSITIONS */

    function _trade(uint24 account, bool sell, uint40 energyWh, uint8 nonce) internal {
        _trade(ZONE, INTERVAL, account, sell, energyWh, nonce);
    }

    function _trade(uint16 zone, uint40 interval, uint24 account, bool sell, uint40 energyWh, uint8 nonce) internal {
        uint256 forced = 1;
        uint256 word = uint256(account) << 232 | (sell ? uint256(1) : 0) << 224 | forced << 216;
        positions.trade(zone, interval, _list(word | uint256(nonce) << 208 | energyWh));
    }

    function _bought(uint24 account, uint40 energyWh) internal {
        _trade(account, false, energyWh, 0);
    }

    function _sold(uint24 account, uint40 energyWh) internal {
        _trade(account, true, energyWh, 1);
    }

    function _metered(uint24 account, uint32 importedWh, uint32 exportedWh) internal {
        _metered(GRID, INTERVAL, account, importedWh, exportedWh);
    }

    function _metered(uint24 payee, uint40 at, uint24 account, uint32 importedWh, uint32 exportedWh) internal {
        positions.meter(_list(_meterWord(payee, account, at, false, importedWh)));
        positions.meter(_list(_meterWord(payee, account, at, true, exportedWh)));
    }

    function _meterWord(uint24 payee, uint24 account, uint40 begin, bool exported, uint32 energyWh)
        internal
        pure
        returns (uint256)
    {
        return
            uint256(payee) << 104 | uint256(account) << 80 | uint256(begin) << 40 | (exported ? 1 << 32 : 0) | energyWh;
    }

    function _conclude(int32 price, uint32 fee) internal {
        positions.conclude(ZONE, INTERVAL, IPositionBook.Result(true, true, price, fee));
    }

    function _concludeWithoutPrice() internal {
        positions.conclude(ZONE, INTERVAL, IPositionBook.Result(true, false, 0, 0));
    }

    /* CLOSING */

    /// @dev Closes as somebody whom nothing here knows.
    function _close(uint24[] memory list) internal {
        vm.prank(STRANGER);
        positions.close(ZONE, INTERVAL, list, chargeTariff, dischargeTariff);
    }

    function _close(uint24 account) internal {
        _close(_accounts(account));
    }

    function _closeRefused(uint24[] memory list, bytes memory why) internal {
        vm.expectRevert(why);
        _close(list);
    }

    function _accounts(uint24 one) internal pure returns (uint24[] memory list) {
        list = new uint24[](1);
        list[0] = one;
    }

    function _accounts(uint24 one, uint24 two) internal pure returns (uint24[] memory list) {
        list = new uint24[](2);
        (list[0], list[1]) = (one, two);
    }

    function _accounts(uint24 one, uint24 two, uint24 three) internal pure returns (uint24[] memory list) {
        list = new uint24[](3);
        (list[0], list[1], list[2]) = (one, two, three);
    }

    /// @dev The energy of a position is gone; its nonces are not.
    function _assertClosed(uint24 account) internal view {
        IPositionBook.Position memory position = positions.positionOf(ZONE, INTERVAL, account);
        vm.assertEq(position.boughtWh, 0);
        vm.assertEq(position.soldWh, 0);
        vm.assertEq(position.importedWh, 0);
        vm.assertEq(position.exportedWh, 0);
    }
}
