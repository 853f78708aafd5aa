// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {MarketDesign} from "./BookLines.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IPositionBook} from "./interfaces/IPositionBook.sol";
import {Roles} from "./Roles.sol";

/// @title Zones with their terms, and who takes part in them. Described in IAuctionHouse.
abstract contract ZoneSeats is IAuctionHouse {
    /* STORAGE */

    struct Terms {
        uint24 grid;
        uint32 feeMicroPerKwh;
        uint40 importLimitWh;
        uint40 exportLimitWh;
        /// From here on the next terms hold; 0 if there are none.
        uint40 nextFrom;
    }

    /// New terms hold for intervals that begin at least so much later, s.
    uint40 public constant NOTICE_S = 1 days;
    /// An auction is settled, at the latest, before so long after its interval begins, s.
    uint40 internal constant KEPT_S = (uint40(MarketDesign.RING) - MarketDesign.AHEAD) * MarketDesign.INTERVAL_S;
    /// The floor less it and a tick fits an int32.
    uint32 private constant MAX_FEE = 2_146_983_500;

    IAccountRegistry public immutable accounts;
    IEscrow public immutable escrow;
    IPositionBook public immutable positions;

    mapping(uint16 zone => Terms) private _terms;
    mapping(uint16 zone => Terms) private _nextTerms;
    /// Key: zone (16 bits) above owner (160). Account (24 bits) above free margin (96, micro-euro).
    mapping(uint256 key => uint256) internal _seats;

    uint256 internal constant SEAT_SHIFT = 96;

    /* CONSTRUCTION */

    constructor(IAccountRegistry accounts_, IEscrow escrow_, IPositionBook positions_) {
        _requireContract(address(accounts_));
        _requireContract(address(escrow_));
        _requireContract(address(positions_));
        accounts = accounts_;
        escrow = escrow_;
        positions = positions_;
        uint40 settlesForS = positions_.settleUntil(0);
        if (settlesForS >= KEPT_S) revert SettlesTooLong(settlesForS, KEPT_S - 1);
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /* ZONES */

    /// @inheritdoc IAuctionHouse
    function setZone(uint16 zone, Zone calldata terms) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (terms.feeMicroPerKwh > MAX_FEE || terms.feeMicroPerKwh % uint256(MarketDesign.TICK) != 0) {
            revert FeeRefused(terms.feeMicroPerKwh, MAX_FEE);
        }
        Terms memory known = _terms[zone];
        Terms memory next = Terms(terms.grid, terms.feeMicroPerKwh, terms.importLimitWh, terms.exportLimitWh, 0);
        uint40 from;
        if (known.grid == 0) {
            _terms[zone] = next;
            positions.openZone(zone, terms.grid);
        } else {
            from = uint40(block.timestamp) + NOTICE_S;
            _setNext(zone, known, next, from);
        }
        emit ZoneSet(zone, next.grid, next.feeMicroPerKwh, next.importLimitWh, next.exportLimitWh, from);
    }

    /// @dev Intervals before `nextFrom` may need their terms as long as they can be settled.
    function _setNext(uint16 zone, Terms memory known, Terms memory next, uint40 from) private {
        if (next.grid != known.grid) revert GridIsFixed(zone, known.grid);
        if (known.nextFrom != 0) {
            if (block.timestamp < known.nextFrom + KEPT_S) revert TermsPending(zone, known.nextFrom + KEPT_S);
            known = _nextTerms[zone];
        }
        known.nextFrom = from;
        _terms[zone] = known;
        _nextTerms[zone] = next;
    }

    /// @inheritdoc IAuctionHouse
    function zoneTerms(uint16 zone, uint40 interval) external view returns (Zone memory) {
        Terms memory terms = _termsOf(zone, interval);
        return Zone(terms.grid, terms.feeMicroPerKwh, terms.importLimitWh, terms.exportLimitWh);
    }

    function _termsOf(uint16 zone, uint40 interval) internal view returns (Terms memory terms) {
        terms = _terms[zone];
        if (terms.grid == 0) revert UnknownZone(zone);
        if (terms.nextFrom != 0 && interval >= terms.nextFrom) terms = _nextTerms[zone];
    }

    /// @dev A zone's grid account never changes.
    function _gridOf(uint16 zone) internal view returns (uint24 grid) {
        grid = _terms[zone].grid;
        if (grid == 0) revert UnknownZone(zone);
    }

    /* SEATS */

    /// @inheritdoc IAuctionHouse
    function join(uint16 zone, uint96 amountMicro) external {
        uint24 account = accounts.requireMember(msg.sender);
        if (account == _gridOf(zone)) revert GridCannotJoin(zone, account);
        uint256 key = _seatKey(zone, msg.sender);
        if (_seats[key] != 0) revert AlreadyJoined(zone, account);
        emit Joined(zone, account);
        _setMargin(zone, key, uint256(account) << SEAT_SHIFT | amountMicro);
        if (amountMicro != 0) escrow.lock(account, amountMicro);
    }

    /// @inheritdoc IAuctionHouse
    function addMargin(uint16 zone, uint96 amountMicro) external {
        (uint256 key, uint256 seat) = _seatOf(zone, msg.sender);
        _setMargin(zone, key, seat + amountMicro);
        escrow.lock(uint24(seat >> SEAT_SHIFT), amountMicro);
    }

    /// @inheritdoc IAuctionHouse
    function withdrawMargin(uint16 zone, uint96 amountMicro) external {
        (uint256 key, uint256 seat) = _seatOf(zone, msg.sender);
        _setMargin(zone, key, _taken(zone, seat, amountMicro));
        uint24 account = uint24(seat >> SEAT_SHIFT);
        _release(account, account, amountMicro);
    }

    function _setMargin(uint16 zone, uint256 key, uint256 seat) private {
        _seats[key] = seat;
        emit MarginChanged(zone, uint24(seat >> SEAT_SHIFT), uint96(seat));
    }

    function _release(uint24 account, uint24 to, uint96 amountMicro) internal {
        escrow.release(account, to, amountMicro);
    }

    /// @inheritdoc IAuctionHouse
    function seatOf(uint16 zone, address owner) external view returns (uint24 account, uint96 freeMicro) {
        uint256 seat = _seats[_seatKey(zone, owner)];
        return (uint24(seat >> SEAT_SHIFT), uint96(seat));
    }

    function _seatOf(uint16 zone, address owner) internal view returns (uint256 key, uint256 seat) {
        key = _seatKey(zone, owner);
        seat = _seats[key];
        if (seat == 0) revert NotJoined(zone, owner);
    }

    /// @return the seat with less free margin
    function _taken(uint16 zone, uint256 seat, uint256 amountMicro) internal pure returns (uint256) {
        if (uint96(seat) < amountMicro) {
            revert InsufficientMargin(zone, uint24(seat >> SEAT_SHIFT), uint96(seat), amountMicro);
        }
        unchecked {
            return seat - amountMicro;
        }
    }

    /// @dev What comes back was taken before: the escrow holds it, so that it has room in 96 bits.
    function _giveBack(uint16 zone, uint24 account, uint256 amountMicro) internal {
        _seats[_seatKey(zone, accounts.ownerOf(account))] += amountMicro;
    }

    function _seatKey(uint16 zone, address owner) private pure returns (uint256) {
        return uint256(zone) << 160 | uint160(owner);
    }
}
