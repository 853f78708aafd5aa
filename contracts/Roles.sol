// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title The consortium's roles, one bit each.
library Roles {
    /// @notice Names roles and modules.
    uint16 internal constant GOVERNOR = 1;
    /// @notice Registers accounts and stations, publishes tariffs for its own account.
    uint16 internal constant OPERATOR = 2;
    /// @notice Submits settlement batches.
    uint16 internal constant SETTLER = 4;
    /// @notice Has read access to members' evidence; no function on chain needs it.
    uint16 internal constant AUDITOR = 8;
    /// @notice Mints and burns the settlement token.
    uint16 internal constant ISSUER = 16;

    uint16 internal constant ALL = 31;
}

/// @title Accounts that exist from the start.
library NamedAccounts {
    /// @notice Stands in for energy that nobody is billed for.
    uint24 internal constant HOUSE = 1;
    /// @notice Receives what rounding leaves over.
    uint24 internal constant DUST = 2;
    /// @notice The first governor.
    uint24 internal constant GOVERNOR = 3;
}
