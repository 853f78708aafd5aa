// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IPositionBook} from "../../interfaces/IPositionBook.sol";
import {ITariffBook} from "../../interfaces/ITariffBook.sol";
import {World} from "./World.sol";

/// @title Auctions, whose house this contract plays, and positions that anybody closes.
abstract contract PositionVerbs is World {
    struct Holding {
        uint256 bought;
        uint256 sold;
        uint256 imported;
        uint256 exported;
    }

    struct Auction {
        bool held;
        bool concluded;
        bool crossed;
        int256 price;
        int256 fee;
    }

    struct Place {
        uint40 interval;
        uint24 account;
    }

    /// @dev What one account of a call pays, or is paid.
    struct Share {
        bool closed;
        bool pays;
        bool aside;
        uint256 owed;
        uint256 received;
    }

    uint16 private constant ZONE = 1;
    uint24 private constant GRID = OPERATOR_ACCOUNT;
    int256 private constant CHARGE_IMBALANCE = 410_003;
    int256 private constant DISCHARGE_IMBALANCE = 90_007;

    mapping(uint40 interval => mapping(uint24 account => Holding)) private _holdings;
    mapping(uint40 interval => Auction) private _auctions;
    Place[] private _places;
    uint24 private _chargeTariff;

    /// @notice How many accounts were set aside when positions were closed.
    uint256 public positionsAside;

    function setUp() public virtual override {
        super.setUp();
        vm.prank(address(auctions));
        positions.openZone(ZONE, GRID);
        _succeeded(address(positions), positions.openZone.selector);
        _chargeTariff = tariffBook.tariffCount();
        ITariffBook.Tariff[] memory tariffs = new ITariffBook.Tariff[](2);
        tariffs[0] = _tariff(GRID, ITariffBook.Direction.MarketCharge, int32(CHARGE_IMBALANCE));
        tariffs[1] = _tariff(GRID, ITariffBook.Direction.MarketDischarge, int32(DISCHARGE_IMBALANCE));
        for (uint256 i; i < 2; ++i) {
            (tariffs[i].validFrom, tariffs[i].validTo) = (NOW, NOW + 7300 days);
            _tariffs.push(tariffs[i]);
        }
        vm.prank(OPERATOR);
        tariffBook.publish(tariffs);
    }

    function _mostlyUnpausedForBatches() internal virtual;

    /* WHAT COMES IN */

    /// @dev A batch had this row.
    function _bookMetered(uint40 begin, uint24 account, bool exported, uint256 energyWh) internal {
        uint40 interval = begin - begin % INTERVAL_S;
        Holding storage holding = _holdings[interval][account];
        if (exported) holding.exported += energyWh;
        else holding.imported += energyWh;
        _places.push(Place(interval, account));
    }

    /// Two drivers trade, and most auctions end in time, with a price or without one.
    function auction(uint256 seed) external step(seed) {
        uint40 interval = _now() - _now() % INTERVAL_S - uint40(_pick(20)) * INTERVAL_S;
        if (interval < NOW || _auctions[interval].held) return;
        bool crossed = !_oneIn(4);
        uint256[] memory fills = _fills(crossed);
        _try(address(auctions), address(positions), abi.encodeCall(positions.trade, (ZONE, interval, fills)), true);
        _auctions[interval].held = true;
        for (uint256 i; i < fills.length; ++i) {
            uint24 account = uint24(fills[i] >> 232);
            Holding storage holding = _holdings[interval][account];
            if (uint8(fills[i] >> 224) == 0) holding.bought += uint40(fills[i]);
            else holding.sold += uint40(fills[i]);
            _places.push(Place(interval, account));
        }
        if (!_oneIn(4)) _conclude(interval, crossed);
    }

    /// @return fills of two drivers' signed orders
    function _fills(bool crossed) private returns (uint256[] memory fills) {
        fills = new uint256[](2);
        uint24 account = uint24(ALICE + _pick(3));
        for (uint24 i; i < 2; ++i) {
            fills[i] = uint256(account + i) << 232 | _pick(2) << 224 | (crossed ? _pick(20_000) : 0);
        }
    }

    function _conclude(uint40 interval, bool crossed) private {
        int32 price = int32(int256(_pick(900_000))) - 200_000;
        uint32 fee = uint32(_pick(40_000));
        IPositionBook.Result memory result = IPositionBook.Result(true, crossed, price, fee);
        bytes memory data = abi.encodeCall(positions.conclude, (ZONE, interval, result));
        _try(address(auctions), address(positions), data, true);
        _auctions[interval] = Auction(true, true, crossed, price, int256(uint256(fee)));
        _refused(address(auctions), address(positions), data);
    }

    /* CLOSING */

    function closePositions(uint256 seed) external step(seed) {
        _close();
    }

    function closeMorePositions(uint256 seed) external step(seed) {
        _close();
    }

    function _close() private {
        if (_places.length == 0) return;
        uint256 chosen = _places.length - 1 - _pick(_places.length < 16 ? _places.length : 16);
        (uint40 interval, uint24 account) = (_places[chosen].interval, _places[chosen].account);
        _mostlyUnpausedForBatches();
        uint40 from = _closableFrom(interval);
        if (_now() < from && !_oneIn(4)) _pass(from - _now());
        uint24[] memory list = _listWith(account);
        Share[] memory shares = _sharesOf(interval, list);
        bool any;
        for (uint256 i; i < list.length; ++i) {
            any = any || shares[i].closed;
        }
        bool expected = any && _now() >= from && !_paused;
        address caller = _oneIn(2) ? STRANGER : OPERATOR;
        _try(caller, address(positions), _call(interval, list), expected);
        if (!expected) return;
        _book(interval, list, shares);
        // Nothing is closed twice.
        _refused(STRANGER, address(positions), _call(interval, list));
    }

    function _call(uint40 interval, uint24[] memory list) private view returns (bytes memory) {
        return abi.encodeCall(positions.close, (ZONE, interval, list, _chargeTariff, _chargeTariff + 1));
    }

    function _closableFrom(uint40 interval) private view returns (uint40) {
        uint40 end = interval + INTERVAL_S;
        return _auctions[interval].concluded ? end + CLOSE_AFTER_S : end + SETTLE_WITHIN_S + 1;
    }

    /// @return list this account and, in between, about half of all others
    function _listWith(uint24 account) private returns (uint24[] memory list) {
        uint24[] memory all = new uint24[](_memberCount);
        uint256 count;
        for (uint24 other = 1; other <= _memberCount; ++other) {
            if (other == account || _oneIn(2)) all[count++] = other;
        }
        list = new uint24[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = all[i];
        }
    }

    /// @dev Who cannot pay is set aside, and all that the grid account should pay if it cannot pay without them.
    function _sharesOf(uint40 interval, uint24[] memory list) private view returns (Share[] memory shares) {
        shares = new Share[](list.length);
        int256 gridOwes;
        for (uint256 i; i < list.length; ++i) {
            shares[i] = _shareOf(interval, list[i]);
            Share memory share = shares[i];
            share.aside = share.pays && share.owed > _spendable(list[i]);
            if (!share.aside) gridOwes += share.pays ? -int256(share.received) : int256(share.owed);
        }
        if (gridOwes <= int256(_spendable(GRID))) return shares;
        for (uint256 i; i < list.length; ++i) {
            if (!shares[i].pays && shares[i].owed != 0) shares[i].aside = true;
        }
    }

    /// @dev Wh by Wh: what matches is at the clearing price, what is short at the dearer, what is too much at the
    ///      cheaper one.
    function _shareOf(uint40 interval, uint24 account) private view returns (Share memory share) {
        Holding memory held = _holdings[interval][account];
        Auction memory ended = _auctions[interval];
        bool crossed = ended.concluded && ended.crossed;
        if (!crossed) (held.bought, held.sold) = (0, 0);
        share.closed = account != GRID && held.bought + held.sold + held.imported + held.exported != 0;
        if (!share.closed) return share;
        bool above = crossed && ended.price > CHARGE_IMBALANCE;
        bool below = crossed && ended.price < DISCHARGE_IMBALANCE;
        int256 dear = above ? ended.price : CHARGE_IMBALANCE;
        int256 cheap = below ? ended.price : DISCHARGE_IMBALANCE;
        int256 sum = int256(held.bought) * (ended.price + ended.fee) - int256(held.sold) * ended.price;
        int256 taken = int256(held.imported) - int256(held.bought);
        int256 given = int256(held.exported) - int256(held.sold);
        sum += taken * (taken > 0 ? dear : cheap);
        sum -= given * (given > 0 ? cheap : dear);
        share.pays = sum > 0;
        uint256 size = uint256(sum > 0 ? sum : -sum);
        (share.owed, share.received) = ((size + 999) / 1000, size / 1000);
    }

    function _book(uint40 interval, uint24[] memory list, Share[] memory shares) private {
        (uint256 gridPays, uint256 gridGets) = (0, 0);
        for (uint256 i; i < list.length; ++i) {
            Share memory share = shares[i];
            if (!share.closed) continue;
            delete _holdings[interval][list[i]];
            if (share.aside) {
                _owe(interval, list[i], share);
                continue;
            }
            if (share.pays) {
                _settleDebit(list[i], share.owed);
                gridGets += share.received;
            } else {
                _credit(list[i], share.received);
                gridPays += share.owed;
            }
            _credit(DUST, share.owed - share.received);
        }
        if (gridPays > gridGets) _settleDebit(GRID, gridPays - gridGets);
        else _credit(GRID, gridGets - gridPays);
    }

    function _owe(uint40 interval, uint24 account, Share memory share) private {
        ++positionsAside;
        (uint24 debtor, uint24 creditor) = share.pays ? (account, GRID) : (GRID, account);
        uint32 batch = uint32(1 << 31) + uint32(interval / INTERVAL_S);
        _debts[debtor].push(IEscrow.Debt(creditor, batch, false, uint96(share.owed), uint96(share.received)));
    }

    /* WHAT MUST HOLD */

    /// @dev What is in the book is what was traded and metered and not yet closed.
    function checkPositions() external view {
        uint256 first = _places.length < 24 ? 0 : _places.length - 24;
        for (uint256 i = first; i < _places.length; ++i) {
            (uint40 interval, uint24 account) = (_places[i].interval, _places[i].account);
            IPositionBook.Position memory found = positions.positionOf(ZONE, interval, account);
            Holding memory held = _holdings[interval][account];
            vm.assertEq(uint256(found.boughtWh), held.bought, "bought");
            vm.assertEq(uint256(found.soldWh), held.sold, "sold");
            vm.assertEq(uint256(found.importedWh), held.imported, "imported");
            vm.assertEq(uint256(found.exportedWh), held.exported, "exported");
        }
    }
}
