// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base} from "./Base.sol";

/// @title Rows lie in their statement and in their tariff, whichever way settlement goes over them.
contract SettlementTimesTest is Base {
    uint256 private constant ALWAYS = type(uint40).max;

    /// Tariffs of the operator from number TARIFFS on: times in Unix seconds.
    struct Window {
        ITariffBook.Direction direction;
        int32 price;
        uint256 from;
        uint256 to;
    }

    Window[] private _windows;
    uint256 private _seed;
    /// @dev What the statements that were made so far moved.
    uint40 private _importWh;
    uint40 private _exportWh;
    bool private _allValid;

    function setUp() public override {
        super.setUp();
        (ITariffBook.Direction buy, ITariffBook.Direction sell) =
            (ITariffBook.Direction.Charge, ITariffBook.Direction.Discharge);
        _publish(Window(buy, CHARGE_PRICE, START + 100, START + 500));
        _publish(Window(buy, CHARGE_PRICE, 0, ALWAYS));
        _publish(Window(sell, DISCHARGE_PRICE, START + 50, START + 300));
        _publish(Window(sell, DISCHARGE_PRICE, 0, ALWAYS));
        _publish(Window(buy, NEGATIVE_CHARGE_PRICE, START, START + 200));
        _publish(Window(sell, NEGATIVE_DISCHARGE_PRICE, START + 200, ALWAYS));
        _publish(Window(buy, 0, START + 1, START + 899));
    }

    /// @dev Several statements of other times share a tariff base, and rows of all ways stand side by side.
    function testFuzz_rowsSettleJustIfTheyLieInTheirStatementAndTheirTariff(uint256 seed) public {
        _seed = seed;
        _allValid = true;
        uint256 count = 1 + _pick(3);
        bytes memory batch = _header(TABLE_BITS, uint16(count));
        for (uint256 i; i < count; ++i) {
            batch = bytes.concat(batch, _signed(_someStatement(uint24(i + 1))));
        }
        vm.prank(OPERATOR);
        (bool settled, bytes memory why) = address(settlement).call(abi.encodeCall(settlement.settle, (batch)));
        vm.assertEq(settled, _allValid);
        if (settled) return;
        vm.assertTrue(
            bytes4(why) == ISessionSettlement.TariffNotValid.selector
                || bytes4(why) == ISessionSettlement.RowOutsideStatement.selector
        );
    }

    function test_aTariffIsHeldAgainstTheTimesOfEachStatement() public {
        Statement memory one = _statement(V2G_STATION, 1, 2, 0, _rowsOf(0, 100, 400));
        Statement memory two = _statement(V2G_STATION, 2, 4, 0, _rowsOf(0, 99, 400));
        (one.tariffBase, two.tariffBase) = (TARIFFS, TARIFFS);
        two.startTime = START + 1;
        _settle(_batch(_signed(one), _signed(two)));
        Statement memory late = _statement(V2G_STATION, 3, 6, 0, _rowsOf(0, 100, 401));
        late.tariffBase = TARIFFS;
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 1, uint256(0)));
        settlement.settle(_batchOf(late));
    }

    /// @dev A statement may begin more than 2^24 s before its tariff does, or after it ended.
    function test_aTariffFarAwayIsNotValid() public {
        Statement memory early = _statement(V2G_STATION, 1, 2, 0, _rowsOf(0, type(uint24).max, 0));
        early.tariffBase = TARIFFS;
        (early.startTime, early.durationS) = (START + 100 - 2 ** 24, type(uint24).max);
        _settleRefused(
            _batchOf(early), abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, 0)
        );
        early.startTime = START + 100 - 2 ** 26;
        _settleRefused(
            _batchOf(early), abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, 0)
        );
        early.startTime = START + 101 - 2 ** 24;
        _settle(_batchOf(early));
        Statement memory over = _statement(V2G_STATION, 2, 4, 0, _rowsOf(0, 0, 0));
        (over.startTime, over.tariffBase) = (START + 501, TARIFFS);
        _settleRefused(
            _batchOf(over), abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, 0)
        );
        over.startTime = START + 500;
        _settle(_batchOf(over));
    }

    /* ACCOUNT 0 */

    /// @dev Account 0 is nobody's, and a place of the table that is free holds zeros.
    function testFuzz_accountZeroNeverTrades(uint8 bits, bool sells, uint8 others) public {
        bits = uint8(_between(bits, 3, 12));
        uint8 tariff = sells ? DISCHARGE : CHARGE;
        bytes memory rows;
        uint40 energyWh = uint40(_between(others, 0, 3));
        for (uint256 i; i < energyWh; ++i) {
            rows = bytes.concat(rows, _row(ALICE, 1, tariff));
        }
        rows = bytes.concat(rows, _row(0, 0, tariff));
        bytes memory signed = _signed(_first(sells ? 0 : energyWh, sells ? energyWh : 0, rows));
        _settleRefused(
            bytes.concat(_header(bits, 1), signed),
            abi.encodeWithSelector(ISessionSettlement.AccountCannotTrade.selector, 0)
        );
    }

    function testFuzz_theHouseNeverTrades(uint8 bits, bool sells) public {
        bits = uint8(_between(bits, 3, 12));
        uint8 tariff = sells ? DISCHARGE : CHARGE;
        bytes memory rows = bytes.concat(_row(ALICE, 1, tariff), _row(HOUSE, 0, tariff));
        bytes memory signed = _signed(_first(sells ? 0 : 1, sells ? 1 : 0, rows));
        _settleRefused(
            bytes.concat(_header(bits, 1), signed),
            abi.encodeWithSelector(ISessionSettlement.AccountCannotTrade.selector, HOUSE)
        );
    }

    /// @dev Another account has taken the place that would be the house's.
    function test_theHouseDoesNotTradeFromAnotherPlace() public {
        bytes memory rows = bytes.concat(_row(RIVAL_ACCOUNT, 1, CHARGE), _row(HOUSE, 0, CHARGE));
        _settleRefused(
            bytes.concat(_header(2, 1), _signed(_first(1, 0, rows))),
            abi.encodeWithSelector(ISessionSettlement.AccountCannotTrade.selector, HOUSE)
        );
    }

    /// @dev Places are as far apart as the largest table allows.
    function test_accountsOfHighNumbersAreNetted() public {
        address[] memory owners = new address[](4000);
        for (uint256 i; i < owners.length; ++i) {
            owners[i] = address(uint160(0xABC0000 + i));
        }
        vm.prank(OPERATOR);
        accounts.openAccounts(owners, new address[](owners.length));
        bytes memory rows = bytes.concat(_row(4000, 1, DISCHARGE), _row(129, 2, DISCHARGE), _row(ALICE, 3, CHARGE));
        _settle(bytes.concat(_header(12, 1), _signed(_first(3, 3, bytes.concat(rows, _row(4000, 0, DISCHARGE))))));
        _assertFree(4000, 200);
        _assertFree(129, 400);
        _assertFree(ALICE, RICH - 901);
        _assertFree(OPERATOR_ACCOUNT, RICH + 900 - 201 - 401);
    }

    /* WHAT THE TESTS SHARE */

    /// @dev Two rows of Alice at the same time, so that the second one takes the short way.
    function _rowsOf(uint8 tariff, uint24 startOffsetS, uint16 durationS) private pure returns (bytes memory) {
        return bytes.concat(
            _row(ALICE, 1, startOffsetS, durationS > 0 ? durationS - 1 : 0, tariff),
            _row(ALICE, 1, startOffsetS, durationS, tariff)
        );
    }

    function _someStatement(uint24 sequence) private returns (Statement memory s) {
        int24[7] memory starts = [-int24(2 ** 22), -1000, -60, 0, 40, 100, 600];
        s = _statement(V2G_STATION, sequence, 0, 0, "");
        s.tariffBase = TARIFFS;
        s.startTime = uint40(uint256(int256(uint256(START)) + starts[_pick(7)]));
        s.durationS = [uint24(0), 60, 450, 900, 5000][_pick(5)];
        if (s.startTime + s.durationS > NOW) s.durationS = uint24(NOW - s.startTime);
        uint256 count = 1 + _pick(6);
        for (uint256 i; i < count; ++i) {
            s.rows = bytes.concat(s.rows, _someRow(s));
        }
        (s.importWh, s.exportWh) = (_importWh, _exportWh);
    }

    /// @dev As far as it can be, a row at the very edges of what is allowed; one of twelve crosses an edge.
    function _someRow(Statement memory s) private returns (bytes memory) {
        uint256 tariff = _pick(_windows.length);
        Window memory window = _windows[tariff];
        uint256 end = uint256(s.startTime) + s.durationS;
        uint256 lo = window.from > s.startTime ? window.from : s.startTime;
        uint256 hi = window.to < end ? window.to : end;
        if (lo > hi) (lo, hi) = (s.startTime, end);
        uint256 edge = _pick(24);
        if (edge == 0 && lo > s.startTime) --lo;
        if (edge == 1) ++hi;
        if (edge > 8 && edge < 16) lo = (lo + hi) / 2;
        if (edge > 12) hi = (lo + hi) / 2;
        if (hi - lo > type(uint16).max) hi = lo + type(uint16).max;
        if (lo < window.from || hi > window.to || hi > end) _allValid = false;
        if (window.direction == ITariffBook.Direction.Charge) _importWh += 1;
        else _exportWh += 1;
        return _row(_pick(2) == 0 ? ALICE : BOB, 1, uint24(lo - s.startTime), uint16(hi - lo), uint8(tariff));
    }

    function _publish(Window memory window) private {
        _windows.push(window);
        ITariffBook.Tariff[] memory list = new ITariffBook.Tariff[](1);
        list[0] = ITariffBook.Tariff(
            OPERATOR_ACCOUNT, window.direction, window.price, uint40(window.from), uint40(window.to)
        );
        vm.prank(OPERATOR);
        tariffBook.publish(list);
    }

    /// @return something below `count`
    function _pick(uint256 count) private returns (uint256) {
        _seed = uint256(keccak256(abi.encode(_seed)));
        return _seed % count;
    }
}
