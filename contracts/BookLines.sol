// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// @title What is the same in the auctions of all zones.
library MarketDesign {
    uint40 internal constant INTERVAL_S = 900;
    /// @notice How long before its interval a book closes, s.
    uint40 internal constant GATE_S = 300;
    /// @notice How long after the gate sealed orders are revealed, s.
    uint40 internal constant REVEAL_S = 60;
    /// @notice How many intervals ahead orders are forced and sealed.
    uint40 internal constant AHEAD = 64;
    /// @notice Intervals for which forced orders and books are kept, each at the place of its number modulo this.
    uint256 internal constant RING = 128;
    /// @notice What a sealed order costs if it is not revealed, micro-euro.
    uint96 internal constant BOND_MICRO = 1_000_000;
    /// @notice What an order that is forced holds of the margin at least, micro-euro.
    uint256 internal constant LEAST_HELD_MICRO = 10_000;
    /// @notice A limit is a multiple of this, micro-euro per kWh; and so are floor and cap.
    int256 internal constant TICK = 100;
    int256 internal constant FLOOR = -500_000;
    int256 internal constant CAP = 4_000_000;
    uint256 internal constant CHUNK_LINES = 1_024;
    uint256 internal constant MAX_LINES = type(uint16).max;
    /// @notice With the 64 signed ones of an account they stay below the 2^40 Wh that a position holds.
    uint256 internal constant MAX_FORCED = 896;
    uint256 internal constant NONCES = 64;

    /// @notice The gate of an interval, of which none begins at 0.
    function gateOf(uint40 interval) internal pure returns (uint40) {
        unchecked {
            return interval - GATE_S;
        }
    }

    /// @notice Where the ring of a zone has an interval.
    function placeOf(uint16 zone, uint40 interval) internal pure returns (uint256) {
        return uint256(zone) << 8 | interval / INTERVAL_S % RING;
    }
}

/// @title Layout of a book's line, and how to read it.
/// @notice Big-endian: account u24 · amount u32 (bit 31 sell, bit 30 forced, then the quantity, Wh) · limit + 2^31 u32.
library BookLines {
    uint256 internal constant LINE_BYTES = 11;
    uint256 internal constant ACCOUNT_SHIFT = 64;
    uint256 internal constant WH_SHIFT = 32;
    uint256 internal constant SELL = 1 << 63;
    /// @notice The bit of a forced order in its amount.
    uint256 internal constant FORCED = 1 << 30;
    uint256 internal constant MAX_WH = (1 << 30) - 1;
    /// @notice A limit is written with this added to it.
    int256 internal constant OFFSET = 1 << 31;
    uint256 internal constant LOWEST = uint256(MarketDesign.FLOOR + OFFSET);
    /// @notice From the lowest limit to the highest.
    uint256 internal constant RANGE = uint256(MarketDesign.CAP - MarketDesign.FLOOR);
    uint256 internal constant TICK = uint256(MarketDesign.TICK);
    uint256 private constant WH_PER_KWH = 1_000;

    /// @notice Where a list of lines begins.
    function place(bytes calldata lines) internal pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := lines.offset
        }
    }

    /// @notice The line at a place.
    function lineAt(uint256 at) internal pure returns (uint256 line) {
        assembly ("memory-safe") {
            line := shr(168, calldataload(at))
        }
    }

    /// @notice The byte at a place.
    function byteAt(uint256 at) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(248, calldataload(at))
        }
    }

    /// @notice The word at a place.
    function wordAt(uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }

    function account(uint256 line) internal pure returns (uint24) {
        return uint24(line >> ACCOUNT_SHIFT);
    }

    function sells(uint256 line) internal pure returns (bool) {
        return line & SELL != 0;
    }

    function quantity(uint256 line) internal pure returns (uint256) {
        return line >> WH_SHIFT & MAX_WH;
    }

    /// @notice The limit with the offset.
    function limit(uint256 line) internal pure returns (uint256) {
        return uint32(line);
    }

    /// @notice Whether an order may have this quantity and limit.
    /// @param wh with the bits above it, which must be zero
    function isPossible(uint256 wh, uint256 limit_) internal pure returns (bool) {
        unchecked {
            return wh - 1 < MAX_WH && limit_ - LOWEST <= RANGE && (limit_ - LOWEST) % TICK == 0;
        }
    }

    /// @notice What a forced order holds, micro-euro: the most that it can owe, a buyer at its limit, a seller below
    ///         zero, rounded up; and not less than LEAST_HELD_MICRO, so that places in the chain cost all members money.
    function heldMicro(uint256 line) internal pure returns (uint256 micro) {
        unchecked {
            int256 price = int256(limit(line)) - OFFSET;
            if (sells(line)) price = -price;
            if (price > 0) micro = (quantity(line) * uint256(price) + (WH_PER_KWH - 1)) / WH_PER_KWH;
            if (micro < MarketDesign.LEAST_HELD_MICRO) micro = MarketDesign.LEAST_HELD_MICRO;
        }
    }

    /// @notice The next link of a chain of forced orders: the low 200 bits of keccak256(chain ‖ line ‖ nonce).
    function link(uint256 chain, uint256 line, uint256 nonce) internal pure returns (uint256 next) {
        assembly ("memory-safe") {
            mstore(0, chain)
            mstore(32, shl(160, or(shl(8, line), nonce)))
            next := shr(56, shl(56, keccak256(0, 44)))
        }
    }

    /// @notice The word at a place in memory.
    function memoryAt(uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(at)
        }
    }

    /// @notice Gives memory back, from a place on.
    function forget(uint256 at) internal pure {
        assembly ("memory-safe") {
            mstore(0x40, at)
        }
    }

    /// @notice The next link of a book's digest: keccak256(digest ‖ hash of a chunk).
    function chained(bytes32 digest, bytes32 chunkHash) internal pure returns (bytes32 next) {
        assembly ("memory-safe") {
            mstore(0, digest)
            mstore(32, chunkHash)
            next := keccak256(0, 64)
        }
    }

    /// @notice keccak256 of some bytes of calldata. Works in free memory and leaves it free.
    function hashAt(uint256 at, uint256 size) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, at, size)
            hash := keccak256(free, size)
        }
    }
}
