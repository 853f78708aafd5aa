// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Auctions that are cleared elsewhere and checked here. The rulebook: docs/reference/auction.md.
interface IAuctionHouse {
    /// @notice Terms of a zone.
    /// @param grid           account of the backstop; the others trade against it (IPositionBook)
    /// @param feeMicroPerKwh grid fee that a buyer pays on top of the price, on the tick
    /// @param importLimitWh  the most the grid account sells in one interval
    /// @param exportLimitWh  the most it buys in one interval
    struct Zone {
        uint24 grid;
        uint32 feeMicroPerKwh;
        uint40 importLimitWh;
        uint40 exportLimitWh;
    }

    /// @notice The clearing of a book. If nothing crosses, `lo` is a price above which nobody buys and up to which
    ///         nobody sells, and all but it is zero.
    /// @param rationed  0 for no side, 1 for the buyers', 2 for the sellers'
    /// @param atWh      M: Wh of that side at the price
    /// @param shareWh   R: what they share
    /// @param remainder of the last order that gets one Wh more; M if none does
    /// @param line      of that order, from 0 on; 0 if there is none
    struct Claim {
        bool crosses;
        uint64 volumeWh;
        int32 lo;
        int32 hi;
        uint8 rationed;
        uint64 atWh;
        uint64 shareWh;
        uint64 remainder;
        uint16 line;
    }

    /// @notice A zone's terms for intervals that begin at `from` or later.
    event ZoneSet(
        uint16 indexed zone, uint24 grid, uint32 feeMicroPerKwh, uint40 importLimitWh, uint40 exportLimitWh, uint40 from
    );
    /// @notice An account takes part in a zone's market: from now on its rows are metered there.
    event Joined(uint16 indexed zone, uint24 indexed account);
    /// @notice Money that an account has here for orders that it forces or seals.
    event MarginChanged(uint16 indexed zone, uint24 indexed account, uint96 freeMicro);
    /// @notice An order that its owner sent to the chain, or revealed. `order` is as `force` takes it.
    event BidForced(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, bytes32 order);
    /// @notice An order that is revealed after the gate.
    event BidSealed(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, bytes32 commitment);
    /// @notice A sealed order that nobody revealed: its bond is the grid account's.
    event SealForfeited(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, bytes32 commitment);
    /// @notice An order that must not be in the book.
    event OrderCancelled(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, uint8 nonce);
    /// @notice What the orders of an interval are.
    event BidsCommitted(uint16 indexed zone, uint40 indexed interval, uint256 count, bytes32 digest);
    /// @notice The book was cleared: the claim holds.
    event AuctionCleared(uint16 indexed zone, uint40 indexed interval, int32 priceMicroPerKwh, Claim claim);
    /// @notice Signatures of a chunk were checked, and its fills are in the positions.
    event BookSettled(uint16 indexed zone, uint40 indexed interval, uint256 chunk, uint256 chunks);
    /// @notice An interval's forced orders came to nothing, because its book was never settled.
    event AuctionVoided(uint16 indexed zone, uint40 indexed interval);
}
