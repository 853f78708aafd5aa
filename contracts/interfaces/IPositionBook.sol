// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title What members traded and what was metered, per zone, market interval and account, and what it comes to.
/// @notice A position is closed against the zone's grid account, which stands between all who trade in the zone:
///         trades at the clearing price, what was metered beside them at the imbalance prices.
interface IPositionBook {
    /// @notice An account's position in one interval of a zone, Wh. What was closed is not in it any more.
    /// @param nonces bit n is set once the order with nonce n is used up
    struct Position {
        uint40 boughtWh;
        uint40 soldWh;
        uint40 importedWh;
        uint40 exportedWh;
        uint64 nonces;
    }

    /// @notice How an auction ended.
    /// @param concluded whether it did
    /// @param crossed   whether anything was traded; if not, there is no price
    /// @param priceMicroPerKwh the clearing price, micro-euro per kWh
    /// @param feeMicroPerKwh   grid fee of that interval, on top of the price for buyers
    struct Result {
        bool concluded;
        bool crossed;
        int32 priceMicroPerKwh;
        uint32 feeMicroPerKwh;
    }

    /// @notice A zone and the account that everybody in it trades against.
    event ZoneOpened(uint16 indexed zone, uint24 indexed grid);
    /// @notice Energy that settlement metered in the market; one word for each row, as `meter` takes it.
    event Metered(uint256[] rows);
    /// @notice An auction ended.
    event Concluded(
        uint16 indexed zone, uint40 indexed interval, bool crossed, int32 priceMicroPerKwh, uint32 feeMicroPerKwh
    );
    /// @notice A position was closed.
    /// @param boughtWh      what was traded
    /// @param importedWh    what was metered
    /// @param owedMicro     what the payer owes: the account if `accountPays`, else the grid account
    /// @param receivedMicro what the other one receives; the rest is dust
    /// @param setAside      the payer could not pay: the escrow keeps a debt instead
    event PositionClosed(
        uint16 indexed zone,
        uint40 indexed interval,
        uint24 indexed account,
        uint40 boughtWh,
        uint40 soldWh,
        uint40 importedWh,
        uint40 exportedWh,
        bool accountPays,
        uint96 owedMicro,
        uint96 receivedMicro,
        bool setAside
    );

    /// @notice What is named must be a contract.
    error NotAContract(address account);
    /// @notice Only a module of the escrow tells what was traded and metered.
    error NotAModule(address caller);
    /// @notice The account must be registered.
    error UnknownAccount(uint24 account);
    /// @notice A zone's grid account never changes.
    error ZoneExists(uint16 zone, uint24 grid);
    /// @notice An account is the grid account of one zone at most.
    error GridTaken(uint24 grid, uint16 zone);
    /// @notice The zone was never opened.
    error UnknownZone(uint16 zone);
    /// @notice Rows of a market tariff need a zone whose grid account publishes it.
    error NoZoneOf(uint24 payee);
    /// @notice An interval begins at a multiple of 900 s.
    error NotAnInterval(uint40 interval);
    /// @notice An order counts once; and nonces are below 64.
    error NonceTaken(uint16 zone, uint40 interval, uint24 account, uint8 nonce);
    /// @notice A signed order must not trade with another one of its own account.
    error SelfTrade(uint16 zone, uint40 interval, uint24 account);
    /// @notice An auction ends once.
    error AlreadyConcluded(uint16 zone, uint40 interval);
    /// @notice The time in which an auction can be settled is over.
    error TooLate(uint40 interval, uint40 until);
    /// @notice Positions of the interval cannot be closed yet.
    error TooEarly(uint40 interval, uint40 from);
    /// @notice The tariff is no imbalance price of the zone in that direction and interval.
    error NotImbalancePrice(uint24 tariff, uint16 zone, uint40 interval);
    /// @notice Accounts come in ascending order, each once.
    error NotAscending(uint24 account, uint24 next);
    /// @notice None of the accounts, of which this is the first, has anything to close.
    error NothingToClose(uint16 zone, uint40 interval, uint24 account);

    /// @notice Opens a zone. Only a module.
    function openZone(uint16 zone, uint24 grid) external;

    /// @notice Enters fills of an auction. Only a module, and not after `settleUntil`.
    /// @param fills one word for each order: account (24 bits) above sell (8) above forced (8) above nonce (8),
    ///              lowest 40 bits the Wh filled. A forced order's nonce may be used up already; a signed one's must
    ///              not, also when it gets nothing.
    function trade(uint16 zone, uint40 interval, uint256[] calldata fills) external;

    /// @notice Uses a nonce up. Only a module.
    function spendNonce(uint16 zone, uint40 interval, uint24 account, uint8 nonce) external;

    /// @notice Ends an auction. Only a module, once, and not after `settleUntil`.
    /// @param result `concluded` is ignored
    function conclude(uint16 zone, uint40 interval, Result calldata result) external;

    /// @notice Enters what stations metered. Only a module.
    /// @param rows one word for each row: payee of its tariff (24 bits) above account (24) above the second at which
    ///             it begins (40) above exported (8), lowest 32 bits the Wh. It counts for the interval in which it
    ///             begins.
    function meter(uint256[] calldata rows) external;

    /// @notice Closes positions: each account pays or receives what its trades and imbalances come to, in one amount.
    ///         Anybody may call it, from `closableFrom` on. What is metered later is closed later, as imbalance.
    ///
    ///         With price p, fee f, charge price c and discharge price d (micro-euro per kWh), an account owes
    ///           bought·(p + f) − sold·p
    ///         + max(0, imported − bought)·max(p, c) − max(0, bought − imported)·min(p, d)
    ///         + max(0, sold − exported)·max(p, c)   − max(0, exported − sold)·min(p, d),
    ///         divided by 1,000; without a price c and d count alone. If this is above zero the account pays it,
    ///         rounded up, and the grid account receives it rounded down; below zero the grid account pays. The rest
    ///         goes to the dust account. Who cannot pay owes a debt of "batch" 2^31 | interval / 900.
    ///         Fills of an auction that did not end in time count as nothing. Accounts that have nothing to close are
    ///         passed over, so that nobody stops a call by closing one of them first, and so is the grid account,
    ///         which would owe itself.
    /// @param accounts        ascending
    /// @param chargeTariff    the grid account's market tariff for charging that is valid in all of the interval
    /// @param dischargeTariff the same for discharging
    function close(
        uint16 zone,
        uint40 interval,
        uint24[] calldata accounts,
        uint24 chargeTariff,
        uint24 dischargeTariff
    ) external;

    /// @notice A position; all zero if there is none.
    function positionOf(uint16 zone, uint40 interval, uint24 account) external view returns (Position memory);

    /// @notice How the auction of an interval ended.
    function resultOf(uint16 zone, uint40 interval) external view returns (Result memory);

    /// @notice A zone's grid account, 0 if there is no such zone.
    function gridOf(uint16 zone) external view returns (uint24);

    /// @notice The zone of a grid account, and whether it has one.
    function zoneOf(uint24 grid) external view returns (uint16 zone, bool exists);

    /// @notice Last second at which an interval's auction can be settled; after it, nothing was traded.
    function settleUntil(uint40 interval) external view returns (uint40);

    /// @notice First second at which an interval's positions can be closed: late enough for what is metered in it to
    ///         be settled, and not before it is known what was traded.
    function closableFrom(uint16 zone, uint40 interval) external view returns (uint40);
}
