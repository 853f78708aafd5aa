// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry} from "./Entries.sol";

/// @notice Words in memory, counted from 0.
type WordTable is uint256;

/// @title Memory words without a bounds check.
/// @notice The caller masks each index to the table's size, a power of two.
library WordTables {
    /// @notice A table of zeros.
    function create(uint256 size) internal pure returns (WordTable table) {
        table = words(new uint256[](size));
    }

    /// @notice The words of a list of entries.
    function words(Entry[] memory list) internal pure returns (WordTable table) {
        assembly ("memory-safe") {
            table := add(list, 32)
        }
    }

    /// @notice The words of a list.
    function words(uint256[] memory list) internal pure returns (WordTable table) {
        assembly ("memory-safe") {
            table := add(list, 32)
        }
    }

    /// @notice What makes an offset for `at` and `put` of any number, in a table of `size` words.
    function mask(uint256 size) internal pure returns (uint256) {
        return size - 1 << 5;
    }

    /// @notice The word at an offset, which is 32 times its index.
    function at(WordTable table, uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(table, offset))
        }
    }

    /// @notice Overwrites the word at an offset.
    function put(WordTable table, uint256 offset, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(table, offset), word)
        }
    }

    /// @notice keccak256 of the first `size` words.
    function hashed(WordTable table, uint256 size) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(table, shl(5, size))
        }
    }

    /// @notice The word at an index.
    function get(WordTable table, uint256 index) internal pure returns (uint256 word) {
        return at(table, index << 5);
    }

    /// @notice Overwrites the word at an index.
    function set(WordTable table, uint256 index, uint256 word) internal pure {
        put(table, index << 5, word);
    }
}

/// @title A table of words at a fixed place in memory, which needs no pointer therefore.
library FirstTable {
    /// @dev Solidity's memory begins at 0x80, behind which the compiler may keep some variables.
    uint256 private constant START = 0x100;

    /// @notice Reserves `size` words, which are zero. Nothing may have been kept in memory before.
    function reserve(uint256 size) internal pure {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
            mstore(0x40, add(START, shl(5, size)))
        }
        assert(free <= START);
    }

    /// @notice Sets the first `size` words to zero.
    function clear(uint256 size) internal pure {
        assembly ("memory-safe") {
            calldatacopy(START, calldatasize(), shl(5, size))
        }
    }

    /// @notice The word at an offset, which is 32 times its index.
    function at(uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(START, offset))
        }
    }

    /// @notice Overwrites the word at an offset.
    function put(uint256 offset, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(START, offset), word)
        }
    }
}

/// @title Calldata lists without a bounds check.
/// @notice The caller stays below the list's length.
library WordLists {
    /// @notice The word at an index.
    function at(uint256[] calldata list, uint256 index) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(list.offset, shl(5, index)))
        }
    }

    /// @notice The entry at an index.
    function at(Entry[] calldata list, uint256 index) internal pure returns (Entry entry) {
        assembly ("memory-safe") {
            entry := calldataload(add(list.offset, shl(5, index)))
        }
    }
}

/// @title Layout of a settlement batch, and how to read it.
/// @notice Big-endian, no padding.
///
///         header     version u8 · tableBits u8 · statements u16 · evidence 32 bytes
///         statement  station u24 · sequence u24 · startTime u40 · durationS u24 · importWh u40 · exportWh u40 ·
///                    tariffBase u24 · rows u16 · telemetryRoot 32 · r 32 · vs 32
///         row        account u24 · energyWh u32 · startOffsetS u24 · durationS u16 · tariff u8
///
///         A header is followed by its statements, a statement by its rows. A row's tariff counts from
///         the statement's `tariffBase`; the two highest values mark energy that nobody is billed for.
///         `tableBits` sizes the table in which the batch is netted. It is the only number that nobody
///         signed, and all it can do is make the batch revert.
library BatchDecoder {
    uint8 internal constant VERSION = 1;
    uint256 internal constant HEADER_BYTES = 36;
    uint256 internal constant STATEMENT_BYTES = 125;
    uint256 internal constant ROW_BYTES = 13;
    /// @notice `row >> PLACE_SHIFT` is 32 times the row's account, and less than 32 beside it.
    uint256 internal constant PLACE_SHIFT = 227;
    /// @notice Where a row's energy is in a word that has the row at its top.
    uint256 internal constant ENERGY_SHIFT = 200;
    /// @notice Where its start is in a word that has the row at its top.
    uint256 internal constant START_SHIFT = 176;
    uint256 internal constant START_MASK = 0xffffff << START_SHIFT;
    uint256 internal constant DURATION_SHIFT = 160;
    uint256 internal constant DURATION_MASK = 0xffff << DURATION_SHIFT;

    /// @notice Energy taken that nobody is billed for.
    uint256 internal constant UNBILLED_IMPORT = 255;
    /// @notice Energy given back that nobody is paid for.
    uint256 internal constant UNBILLED_EXPORT = 254;

    /// @dev Times in Unix seconds, energy in Wh.
    struct Statement {
        uint256 station;
        uint256 sequence;
        uint256 startTime;
        uint256 durationS;
        uint256 importWh;
        uint256 exportWh;
        uint256 tariffBase;
        bytes32 telemetryRoot;
    }

    bytes32 internal constant STATEMENT_TYPEHASH = keccak256(
        "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
    );

    /// @notice The batch's head.
    function header(bytes calldata batch)
        internal
        pure
        returns (uint8 version, uint8 tableBits, uint256 statements, bytes32 evidence)
    {
        uint256 word = uint256(_wordAt(batch, 0));
        version = uint8(word >> 248);
        tableBits = uint8(word >> 240);
        statements = uint16(word >> 224);
        evidence = _wordAt(batch, 4);
    }

    /// @notice How many rows a batch of so many statements has, if nothing follows them.
    function rowsOf(bytes calldata batch, uint256 statements) internal pure returns (uint256) {
        return (batch.length - HEADER_BYTES - statements * STATEMENT_BYTES) / ROW_BYTES;
    }

    /// @notice The numbers of the statement that starts at a byte, in one word; the functions below take them out.
    function numbersAt(bytes calldata batch, uint256 at) internal pure returns (uint256 numbers) {
        numbers = uint256(_wordAt(batch, at));
    }

    function station(uint256 numbers) internal pure returns (uint24) {
        return uint24(numbers >> 232);
    }

    function sequence(uint256 numbers) internal pure returns (uint24) {
        return uint24(numbers >> 208);
    }

    function startTime(uint256 numbers) internal pure returns (uint256) {
        return uint40(numbers >> 168);
    }

    function durationS(uint256 numbers) internal pure returns (uint256) {
        return uint24(numbers >> 144);
    }

    /// @notice `startTime` and `durationS` as they stand side by side.
    function times(uint256 numbers) internal pure returns (uint256) {
        return uint64(numbers >> 144);
    }

    function importWh(uint256 numbers) internal pure returns (uint256) {
        return uint40(numbers >> 104);
    }

    function exportWh(uint256 numbers) internal pure returns (uint256) {
        return uint40(numbers >> 64);
    }

    function tariffBase(uint256 numbers) internal pure returns (uint256) {
        return uint24(numbers >> 40);
    }

    /// @notice Bytes that the statement's rows take.
    function rowBytes(uint256 numbers) internal pure returns (uint256) {
        unchecked {
            return uint256(uint16(numbers >> 24)) * ROW_BYTES;
        }
    }

    /// @notice The signature (EIP-2098) of the statement that starts at a byte.
    function signatureAt(bytes calldata batch, uint256 at) internal pure returns (bytes32 r, bytes32 vs) {
        unchecked {
            return (_wordAt(batch, at + 61), _wordAt(batch, at + 93));
        }
    }

    /// @notice The EIP-712 hash of the statement that starts at a byte and ends, with its rows, before `next`.
    /// @dev Reads past the end of the batch as whatever follows it: the caller checks that `next` is not past it.
    ///      Works in free memory and leaves it free.
    function structHashAt(bytes calldata batch, uint256 at, uint256 next) internal pure returns (bytes32 hash) {
        bytes32 typehash = STATEMENT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let rows := add(at, STATEMENT_BYTES)
            let size := sub(next, rows)
            calldatacopy(free, add(batch.offset, rows), size)
            let rowsHash := keccak256(free, size)
            let statement := add(batch.offset, at)
            let numbers := calldataload(statement)
            mstore(free, typehash)
            mstore(add(free, 32), shr(232, numbers))
            mstore(add(free, 64), and(shr(208, numbers), 0xffffff))
            mstore(add(free, 96), and(shr(168, numbers), 0xffffffffff))
            mstore(add(free, 128), and(shr(144, numbers), 0xffffff))
            mstore(add(free, 160), and(shr(104, numbers), 0xffffffffff))
            mstore(add(free, 192), and(shr(64, numbers), 0xffffffffff))
            mstore(add(free, 224), and(shr(40, numbers), 0xffffff))
            mstore(add(free, 256), calldataload(add(statement, 29)))
            mstore(add(free, 288), rowsHash)
            hash := keccak256(free, 320)
        }
    }

    /// @notice The EIP-712 hash of a statement.
    /// @param rowsHash keccak256 of its packed rows
    function structHash(Statement memory statement, bytes32 rowsHash) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                STATEMENT_TYPEHASH,
                statement.station,
                statement.sequence,
                statement.startTime,
                statement.durationS,
                statement.importWh,
                statement.exportWh,
                statement.tariffBase,
                statement.telemetryRoot,
                rowsHash
            )
        );
    }

    /// @notice A copy of the batch in memory, and where its first byte is.
    /// @dev The compiler would read a row anew from calldata for each of its numbers, not so from memory.
    function copied(bytes calldata batch) internal pure returns (uint256 start) {
        bytes memory copy = batch;
        assembly ("memory-safe") {
            start := add(copy, 32)
        }
    }

    /// @notice The word at a place in memory: a statement's numbers, or a row at the top.
    function wordAt(uint256 place) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(place)
        }
    }

    /// @notice A row by its place among packed rows, at the top of a word. It must exist; the functions below take
    ///         its numbers out.
    function rowOf(bytes calldata rows, uint256 index) internal pure returns (uint256 row) {
        return uint256(_wordAt(rows, index * ROW_BYTES));
    }

    function account(uint256 row) internal pure returns (uint256) {
        return row >> 232;
    }

    function energyWh(uint256 row) internal pure returns (uint256) {
        return row >> ENERGY_SHIFT & 0xffffffff;
    }

    function startOffsetS(uint256 row) internal pure returns (uint256) {
        return (row & START_MASK) >> START_SHIFT;
    }

    function endOffsetS(uint256 row) internal pure returns (uint256) {
        unchecked {
            return ((row & START_MASK) >> START_SHIFT) + ((row & DURATION_MASK) >> DURATION_SHIFT);
        }
    }

    function tariff(uint256 row) internal pure returns (uint256) {
        return row >> 152 & 0xff;
    }

    function isBilled(uint256 row) internal pure returns (bool) {
        return row >> 152 & 0xff < UNBILLED_EXPORT;
    }

    /// @dev Reads past the end as zeros. `SessionSettlement` refuses a batch whose length is not exactly
    ///      what was decoded, so no such zero is ever settled.
    function _wordAt(bytes calldata batch, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(batch.offset, at))
        }
    }
}
