// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @notice What a batch does to one account: account (24 bits) above 40 bits that are the caller's own, above
///         debit (96) above credit (96), both in micro-euro.
type Entry is uint256;

using {accountOf, debitOf, creditOf} for Entry global;

uint256 constant ACCOUNT_SHIFT = 232;
uint256 constant DEBIT_SHIFT = 96;

/// @notice The account.
function accountOf(Entry entry) pure returns (uint24) {
    return uint24(Entry.unwrap(entry) >> ACCOUNT_SHIFT);
}

/// @notice What it pays, micro-euro.
function debitOf(Entry entry) pure returns (uint256) {
    return uint96(Entry.unwrap(entry) >> DEBIT_SHIFT);
}

/// @notice What it receives, micro-euro.
function creditOf(Entry entry) pure returns (uint256) {
    return uint96(Entry.unwrap(entry));
}

/// @notice An entry.
function entryOf(uint24 account, uint96 debitMicro, uint96 creditMicro) pure returns (Entry) {
    return Entry.wrap(uint256(account) << ACCOUNT_SHIFT | uint256(debitMicro) << DEBIT_SHIFT | creditMicro);
}
