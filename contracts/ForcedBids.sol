// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BookLines, MarketDesign} from "./BookLines.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";
import {ZoneSeats} from "./ZoneSeats.sol";

/// @title Orders that their owners send to the chain: forced, cancelled, sealed. Described in IAuctionHouse.
abstract contract ForcedBids is ZoneSeats {
    using BookLines for uint256;

    /* STORAGE */

    /// Ring of a zone (MarketDesign.placeOf): interval (40 bits) above whether its money went back (1) above how many
    /// orders were forced (15) above their chain (200).
    mapping(uint256 place => uint256) private _forced;
    /// Zone (16 bits) above interval (40), with a bit above both.
    mapping(uint24 account => mapping(bytes32 commitment => uint256)) private _seals;

    uint256 private constant INTERVAL_SHIFT = 216;
    uint256 private constant RETURNED = 1 << 215;
    uint256 private constant COUNT_SHIFT = 200;
    uint256 private constant COUNT = (1 << 15) - 1;
    uint256 private constant CHAIN = (1 << COUNT_SHIFT) - 1;

    /* ORDERS */

    /// @inheritdoc IAuctionHouse
    function force(bytes32 order) external {
        _requireOpen(_intervalOf(order));
        (uint256 key, uint256 seat) = _seatOf(_zoneOf(order), msg.sender);
        _force(order, key, seat);
    }

    /// @inheritdoc IAuctionHouse
    function cancel(uint16 zone, uint40 interval, uint8 nonce) external {
        uint24 account = accounts.requireMember(msg.sender);
        _requireInterval(interval);
        _requireBeforeGate(interval);
        _gridOf(zone);
        if (nonce >= MarketDesign.NONCES) revert NonceRefused(nonce);
        emit OrderCancelled(zone, interval, account, nonce);
        positions.spendNonce(zone, interval, account, nonce);
    }

    /// @dev Holds of the margin what the order can owe, and appends it to its interval's chain.
    function _force(bytes32 order, uint256 key, uint256 seat) private {
        (uint16 zone, uint40 interval) = (_zoneOf(order), _intervalOf(order));
        uint256 line = _lineOf(order, uint24(seat >> SEAT_SHIFT));
        _seats[key] = _taken(zone, seat, line.heldMicro());
        _append(zone, interval, line, uint8(uint256(order) >> 128));
        emit BidForced(line.account(), order);
    }

    function _append(uint16 zone, uint40 interval, uint256 line, uint256 nonce) private {
        uint256 place = MarketDesign.placeOf(zone, interval);
        uint256 ring = _forced[place];
        if (ring >> INTERVAL_SHIFT != interval) {
            if (_isHeld(ring)) revert NotVoided(zone, uint40(ring >> INTERVAL_SHIFT));
            ring = uint256(interval) << INTERVAL_SHIFT;
        }
        uint256 count = (ring >> COUNT_SHIFT & COUNT) + 1;
        if (count > MarketDesign.MAX_FORCED) revert TooManyForced(zone, interval);
        _forced[place] = uint256(interval) << INTERVAL_SHIFT | count << COUNT_SHIFT | (ring & CHAIN).link(line, nonce);
    }

    /// @return line of the order in a book
    function _lineOf(bytes32 order, uint24 account) private pure returns (uint256 line) {
        uint256 numbers = uint64(uint256(order) >> 136);
        bool possible = BookLines.isPossible(numbers >> BookLines.WH_SHIFT & type(uint32).max >> 1, uint32(numbers));
        if (!possible || uint8(uint256(order) >> 128) >= MarketDesign.NONCES || uint128(uint256(order)) != 0) {
            revert OrderRefused(order);
        }
        line = uint256(account) << BookLines.ACCOUNT_SHIFT | numbers | BookLines.FORCED << BookLines.WH_SHIFT;
    }

    /* SEALED ORDERS */

    /// @inheritdoc IAuctionHouse
    function seal(uint16 zone, uint40 interval, bytes32 commitment) external {
        _requireOpen(interval);
        (uint256 key, uint256 seat) = _seatOf(zone, msg.sender);
        uint24 account = uint24(seat >> SEAT_SHIFT);
        if (_seals[account][commitment] != 0) revert AlreadySealed(account, commitment);
        _seats[key] = _taken(zone, seat, MarketDesign.BOND_MICRO);
        _seals[account][commitment] = _sealOf(zone, interval);
        emit BidSealed(zone, interval, account, commitment);
    }

    /// @inheritdoc IAuctionHouse
    function reveal(bytes32 order, bytes32 salt) external {
        (uint16 zone, uint40 interval) = (_zoneOf(order), _intervalOf(order));
        (uint256 key, uint256 seat) = _seatOf(zone, msg.sender);
        uint24 account = uint24(seat >> SEAT_SHIFT);
        _unseal(zone, interval, account, keccak256(abi.encode(account, order, salt)));
        uint40 gate = MarketDesign.gateOf(interval);
        if (block.timestamp < gate || block.timestamp >= gate + MarketDesign.REVEAL_S) {
            revert OutsideWindow(interval, gate, gate + MarketDesign.REVEAL_S);
        }
        _force(order, key, seat + MarketDesign.BOND_MICRO);
    }

    /// @inheritdoc IAuctionHouse
    function forfeit(uint16 zone, uint40 interval, uint24 account, bytes32 commitment) external {
        _unseal(zone, interval, account, commitment);
        uint40 from = MarketDesign.gateOf(interval) + MarketDesign.REVEAL_S;
        if (block.timestamp < from) revert TooEarly(interval, from);
        emit SealForfeited(zone, interval, account, commitment);
        _release(account, _gridOf(zone), MarketDesign.BOND_MICRO);
    }

    /// @inheritdoc IAuctionHouse
    function isSealed(uint16 zone, uint40 interval, uint24 account, bytes32 commitment) external view returns (bool) {
        return _seals[account][commitment] == _sealOf(zone, interval);
    }

    function _unseal(uint16 zone, uint40 interval, uint24 account, bytes32 commitment) private {
        if (_seals[account][commitment] != _sealOf(zone, interval)) revert NotSealed(account, commitment);
        delete _seals[account][commitment];
    }

    function _sealOf(uint16 zone, uint40 interval) private pure returns (uint256) {
        return 1 << 56 | uint256(zone) << 40 | interval;
    }

    /* WHAT BECOMES OF FORCED ORDERS */

    /// @inheritdoc IAuctionHouse
    function void(uint16 zone, uint40 interval, bytes calldata lines, bytes calldata nonces) external {
        if (!_isHeld(_forcedOf(zone, interval))) revert NothingForced(zone, interval);
        uint40 until = positions.settleUntil(interval);
        if (block.timestamp <= until && !_hasEnded(zone, interval)) revert TooEarly(interval, until + 1);
        _requireForced(zone, interval, lines, nonces);
        _voidForced(zone, interval, lines, nonces.length);
    }

    /// @dev Whether the interval's auction is over, other than by its time.
    function _hasEnded(uint16 zone, uint40 interval) internal view virtual returns (bool);

    /// @dev The lines must be those that were forced.
    function _voidForced(uint16 zone, uint40 interval, bytes calldata lines, uint256 count) internal {
        _markReturned(zone, interval);
        uint256 at = BookLines.place(lines);
        unchecked {
            for (uint256 i; i < count; ++i) {
                uint256 line = BookLines.lineAt(at + i * BookLines.LINE_BYTES);
                _giveBack(zone, line.account(), line.heldMicro());
            }
        }
        emit AuctionVoided(zone, interval);
    }

    /// @dev Refuses lines that do not begin with all forced ones.
    /// @return count how many there are
    function _requireForced(uint16 zone, uint40 interval, bytes calldata lines, bytes calldata nonces)
        internal
        view
        returns (uint256 count)
    {
        uint256 ring = _forcedOf(zone, interval);
        count = ring >> COUNT_SHIFT & COUNT;
        (uint256 at, uint256 nonceAt) = (BookLines.place(lines), BookLines.place(nonces));
        uint256 chain;
        if (nonces.length == count && lines.length >= count * BookLines.LINE_BYTES) {
            unchecked {
                for (uint256 i; i < count; ++i) {
                    chain = chain.link(BookLines.lineAt(at + i * BookLines.LINE_BYTES), BookLines.byteAt(nonceAt + i));
                }
            }
        }
        if (chain != ring & CHAIN || nonces.length != count) {
            revert ForcedLinesDiffer(bytes32(ring & CHAIN), bytes32(chain));
        }
    }

    function _markReturned(uint16 zone, uint40 interval) internal {
        _forced[MarketDesign.placeOf(zone, interval)] |= RETURNED;
    }

    /// @inheritdoc IAuctionHouse
    function forcedOf(uint16 zone, uint40 interval) external view returns (uint256 count, bytes32 chain, bool held) {
        uint256 ring = _forcedOf(zone, interval);
        return (ring >> COUNT_SHIFT & COUNT, bytes32(ring & CHAIN), _isHeld(ring));
    }

    /// @return ring the interval's word, zero if nothing was forced
    function _forcedOf(uint16 zone, uint40 interval) private view returns (uint256 ring) {
        ring = _forced[MarketDesign.placeOf(zone, interval)];
        if (ring >> INTERVAL_SHIFT != interval) ring = 0;
    }

    function _isHeld(uint256 ring) private pure returns (bool) {
        return ring & RETURNED == 0 && ring >> COUNT_SHIFT & COUNT != 0;
    }

    /* TIMES */

    function _requireOpen(uint40 interval) private view {
        _requireInterval(interval);
        _requireBeforeGate(interval);
        unchecked {
            uint40 last = uint40(block.timestamp) + MarketDesign.AHEAD * MarketDesign.INTERVAL_S;
            if (interval > last) revert TooFarAhead(interval, last);
        }
    }

    function _requireInterval(uint40 interval) internal pure {
        if (interval % MarketDesign.INTERVAL_S != 0 || interval == 0) revert NotAnInterval(interval);
    }

    function _requireBeforeGate(uint40 interval) private view {
        uint40 gate = MarketDesign.gateOf(interval);
        if (block.timestamp >= gate) revert GateClosed(interval, gate);
    }

    function _zoneOf(bytes32 order) private pure returns (uint16) {
        return uint16(uint256(order) >> 240);
    }

    function _intervalOf(bytes32 order) private pure returns (uint40) {
        return uint40(uint256(order) >> 200);
    }
}
