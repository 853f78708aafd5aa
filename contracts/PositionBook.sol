// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Closings} from "./Closings.sol";
import {Entry} from "./Entries.sol";
import {Imbalances} from "./Imbalances.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IModuleGate} from "./interfaces/IModuleGate.sol";
import {IPositionBook} from "./interfaces/IPositionBook.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title Positions in the market. Described in IPositionBook.
contract PositionBook is IPositionBook {
    using Closings for Closings.Closing;

    /* STORAGE */

    /// Added to an interval's number, it is the "batch" of the debts that closing leaves.
    uint32 private constant INTERVAL_DEBT = 1 << 31;
    uint40 public constant INTERVAL_S = 900;
    uint256 private constant SOLD_SHIFT = 40;
    uint256 private constant NONCES_SHIFT = 160;

    IAccountRegistry public immutable accounts;
    ITariffBook public immutable tariffBook;
    IEscrow public immutable escrow;
    /// How long after an interval's end its positions stay open for what is metered late, s.
    uint40 public immutable closeAfterS;
    /// How long after an interval's end its auction can be settled, s.
    uint40 public immutable settleWithinS;

    /// A zone's grid account, and a grid account's zone + 1.
    mapping(uint16 zone => uint24) private _grids;
    mapping(uint24 grid => uint24) private _zones;
    /// Key: zone (16 bits) above interval (40) above account (24).
    mapping(uint256 key => Position) private _positions;
    /// Key: zone (16 bits) above interval (40).
    mapping(uint256 key => Result) private _results;

    /* CONSTRUCTION */

    constructor(
        IAccountRegistry accounts_,
        ITariffBook tariffBook_,
        IEscrow escrow_,
        uint40 closeAfterS_,
        uint40 settleWithinS_
    ) {
        _requireContract(address(accounts_));
        _requireContract(address(tariffBook_));
        _requireContract(address(escrow_));
        accounts = accounts_;
        tariffBook = tariffBook_;
        escrow = escrow_;
        closeAfterS = closeAfterS_;
        settleWithinS = settleWithinS_;
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /* ZONES AND AUCTIONS */

    /// @inheritdoc IPositionBook
    function openZone(uint16 zone, uint24 grid) external {
        _requireModule();
        if (accounts.ownerOf(grid) == address(0)) revert UnknownAccount(grid);
        if (_grids[zone] != 0) revert ZoneExists(zone, _grids[zone]);
        if (_zones[grid] != 0) revert GridTaken(grid, uint16(_zones[grid] - 1));
        _grids[zone] = grid;
        _zones[grid] = uint24(zone) + 1;
        emit ZoneOpened(zone, grid);
    }

    /// @inheritdoc IPositionBook
    function trade(uint16 zone, uint40 interval, uint256[] calldata fills) external {
        _requireOpen(zone, interval);
        uint256 auction = _keyOf(zone, interval) << 24;
        for (uint256 i; i < fills.length; ++i) {
            uint256 fill = fills[i];
            uint256 place = _placeOf(auction | fill >> 232);
            uint256 word = _wordAt(place);
            uint256 bit = uint256(uint64(1 << uint8(fill >> 208))) << NONCES_SHIFT;
            bool signed = uint8(fill >> 216) == 0;
            if (bit == 0 || (signed && word & bit != 0)) {
                revert NonceTaken(zone, interval, uint24(fill >> 232), uint8(fill >> 208));
            }
            word = _traded(word | bit, uint40(fill), uint8(fill >> 224) != 0);
            bool both = uint40(word) != 0 && uint40(word >> SOLD_SHIFT) != 0;
            if (signed && both && uint40(fill) != 0) revert SelfTrade(zone, interval, uint24(fill >> 232));
            _put(place, word);
        }
    }

    /// @return the position's word with what was bought or sold
    function _traded(uint256 word, uint256 filledWh, bool sell) private pure returns (uint256) {
        unchecked {
            uint256 shift = sell ? SOLD_SHIFT : 0;
            assert((word >> shift & type(uint40).max) + filledWh <= type(uint40).max);
            return word + (filledWh << shift);
        }
    }

    /* A position's word, as the compiler packs it: nonces (64 bits) above exported (40), imported (40), sold (40) and
       bought (40). To go through its fields one by one would cost half as much again in `trade`. */

    function _placeOf(uint256 key) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            mstore(0, key)
            mstore(32, _positions.slot)
            place := keccak256(0, 64)
        }
    }

    function _wordAt(uint256 place) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(place)
        }
    }

    function _put(uint256 place, uint256 word) private {
        assembly ("memory-safe") {
            sstore(place, word)
        }
    }

    /// @inheritdoc IPositionBook
    function spendNonce(uint16 zone, uint40 interval, uint24 account, uint8 nonce) external {
        _requireModule();
        Position storage position = _positions[_keyOf(zone, interval, account)];
        uint64 bit = uint64(1 << nonce);
        if (bit == 0 || position.nonces & bit != 0) revert NonceTaken(zone, interval, account, nonce);
        position.nonces |= bit;
    }

    /// @inheritdoc IPositionBook
    function conclude(uint16 zone, uint40 interval, Result calldata result) external {
        _requireOpen(zone, interval);
        Result storage known = _results[_keyOf(zone, interval)];
        if (known.concluded) revert AlreadyConcluded(zone, interval);
        _results[_keyOf(zone, interval)] = Result(true, result.crossed, result.priceMicroPerKwh, result.feeMicroPerKwh);
        emit Concluded(zone, interval, result.crossed, result.priceMicroPerKwh, result.feeMicroPerKwh);
    }

    function _requireOpen(uint16 zone, uint40 interval) private view {
        _requireModule();
        if (_grids[zone] == 0) revert UnknownZone(zone);
        if (block.timestamp > settleUntil(interval)) revert TooLate(interval, settleUntil(interval));
    }

    function _requireModule() private view {
        if (!IModuleGate(address(escrow)).isModule(msg.sender)) revert NotAModule(msg.sender);
    }

    /* METERING */

    /// @inheritdoc IPositionBook
    function meter(uint256[] calldata rows) external {
        _requireModule();
        for (uint256 i; i < rows.length; ++i) {
            uint256 row = rows[i];
            uint24 known = _zones[uint24(row >> 104)];
            if (known == 0) revert NoZoneOf(uint24(row >> 104));
            uint40 begin = uint40(row >> 40);
            uint256 key = _keyOf(uint16(known - 1), begin - begin % INTERVAL_S, uint24(row >> 80));
            Position storage position = _positions[key];
            if (uint8(row >> 32) == 0) position.importedWh += uint32(row);
            else position.exportedWh += uint32(row);
        }
        emit Metered(rows);
    }

    /* CLOSING */

    /// @inheritdoc IPositionBook
    function close(
        uint16 zone,
        uint40 interval,
        uint24[] calldata accounts_,
        uint24 chargeTariff,
        uint24 dischargeTariff
    ) external {
        Closings.Closing memory closing;
        (closing.zone, closing.interval, closing.grid) = (zone, interval, _grids[zone]);
        if (interval % INTERVAL_S != 0) revert NotAnInterval(interval);
        if (closing.grid == 0) revert UnknownZone(zone);
        if (block.timestamp < closableFrom(zone, interval)) revert TooEarly(interval, closableFrom(zone, interval));
        Result memory result = _results[_keyOf(zone, interval)];
        closing.prices = Imbalances.Prices({
            crossed: result.crossed,
            price: result.priceMicroPerKwh,
            fee: int256(uint256(result.feeMicroPerKwh)),
            charge: _imbalancePrice(closing, chargeTariff, false),
            discharge: _imbalancePrice(closing, dischargeTariff, true)
        });
        _takeOut(closing, accounts_);
        _pay(closing);
        _tell(closing);
    }

    /// @return the tariff's price, which holds in all of the interval
    function _imbalancePrice(Closings.Closing memory closing, uint24 tariff, bool discharge)
        private
        view
        returns (int256)
    {
        uint256 terms = tariffBook.termsOf(tariff);
        if (
            !TariffTerms.isMarket(terms) || TariffTerms.discharges(terms) != discharge
                || terms >> TariffTerms.PAYEE_SHIFT != closing.grid || TariffTerms.validFrom(terms) > closing.interval
                || TariffTerms.validTo(terms) < closing.interval + INTERVAL_S
        ) revert NotImbalancePrice(tariff, closing.zone, closing.interval);
        return TariffTerms.priceOf(terms);
    }

    /// @dev Takes the accounts' positions out of the book and puts down what each comes to.
    function _takeOut(Closings.Closing memory closing, uint24[] calldata accounts_) private {
        closing.list = new Closings.Closed[](accounts_.length);
        for (uint256 i; i < accounts_.length; ++i) {
            uint24 account = accounts_[i];
            if (i != 0 && account <= accounts_[i - 1]) revert NotAscending(accounts_[i - 1], account);
            uint256 key = _keyOf(closing.zone, closing.interval, account);
            Position memory position = _positions[key];
            if (!closing.prices.crossed) (position.boughtWh, position.soldWh) = (0, 0);
            if (account == closing.grid || !_hasEnergy(position)) continue;
            _positions[key] = Position(0, 0, 0, 0, position.nonces);
            Closings.Closed memory closed = closing.list[closing.count++];
            (closed.account, closed.position) = (account, position);
            (closed.accountPays, closed.owedMicro, closed.receivedMicro) = Imbalances.amountOf(position, closing.prices);
        }
        if (closing.count == 0) {
            revert NothingToClose(closing.zone, closing.interval, accounts_.length == 0 ? 0 : accounts_[0]);
        }
    }

    function _hasEnergy(Position memory position) private pure returns (bool) {
        return position.boughtWh | position.soldWh | position.importedWh | position.exportedWh != 0;
    }

    /// @dev Three attempts at most: the first one finds the accounts that cannot pay. Without their money the grid
    ///      account may be unable to pay, which the second one finds. Then it pays nothing.
    function _pay(Closings.Closing memory closing) private {
        while (true) {
            Entry[] memory entries = closing.entriesOf();
            try escrow.applyBatch(entries) {
                break;
            } catch {
                uint24[] memory insolvent = escrow.insolventOf(entries);
                if (insolvent.length == 0) {
                    // Something else was wrong: the second call reverts alike, and says what.
                    escrow.applyBatch(entries);
                    break;
                }
                closing.setAside(insolvent);
            }
        }
        if (closing.aside != 0) {
            escrow.recordDebts(INTERVAL_DEBT | uint32(closing.interval / INTERVAL_S), closing.debtsOf());
        }
    }

    function _tell(Closings.Closing memory closing) private {
        for (uint256 i; i < closing.count; ++i) {
            Closings.Closed memory closed = closing.list[i];
            emit PositionClosed(
                closing.zone,
                closing.interval,
                closed.account,
                closed.position.boughtWh,
                closed.position.soldWh,
                closed.position.importedWh,
                closed.position.exportedWh,
                closed.accountPays,
                closed.owedMicro,
                closed.receivedMicro,
                closed.setAside
            );
        }
    }

    /* VIEWS */

    /// @inheritdoc IPositionBook
    function positionOf(uint16 zone, uint40 interval, uint24 account) external view returns (Position memory) {
        return _positions[_keyOf(zone, interval, account)];
    }

    /// @inheritdoc IPositionBook
    function resultOf(uint16 zone, uint40 interval) external view returns (Result memory) {
        return _results[_keyOf(zone, interval)];
    }

    /// @inheritdoc IPositionBook
    function gridOf(uint16 zone) external view returns (uint24) {
        return _grids[zone];
    }

    /// @inheritdoc IPositionBook
    function zoneOf(uint24 grid) external view returns (uint16 zone, bool exists) {
        uint24 known = _zones[grid];
        return known == 0 ? (0, false) : (uint16(known - 1), true);
    }

    /// @inheritdoc IPositionBook
    function settleUntil(uint40 interval) public view returns (uint40) {
        return interval + INTERVAL_S + settleWithinS;
    }

    /// @inheritdoc IPositionBook
    function closableFrom(uint16 zone, uint40 interval) public view returns (uint40) {
        bool concluded = _results[_keyOf(zone, interval)].concluded;
        uint40 from = interval + INTERVAL_S + closeAfterS;
        return concluded || from > settleUntil(interval) ? from : settleUntil(interval) + 1;
    }

    function _keyOf(uint16 zone, uint40 interval) private pure returns (uint256) {
        return uint256(zone) << 40 | interval;
    }

    function _keyOf(uint16 zone, uint40 interval, uint24 account) private pure returns (uint256) {
        return _keyOf(zone, interval) << 24 | account;
    }
}
