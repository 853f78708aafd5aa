// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {NamedAccounts, Roles} from "./Roles.sol";

/// @title Members, their vehicle keys and their roles. Described in IAccountRegistry.
contract AccountRegistry is IAccountRegistry {
    /* STORAGE */

    /// Both ways of the address ↔ number relation, with the roles where `requireRole` reads them in one go.
    struct Member {
        uint24 account;
        uint16 roles;
        bool closed;
    }

    mapping(address owner => Member) private _members;
    mapping(uint24 account => address) private _owners;
    mapping(uint24 account => address) private _driverKeys;
    mapping(address driverKey => uint24) private _accountOfDriverKey;
    uint24 private _count;
    uint24 private _governors;
    mapping(uint24 account => mapping(address driverKey => uint40)) private _replacedAt;
    IEscrow public escrow;
    IERC20 public token;

    /* CONSTRUCTION */

    /// @param house    owner of the house account
    /// @param dust     owner of the dust account
    /// @param governor first governor
    constructor(address house, address dust, address governor) {
        assert(_open(house, address(0)) == NamedAccounts.HOUSE);
        assert(_open(dust, address(0)) == NamedAccounts.DUST);
        assert(_open(governor, address(0)) == NamedAccounts.GOVERNOR);
        _grant(NamedAccounts.GOVERNOR, Roles.GOVERNOR, NamedAccounts.GOVERNOR);
    }

    /* ACCOUNTS */

    /// @inheritdoc IAccountRegistry
    function openAccount(address owner, address driverKey) external returns (uint24 account) {
        requireRole(msg.sender, Roles.OPERATOR | Roles.GOVERNOR);
        account = _open(owner, driverKey);
    }

    /// @inheritdoc IAccountRegistry
    function openAccounts(address[] calldata owners, address[] calldata driverKeys) external returns (uint24 first) {
        requireRole(msg.sender, Roles.OPERATOR | Roles.GOVERNOR);
        if (owners.length != driverKeys.length) revert LengthMismatch(owners.length, driverKeys.length);
        first = _count + 1;
        for (uint256 i; i < owners.length; ++i) {
            _open(owners[i], driverKeys[i]);
        }
    }

    /// @inheritdoc IAccountRegistry
    function setDriverKey(uint24 account, address driverKey) external {
        if (_owners[account] == address(0)) revert UnknownAccount(account);
        if (requireMember(msg.sender) != account) revert NotAccountOwner(msg.sender, account);
        _setDriverKey(account, driverKey);
    }

    /// @inheritdoc IAccountRegistry
    function closeAccount(uint24 account) external {
        uint24 by = requireMember(msg.sender);
        address owner = _owners[account];
        if (owner == address(0)) revert UnknownAccount(account);
        if (by != account && _members[msg.sender].roles & Roles.GOVERNOR == 0) {
            revert NotAccountOwner(msg.sender, account);
        }
        Member storage member = _members[owner];
        if (member.closed || account <= NamedAccounts.DUST || address(escrow) == address(0)) {
            revert CannotClose(account);
        }
        uint256 tokenMicro = token.balanceOf(owner);
        if (member.roles != 0 || tokenMicro != 0 || !escrow.isClear(account)) {
            revert NotClear(account, member.roles, tokenMicro);
        }
        member.closed = true;
        emit AccountClosed(account, owner, by);
        if (_driverKeys[account] != address(0)) _setDriverKey(account, address(0));
    }

    /// @inheritdoc IAccountRegistry
    function reopenAccount(uint24 account) external {
        uint24 by = requireRole(msg.sender, Roles.OPERATOR | Roles.GOVERNOR);
        address owner = _owners[account];
        if (!_members[owner].closed) revert NotClosed(account);
        _members[owner].closed = false;
        emit AccountReopened(account, owner, by);
    }

    /// @inheritdoc IAccountRegistry
    function setTreasury(address escrow_) external {
        requireRole(msg.sender, Roles.GOVERNOR);
        if (address(escrow) != address(0)) revert TreasuryAlreadySet(address(escrow));
        if (escrow_.code.length == 0) revert NotAContract(escrow_);
        escrow = IEscrow(escrow_);
        token = IEscrow(escrow_).token();
        emit TreasurySet(escrow_, address(token));
    }

    function _open(address owner, address driverKey) private returns (uint24 account) {
        if (owner == address(0)) revert ZeroAddress();
        if (_members[owner].account != 0) revert AlreadyMember(owner, _members[owner].account);
        if (_count == type(uint24).max) revert NoAccountNumberLeft();
        account = ++_count;
        _members[owner].account = account;
        _owners[account] = owner;
        if (driverKey != address(0)) {
            _claimDriverKey(account, driverKey);
        }
        emit AccountOpened(account, owner, driverKey);
    }

    function _setDriverKey(uint24 account, address driverKey) private {
        address previous = _driverKeys[account];
        delete _accountOfDriverKey[previous];
        delete _driverKeys[account];
        if (previous != address(0)) _replacedAt[account][previous] = uint40(block.timestamp);
        if (driverKey != address(0)) {
            _claimDriverKey(account, driverKey);
        }
        emit DriverKeySet(account, driverKey, previous);
    }

    function _claimDriverKey(uint24 account, address driverKey) private {
        uint24 holder = _accountOfDriverKey[driverKey];
        if (holder != 0) revert DriverKeyTaken(driverKey, holder);
        _accountOfDriverKey[driverKey] = account;
        _driverKeys[account] = driverKey;
    }

    /* ROLES */

    /// @inheritdoc IAccountRegistry
    function grantRole(uint24 account, uint16 role) external {
        uint24 by = requireRole(msg.sender, Roles.GOVERNOR);
        _grant(account, role, by);
    }

    /// @inheritdoc IAccountRegistry
    function revokeRole(uint24 account, uint16 role) external {
        uint24 by = requireRole(msg.sender, Roles.GOVERNOR);
        Member storage member = _roleHolder(account, role);
        if (member.roles & role == 0) return;
        if (role == Roles.GOVERNOR) {
            if (_governors == 1) revert LastGovernor(account);
            --_governors;
        }
        member.roles &= ~role;
        emit RoleRevoked(account, role, by);
    }

    /// @inheritdoc IAccountRegistry
    function requireRole(address caller, uint16 roles) public view returns (uint24 account) {
        Member memory member = _members[caller];
        if (member.roles & roles == 0) revert MissingRole(caller, roles);
        return member.account;
    }

    function _grant(uint24 account, uint16 role, uint24 by) private {
        Member storage member = _roleHolder(account, role);
        if (member.roles & role != 0) return;
        if (role == Roles.GOVERNOR) ++_governors;
        member.roles |= role;
        emit RoleGranted(account, role, by);
    }

    function _roleHolder(uint24 account, uint16 role) private view returns (Member storage) {
        if (role == 0 || role & (role - 1) != 0 || role & Roles.ALL == 0) revert UnknownRole(role);
        address owner = _owners[account];
        if (owner == address(0) || _members[owner].closed) revert UnknownAccount(account);
        return _members[owner];
    }

    /* VIEWS */

    /// @inheritdoc IAccountRegistry
    function isOpen(uint24 account) external view returns (bool) {
        return isMember(_owners[account]);
    }

    /// @inheritdoc IAccountRegistry
    function isMember(address owner) public view returns (bool) {
        return _members[owner].account != 0 && !_members[owner].closed;
    }

    /// @inheritdoc IAccountRegistry
    function requireMember(address caller) public view returns (uint24 account) {
        if (!isMember(caller)) revert NotAMember(caller);
        return _members[caller].account;
    }

    /// @inheritdoc IAccountRegistry
    function driverKeyValidUntil(uint24 account, address driverKey) external view returns (uint40) {
        if (driverKey == address(0)) return 0;
        return _driverKeys[account] == driverKey ? type(uint40).max : _replacedAt[account][driverKey];
    }

    /// @inheritdoc IAccountRegistry
    function accountOf(address owner) external view returns (uint24) {
        return _members[owner].account;
    }

    /// @inheritdoc IAccountRegistry
    function ownerOf(uint24 account) external view returns (address) {
        return _owners[account];
    }

    /// @inheritdoc IAccountRegistry
    function driverKeyOf(uint24 account) external view returns (address) {
        return _driverKeys[account];
    }

    /// @inheritdoc IAccountRegistry
    function rolesOf(uint24 account) external view returns (uint16) {
        return _members[_owners[account]].roles;
    }

    /// @inheritdoc IAccountRegistry
    function accountCount() external view returns (uint24) {
        return _count;
    }
}
