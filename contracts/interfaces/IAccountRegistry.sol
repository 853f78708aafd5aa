// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Who may take part: accounts, their owners, vehicle keys and roles.
/// @notice An account is a 24-bit number that belongs to exactly one address. Accounts are never
///         deleted and never change owner, so an account number in an old event stays readable. A member
///         that leaves closes its account; it can be opened again, for the same owner.
interface IAccountRegistry {
    /// @notice A new member.
    /// @param account   number of the account, counted from 1
    /// @param owner     address that moves the account's money
    /// @param driverKey address whose signature stands for the vehicle; zero if there is none
    event AccountOpened(uint24 indexed account, address indexed owner, address indexed driverKey);
    /// @notice The vehicle key was replaced.
    event DriverKeySet(uint24 indexed account, address indexed driverKey, address indexed previousKey);
    /// @notice The member left: its account holds nothing and owes nothing.
    event AccountClosed(uint24 indexed account, address indexed owner, uint24 indexed by);
    /// @notice The member is back.
    event AccountReopened(uint24 indexed account, address indexed owner, uint24 indexed by);
    /// @notice Where members' money is. It happens once.
    event TreasurySet(address indexed escrow, address indexed token);
    /// @notice The account holds the role from now on.
    event RoleGranted(uint24 indexed account, uint16 indexed role, uint24 indexed by);
    /// @notice The account no longer holds the role.
    event RoleRevoked(uint24 indexed account, uint16 indexed role, uint24 indexed by);

    /// @notice The caller lacks the role that this function needs.
    error MissingRole(address caller, uint16 role);
    /// @notice The caller is no member.
    error NotAMember(address caller);
    /// @notice The address already owns an account.
    error AlreadyMember(address owner, uint24 account);
    /// @notice The vehicle key already stands for another account.
    error DriverKeyTaken(address driverKey, uint24 account);
    /// @notice No such account.
    error UnknownAccount(uint24 account);
    /// @notice Only the account's owner may do this.
    error NotAccountOwner(address caller, uint24 account);
    /// @notice The account is closed already, or must stay, or no treasury was named that could clear it.
    error CannotClose(uint24 account);
    /// @notice A member leaves without roles, money, waiting withdrawals, locks or debts.
    error NotClear(uint24 account, uint16 roles, uint256 tokenMicro);
    /// @notice The account is not closed.
    error NotClosed(uint24 account);
    /// @notice The treasury is named once and for all.
    error TreasuryAlreadySet(address escrow);
    /// @notice The escrow must be a contract.
    error NotAContract(address account);
    /// @notice Roles are single bits out of the published set.
    error UnknownRole(uint16 role);
    /// @notice The zero address cannot be a member.
    error ZeroAddress();
    /// @notice Each owner needs a vehicle key beside it, which may be zero.
    error LengthMismatch(uint256 owners, uint256 driverKeys);
    /// @notice All 2^24 - 1 account numbers are used.
    error NoAccountNumberLeft();
    /// @notice The last governor cannot step down: nobody could ever name another one.
    error LastGovernor(uint24 account);

    /// @notice Opens an account. Needs the operator or the governor role.
    /// @param owner     address that will own it
    /// @param driverKey vehicle key, or zero
    /// @return account the new account's number
    function openAccount(address owner, address driverKey) external returns (uint24 account);

    /// @notice Opens one account for each pair. Needs the operator or the governor role.
    /// @param owners     addresses that will own the accounts
    /// @param driverKeys vehicle keys in the same order, each may be zero
    /// @return first number of the first account; the others follow it without a gap
    function openAccounts(address[] calldata owners, address[] calldata driverKeys) external returns (uint24 first);

    /// @notice Replaces the vehicle key. Only the account's owner.
    /// @param account   the account
    /// @param driverKey the new key; zero removes it
    function setDriverKey(uint24 account, address driverKey) external;

    /// @notice Closes an account that holds nothing and owes nothing. Its owner, or a governor.
    ///         Its vehicle key is worth nothing from now on.
    function closeAccount(uint24 account) external;

    /// @notice Opens a closed account again. Needs the operator or the governor role.
    function reopenAccount(uint24 account) external;

    /// @notice Names the escrow, whose books an account must be clear in to be closed, once.
    ///         Needs the governor role.
    function setTreasury(address escrow) external;

    /// @notice Gives a role. Needs the governor role.
    function grantRole(uint24 account, uint16 role) external;

    /// @notice Takes a role away. Needs the governor role; the last governor stays.
    function revokeRole(uint24 account, uint16 role) external;

    /// @notice Reverts with MissingRole unless the caller holds one of the roles in the mask.
    /// @param caller address to look at
    /// @param roles  mask of roles, any one of which is enough
    /// @return account the caller's account number
    function requireRole(address caller, uint16 roles) external view returns (uint24 account);

    /// @notice Reverts with NotAMember unless the caller owns an open account.
    /// @return account the caller's account number
    function requireMember(address caller) external view returns (uint24 account);

    /// @notice Whether the account exists and is not closed.
    function isOpen(uint24 account) external view returns (bool);

    /// @notice Whether the address owns an open account.
    function isMember(address owner) external view returns (bool);

    /// @notice The account of an address, open or closed; 0 if it has none.
    function accountOf(address owner) external view returns (uint24);

    /// @notice The owner of an account; zero if it does not exist.
    function ownerOf(uint24 account) external view returns (address);

    /// @notice The vehicle key of an account; zero if it has none.
    function driverKeyOf(uint24 account) external view returns (address);

    /// @notice Up to when a vehicle key may have signed for the account, Unix seconds: the highest number for
    ///         its present key, 0 for a key that it never had.
    function driverKeyValidUntil(uint24 account, address driverKey) external view returns (uint40);

    /// @notice The roles of an account, as a mask.
    function rolesOf(uint24 account) external view returns (uint16);

    /// @notice How many accounts there are; their numbers are 1 to this.
    function accountCount() external view returns (uint24);
}
