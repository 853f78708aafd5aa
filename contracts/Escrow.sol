// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {Roles} from "./Roles.sol";

/// @title Holds members' money. Described in IEscrow.
contract Escrow is IEscrow {
    using SafeERC20 for IERC20;

    /* STORAGE */

    /// What an account has set apart for a withdrawal.
    struct Request {
        uint96 amountMicro;
        uint40 availableAt;
    }

    /// Set in a balance once the registry confirmed the account, so that settlement asks it only once.
    uint256 private constant KNOWN = 1 << 255;

    IAccountRegistry public immutable accounts;
    IERC20 public immutable token;
    uint40 public immutable withdrawalDelay;

    address public settlement;
    /// KNOWN above what the account may spend (96 bits, micro-euro): the one word that settlement touches.
    mapping(uint24 account => uint256) private _balances;
    mapping(uint24 account => Request) private _requests;

    /* CONSTRUCTION */

    /// @param withdrawalDelay_ how long a withdrawal waits, s
    constructor(IAccountRegistry accounts_, IERC20 token_, uint40 withdrawalDelay_) {
        accounts = accounts_;
        token = token_;
        withdrawalDelay = withdrawalDelay_;
    }

    /* MEMBERS */

    /// @inheritdoc IEscrow
    function deposit(uint24 account, uint96 amountMicro) external {
        if (amountMicro == 0) revert ZeroAmount();
        if (!accounts.isOpen(account)) revert IAccountRegistry.UnknownAccount(account);
        _balances[account] = KNOWN | _inRange(uint256(uint96(_balances[account])) + amountMicro);
        emit Deposited(account, msg.sender, amountMicro);
        token.safeTransferFrom(msg.sender, address(this), amountMicro);
    }

    /// @inheritdoc IEscrow
    function requestWithdrawal(uint24 account, uint96 amountMicro) external {
        _requireOwner(account);
        if (amountMicro == 0) revert ZeroAmount();
        uint96 requestedMicro = _requests[account].amountMicro;
        if (requestedMicro != 0) revert AlreadyRequested(account, requestedMicro);
        uint256 freeMicro = uint96(_balances[account]);
        if (freeMicro < amountMicro) revert InsufficientFree(account, freeMicro, amountMicro);
        uint40 availableAt = uint40(block.timestamp) + withdrawalDelay;
        _balances[account] -= amountMicro;
        _requests[account] = Request(amountMicro, availableAt);
        emit WithdrawalRequested(account, amountMicro, availableAt);
    }

    /// @inheritdoc IEscrow
    function cancelWithdrawal(uint24 account) external {
        _requireOwner(account);
        uint96 amountMicro = _clearRequest(account);
        _balances[account] = KNOWN | _inRange(uint256(uint96(_balances[account])) + amountMicro);
        emit WithdrawalCancelled(account, amountMicro);
    }

    /// @inheritdoc IEscrow
    function withdraw(uint24 account) external {
        _requireOwner(account);
        uint40 availableAt = _requests[account].availableAt;
        if (block.timestamp < availableAt) revert TooEarly(account, availableAt);
        uint96 amountMicro = _clearRequest(account);
        emit Withdrawn(account, msg.sender, amountMicro);
        token.safeTransfer(msg.sender, amountMicro);
    }

    function _clearRequest(uint24 account) private returns (uint96 amountMicro) {
        amountMicro = _requests[account].amountMicro;
        if (amountMicro == 0) revert NothingRequested(account);
        delete _requests[account];
    }

    function _requireOwner(uint24 account) private view {
        if (accounts.accountOf(msg.sender) != account || account == 0) {
            revert IAccountRegistry.NotAccountOwner(msg.sender, account);
        }
    }

    /* GOVERNANCE */

    /// @inheritdoc IEscrow
    function setSettlementModule(address settlement_) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        settlement = settlement_;
        emit ModuleSet(settlement_);
    }

    /* SETTLEMENT */

    /// @inheritdoc IEscrow
    function applyBatch(uint256[] calldata entries) external returns (uint24[] memory insolvent) {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        uint256 count = entries.length;
        uint256[] memory balances = new uint256[](count);
        uint256 poor;
        uint256 debits;
        uint256 credits;
        unchecked {
            for (uint256 i; i < count; ++i) {
                uint256 debit = _debitOf(entries[i]);
                uint256 balance = _balances[_accountOf(entries[i])];
                balances[i] = balance;
                if (uint96(balance) < debit) ++poor;
                debits += debit;
                credits += _creditOf(entries[i]);
            }
            if (poor != 0) return _insolventOf(entries, balances, poor);
            if (debits != credits) revert Unbalanced(debits, credits);
            for (uint256 i; i < count; ++i) {
                uint24 account = _accountOf(entries[i]);
                uint256 balance = balances[i];
                if (balance & KNOWN == 0 && !accounts.isOpen(account)) {
                    revert IAccountRegistry.UnknownAccount(account);
                }
                _balances[account] =
                    KNOWN | _inRange(uint256(uint96(balance)) - _debitOf(entries[i]) + _creditOf(entries[i]));
            }
        }
    }

    function _insolventOf(uint256[] calldata entries, uint256[] memory balances, uint256 count)
        private
        pure
        returns (uint24[] memory insolvent)
    {
        insolvent = new uint24[](count);
        for (uint256 i; i < entries.length; ++i) {
            if (uint96(balances[i]) < _debitOf(entries[i])) insolvent[--count] = _accountOf(entries[i]);
        }
    }

    /// @dev The token's whole supply would have to pass 2^96 micro-euro, 7.9e22 euro, for this to fail.
    function _inRange(uint256 freeMicro) private pure returns (uint256) {
        assert(freeMicro <= type(uint96).max);
        return freeMicro;
    }

    function _accountOf(uint256 entry) private pure returns (uint24) {
        return uint24(entry >> 224);
    }

    function _debitOf(uint256 entry) private pure returns (uint256) {
        return uint112(entry >> 112);
    }

    function _creditOf(uint256 entry) private pure returns (uint256) {
        return uint112(entry);
    }

    /* VIEWS */

    /// @inheritdoc IEscrow
    function freeOf(uint24 account) external view returns (uint96) {
        return uint96(_balances[account]);
    }

    /// @inheritdoc IEscrow
    function withdrawalOf(uint24 account) external view returns (uint96 amountMicro, uint40 availableAt) {
        return (_requests[account].amountMicro, _requests[account].availableAt);
    }
}
