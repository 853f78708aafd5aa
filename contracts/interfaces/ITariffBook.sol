// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Prices: append-only, each with one operator and one validity window.
interface ITariffBook {
    /// @notice Which way the energy flows.
    /// @dev Charge: the vehicle takes energy and its account is the buyer.
    ///      Discharge: the vehicle gives energy back and its account is the seller.
    ///      MarketCharge, MarketDischarge: the same ways, but a row moves no money when it is settled. It is metered in
    ///      the market of the payee's zone, where this is the price of what was not traded (IPositionBook).
    enum Direction {
        Charge,
        Discharge,
        MarketCharge,
        MarketDischarge
    }

    /// @notice One price.
    /// @param payee             operator's account; its stations alone may use the price
    /// @param direction         which way the energy flows
    /// @param priceMicroPerKwh  micro-euro per kWh; may be negative
    /// @param validFrom         first second, Unix seconds
    /// @param validTo           first second after the window, Unix seconds
    struct Tariff {
        uint24 payee;
        Direction direction;
        int32 priceMicroPerKwh;
        uint40 validFrom;
        uint40 validTo;
    }

    /// @notice A new price. It can never change.
    event TariffPublished(
        uint24 indexed tariff,
        uint24 indexed payee,
        Direction direction,
        int32 priceMicroPerKwh,
        uint40 validFrom,
        uint40 validTo
    );

    /// @notice A window must end after it starts.
    error EmptyWindow(uint40 validFrom, uint40 validTo);
    /// @notice An operator publishes for itself alone.
    error NotPayee(uint24 payee, uint24 caller);
    /// @notice The account registry must be a contract.
    error NotAContract(address account);
    /// @notice Prices of the market are known before they hold.
    error NotAhead(uint40 validFrom, uint256 blockTime);
    /// @notice Of a payee's market prices of one direction one holds at a time: the last one ends at `lastTo`.
    error Overlaps(uint24 payee, Direction direction, uint40 validFrom, uint40 lastTo);
    /// @notice All 2^24 - 1 tariff numbers are used.
    error NoTariffNumberLeft();

    /// @notice Publishes prices in order. Needs the operator role; `payee` must be the caller's account.
    ///         Market prices of one direction follow each other without overlap, and begin now or later.
    /// @return first number of the first one; the others follow it without a gap, from 0 on
    function publish(Tariff[] calldata tariffs) external returns (uint24 first);

    /// @notice A price; all fields zero if it does not exist.
    function tariffOf(uint24 tariff) external view returns (Tariff memory);

    /// @notice A price as one word, in the order of TariffTerms; 0 if it does not exist.
    function termsOf(uint24 tariff) external view returns (uint256 terms);

    /// @notice How many prices there are; their numbers are 0 to this minus 1.
    function tariffCount() external view returns (uint24);
}
