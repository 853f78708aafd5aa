// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Members' money: what is free, and what waits to be withdrawn.
/// @notice The escrow holds the settlement token. The sum of all balances never exceeds what it holds.
interface IEscrow {
    /// @notice Money came in. Amounts in micro-euro.
    event Deposited(uint24 indexed account, address indexed from, uint96 amountMicro);
    /// @notice Money was set apart for a withdrawal from `availableAt` (Unix seconds) on.
    event WithdrawalRequested(uint24 indexed account, uint96 amountMicro, uint40 availableAt);
    /// @notice A request was taken back; the money is free again.
    event WithdrawalCancelled(uint24 indexed account, uint96 amountMicro);
    /// @notice Money went out to the account's owner.
    event Withdrawn(uint24 indexed account, address indexed to, uint96 amountMicro);
    /// @notice The only contract that may move money between accounts.
    event ModuleSet(address indexed settlement);

    /// @notice An account cannot spend what it does not have.
    error InsufficientFree(uint24 account, uint256 freeMicro, uint256 neededMicro);
    /// @notice The account has no withdrawal waiting.
    error NothingRequested(uint24 account);
    /// @notice The withdrawal can be taken only later (Unix seconds).
    error TooEarly(uint24 account, uint40 availableAt);
    /// @notice A request is already waiting; take it or cancel it first.
    error AlreadyRequested(uint24 account, uint96 amountMicro);
    /// @notice Amounts must be above zero.
    error ZeroAmount();
    /// @notice Only the settlement module may do this.
    error NotSettlement(address caller);
    /// @notice The entries of a batch must sum to zero.
    error Unbalanced(uint256 debitMicro, uint256 creditMicro);

    /// @notice Pays the caller's tokens into an account. The account must exist.
    /// @param account     whose balance grows
    /// @param amountMicro micro-euro
    function deposit(uint24 account, uint96 amountMicro) external;

    /// @notice Sets money apart for a withdrawal. Only the account's owner.
    function requestWithdrawal(uint24 account, uint96 amountMicro) external;

    /// @notice Takes a request back. Only the account's owner.
    function cancelWithdrawal(uint24 account) external;

    /// @notice Pays a waiting withdrawal to the account's owner. Only the owner, after the delay.
    function withdraw(uint24 account) external;

    /// @notice Names the only contract that may move money between accounts. Needs the governor role.
    function setSettlementModule(address settlement) external;

    /// @notice Applies a batch, netted to one entry for each account. Only the settlement module.
    /// @dev An entry is account (24 bits) above debit (112 bits) above credit (112 bits), micro-euro.
    ///      A payer must hold its whole debit before the batch: income of the same batch does not count.
    ///      If any payer does not, nothing is applied.
    /// @param entries one for each account, no account twice
    /// @return insolvent accounts that cannot pay their debit; empty if the batch was applied
    function applyBatch(uint256[] calldata entries) external returns (uint24[] memory insolvent);

    /// @notice What an account may spend, micro-euro.
    function freeOf(uint24 account) external view returns (uint96);

    /// @notice What an account has set apart for a withdrawal, micro-euro, and from when on (Unix seconds).
    function withdrawalOf(uint24 account) external view returns (uint96 amountMicro, uint40 availableAt);

    /// @notice How long a withdrawal waits, s.
    function withdrawalDelay() external view returns (uint40);
}
