// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// @notice Words in memory, counted from 0.
type WordTable is uint256;

/// @title Memory words without a bounds check.
/// @notice The caller masks each index to the table's size, a power of two.
library WordTables {
    /// @notice A table of zeros.
    function create(uint256 size) internal pure returns (WordTable table) {
        uint256[] memory words = new uint256[](size);
        assembly ("memory-safe") {
            table := add(words, 32)
        }
    }

    /// @notice The word at an index.
    function get(WordTable table, uint256 index) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(table, shl(5, index)))
        }
    }

    /// @notice Overwrites the word at an index.
    function set(WordTable table, uint256 index, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(table, shl(5, index)), word)
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
        uint256 rows;
        bytes32 telemetryRoot;
        bytes32 r;
        bytes32 vs;
    }

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

    /// @notice The statement that starts at a byte.
    function statementAt(bytes calldata batch, uint256 at) internal pure returns (Statement memory statement) {
        uint256 word = uint256(_wordAt(batch, at));
        statement.station = word >> 232;
        statement.sequence = uint24(word >> 208);
        statement.startTime = uint40(word >> 168);
        statement.durationS = uint24(word >> 144);
        statement.importWh = uint40(word >> 104);
        statement.exportWh = uint40(word >> 64);
        statement.tariffBase = uint24(word >> 40);
        statement.rows = uint16(word >> 24);
        statement.telemetryRoot = _wordAt(batch, at + 29);
        statement.r = _wordAt(batch, at + 61);
        statement.vs = _wordAt(batch, at + 93);
    }

    /// @notice Where a byte of the batch lies in the transaction's data.
    function position(bytes calldata batch, uint256 at) internal pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := add(batch.offset, at)
        }
    }

    /// @notice The row that starts at a position, in the lowest 104 bits.
    function rowAt(uint256 place) internal pure returns (uint256 row) {
        assembly ("memory-safe") {
            row := shr(152, calldataload(place))
        }
    }

    /// @dev Reads past the end as zeros. `SessionSettlement` refuses a batch whose length is not exactly
    ///      what was decoded, so no such zero is ever settled.
    function _wordAt(bytes calldata batch, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(batch.offset, at))
        }
    }
}
