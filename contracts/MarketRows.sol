// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {WordTable, WordTables} from "./BatchDecoder.sol";

/// @title The rows of a batch that are metered in the market, as IPositionBook.meter takes them.
/// @notice Takes memory only for a batch that has such a row.
library MarketRows {
    using WordTables for WordTable;

    struct List {
        uint256[] words;
        uint256 used;
    }

    uint256 private constant PAYEE_SHIFT = 104;
    uint256 private constant ACCOUNT_SHIFT = 80;
    uint256 private constant BEGIN_SHIFT = 40;
    uint256 private constant EXPORTED_SHIFT = 32;

    /// @notice One row's word.
    /// @param begin    second at which it begins
    /// @param exported whether energy was given back
    function wordOf(uint256 payee, uint256 account, uint256 begin, bool exported, uint256 energyWh)
        internal
        pure
        returns (uint256)
    {
        return payee << PAYEE_SHIFT | account << ACCOUNT_SHIFT | begin << BEGIN_SHIFT
            | (exported ? 1 << EXPORTED_SHIFT : 0) | energyWh;
    }

    /// @notice Adds a row.
    /// @param most how many rows the batch has from this one on
    function add(List memory list, uint256 word, uint256 most) internal pure {
        if (list.used == 0) list.words = new uint256[](most);
        WordTables.words(list.words).set(list.used++, word);
    }

    /// @notice What was added, in its order. Nothing is added afterwards.
    function rowsOf(List memory list) internal pure returns (uint256[] memory rows) {
        rows = list.words;
        uint256 used = list.used;
        assembly ("memory-safe") {
            mstore(rows, used)
        }
    }
}
