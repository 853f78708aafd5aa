// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {WordLists} from "./BatchDecoder.sol";
import {Entry} from "./Entries.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {ModuleGate} from "./ModuleGate.sol";
import {NamedAccounts, Roles} from "./Roles.sol";

/// @title Holds members' money. Described in IEscrow.
contract Escrow is IEscrow, ModuleGate {
    using SafeERC20 for IERC20;
    using WordLists for Entry[];

    /* STORAGE */

    /// An account's word; its layout is below.
    struct Word {
        uint256 word;
    }

    /// What an account has set apart for a withdrawal.
    struct Request {
        uint96 amountMicro;
        uint40 availableAt;
    }

    /// An account's debts are numbered `first` to `next` - 1; those before `first` are settled.
    struct Queue {
        uint32 first;
        uint32 next;
        uint96 owedMicro;
    }

    /// What governance sets for all accounts.
    struct Guard {
        bool paused;
        uint40 frozenUntil;
        uint96 balanceCapMicro;
    }

    /// A freeze ends by itself after this long at the latest.
    uint40 public constant MAX_FREEZE_S = 72 hours;
    /// How many debts a deposit looks at.
    uint32 public constant DEBTS_PER_DEPOSIT = 16;

    /* An account's word: KNOWN (1 bit) above daily cap (64 bits, micro-euro) above day (24, since 1970) above
       what was spent on that day (64, micro-euro) above what is free (96, micro-euro). */

    /// Set once the registry confirmed the account, so that settlement asks it only once.
    uint256 private constant KNOWN = 1 << 255;
    uint256 private constant CAP_SHIFT = 184;
    uint256 private constant DAY_SHIFT = 160;
    uint256 private constant SPENT_SHIFT = 96;
    uint256 private constant CAPPED = uint256(type(uint64).max) << CAP_SHIFT;
    /// What is above an account's day as long as it has no cap, once it is known.
    uint256 private constant UNCAPPED = KNOWN >> CAP_SHIFT;
    uint256 private constant SPENDING = (1 << CAP_SHIFT) - (1 << SPENT_SHIFT);

    IERC20 public immutable token;
    uint40 public immutable withdrawalDelay;

    Guard private _guard;
    mapping(uint24 account => Word) private _accounts;
    mapping(uint24 account => Request) private _requests;
    mapping(uint24 account => Queue) private _queues;
    mapping(uint24 account => mapping(uint32 number => Debt)) private _debts;
    mapping(uint24 account => uint96) private _locked;
    mapping(address module => mapping(uint24 account => uint96)) private _lockedFor;

    /* CONSTRUCTION */

    /// @param withdrawalDelay_ how long a withdrawal waits, s
    /// @param moduleDelay_     how long a new module waits, s: longer than a withdrawal that is frozen
    constructor(IAccountRegistry accounts_, IERC20 token_, uint40 withdrawalDelay_, uint40 moduleDelay_)
        ModuleGate(accounts_, moduleDelay_)
    {
        if (address(token_).code.length == 0) revert NotAContract(address(token_));
        if (moduleDelay_ <= withdrawalDelay_ + MAX_FREEZE_S) {
            revert DelayTooShort(moduleDelay_, withdrawalDelay_ + MAX_FREEZE_S + 1);
        }
        token = token_;
        withdrawalDelay = withdrawalDelay_;
    }

    /* MEMBERS */

    /// @inheritdoc IEscrow
    function deposit(uint24 account, uint96 amountMicro) external {
        accounts.requireMember(msg.sender);
        _requireSealed();
        if (_guard.paused) revert IsPaused();
        if (amountMicro == 0) revert ZeroAmount();
        if (!accounts.isOpen(account)) revert IAccountRegistry.UnknownAccount(account);
        _credit(account, amountMicro);
        emit Deposited(account, msg.sender, amountMicro);
        _collect(account, DEBTS_PER_DEPOSIT, amountMicro);
        uint96 capMicro = _guard.balanceCapMicro;
        uint256 freeMicro = uint96(_accounts[account].word);
        if (capMicro != 0 && freeMicro > capMicro) revert AboveBalanceCap(account, freeMicro, capMicro);
        token.safeTransferFrom(msg.sender, address(this), amountMicro);
    }

    /// @inheritdoc IEscrow
    function requestWithdrawal(uint24 account, uint96 amountMicro) external {
        _requireOwner(account);
        if (amountMicro == 0) revert ZeroAmount();
        uint96 requestedMicro = _requests[account].amountMicro;
        if (requestedMicro != 0) revert AlreadyRequested(account, requestedMicro);
        _requireFree(account, uint256(amountMicro) + _queues[account].owedMicro);
        uint40 availableAt = uint40(block.timestamp) + withdrawalDelay;
        _accounts[account].word -= amountMicro;
        _requests[account] = Request(amountMicro, availableAt);
        emit WithdrawalRequested(account, amountMicro, availableAt);
    }

    /// @inheritdoc IEscrow
    function cancelWithdrawal(uint24 account) external {
        _requireOwner(account);
        uint96 amountMicro = _clearRequest(account);
        _credit(account, amountMicro);
        emit WithdrawalCancelled(account, amountMicro);
    }

    /// @inheritdoc IEscrow
    function withdraw(uint24 account) external {
        _requireOwner(account);
        uint40 availableAt = _requests[account].availableAt;
        if (block.timestamp < availableAt) revert TooEarly(account, availableAt);
        if (block.timestamp < _guard.frozenUntil) revert Frozen(_guard.frozenUntil);
        uint96 amountMicro = _clearRequest(account);
        emit Withdrawn(account, msg.sender, amountMicro);
        token.safeTransfer(msg.sender, amountMicro);
    }

    /// @inheritdoc IEscrow
    function setDailyCap(uint24 account, uint64 capMicro) external {
        _requireOwner(account);
        _accounts[account].word = KNOWN | _accounts[account].word & ~CAPPED | uint256(capMicro) << CAP_SHIFT;
        emit DailyCapSet(account, capMicro);
    }

    /// @inheritdoc IEscrow
    function collect(uint24 account, uint32 most) external {
        accounts.requireMember(msg.sender);
        if (_guard.paused) revert IsPaused();
        _collect(account, most, 0);
    }

    /// @inheritdoc IEscrow
    function reclaim(uint24 account, address module) external {
        _requireOwner(account);
        if (isModule(module)) revert ModuleStillActive(module);
        uint96 amountMicro = _lockedFor[module][account];
        if (amountMicro == 0) revert ZeroAmount();
        _release(module, account, account, amountMicro);
    }

    function _clearRequest(uint24 account) private returns (uint96 amountMicro) {
        amountMicro = _requests[account].amountMicro;
        if (amountMicro == 0) revert NothingRequested(account);
        delete _requests[account];
    }

    function _requireOwner(uint24 account) private view {
        if (accounts.requireMember(msg.sender) != account) {
            revert IAccountRegistry.NotAccountOwner(msg.sender, account);
        }
    }

    function _requireFree(uint24 account, uint256 neededMicro) private view {
        uint256 freeMicro = uint96(_accounts[account].word);
        if (freeMicro < neededMicro) revert InsufficientFree(account, freeMicro, neededMicro);
    }

    /* GOVERNANCE */

    /// @inheritdoc IEscrow
    function pause() external {
        uint24 by = accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (_guard.paused) revert IsPaused();
        _guard.paused = true;
        emit Paused(by);
    }

    /// @inheritdoc IEscrow
    function unpause() external {
        uint24 by = accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (!_guard.paused) revert NotPaused();
        _guard.paused = false;
        emit Unpaused(by);
    }

    /// @inheritdoc IEscrow
    function freezeWithdrawals(uint40 durationS) external {
        uint24 by = accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (durationS > MAX_FREEZE_S) revert FreezeTooLong(durationS, MAX_FREEZE_S);
        uint40 last = _guard.frozenUntil;
        if (last != 0 && block.timestamp < last + moduleDelay) revert FreezeTooSoon(last + moduleDelay);
        _guard.frozenUntil = uint40(block.timestamp) + durationS;
        emit WithdrawalsFrozen(by, _guard.frozenUntil);
    }

    /// @inheritdoc IEscrow
    function thawWithdrawals() external {
        uint24 by = accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (block.timestamp < _guard.frozenUntil) _guard.frozenUntil = uint40(block.timestamp);
        emit WithdrawalsThawed(by);
    }

    /// @inheritdoc IEscrow
    function setBalanceCap(uint96 capMicro) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        _guard.balanceCapMicro = capMicro;
        emit BalanceCapSet(capMicro);
    }

    /// @inheritdoc IEscrow
    function writeOff(uint24 debtor, uint32 number) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        Debt memory debt = _openDebt(debtor, number);
        _debts[debtor][number] = Debt(debt.creditor, debt.batch, true, 0, 0);
        _queues[debtor].owedMicro -= debt.owedMicro;
        emit DebtWrittenOff(debtor, number, debt.creditor, debt.owedMicro);
    }

    /* DEBTS */

    /// @dev Takes at most what the daily cap leaves and `extraMicro` beside it.
    function _collect(uint24 account, uint32 most, uint256 extraMicro) private {
        Queue memory queue = _queues[account];
        uint256 budgetMicro = _min(_spendable(_accounts[account].word) + extraMicro, uint96(_accounts[account].word));
        for (uint256 i; i < most && queue.first < queue.next; ++i) {
            Debt memory debt = _debts[account][queue.first];
            if (debt.owedMicro > budgetMicro) break;
            if (debt.owedMicro != 0) {
                budgetMicro -= debt.owedMicro;
                queue.owedMicro -= debt.owedMicro;
                _pay(account, queue.first, debt);
            }
            ++queue.first;
        }
        _queues[account] = queue;
    }

    function _pay(uint24 account, uint32 number, Debt memory debt) private {
        _accounts[account].word = _counted(_accounts[account].word, debt.owedMicro) - debt.owedMicro;
        _credit(debt.creditor, debt.shareMicro);
        _credit(NamedAccounts.DUST, debt.owedMicro - debt.shareMicro);
        (_debts[account][number].owedMicro, _debts[account][number].shareMicro) = (0, 0);
        emit DebtCollected(account, number, debt.creditor, debt.owedMicro, debt.shareMicro);
    }

    function _openDebt(uint24 debtor, uint32 number) private view returns (Debt memory debt) {
        debt = _debts[debtor][number];
        if (debt.owedMicro == 0) revert NoDebt(debtor, number);
    }

    /* MODULES */

    /// @inheritdoc IEscrow
    function applyBatch(Entry[] calldata entries) external {
        _requireModule();
        if (_guard.paused) revert IsPaused();
        uint256 balance;
        unchecked {
            for (uint256 i; i < entries.length; ++i) {
                balance += _apply(entries.at(i));
            }
        }
        if (balance != 0) revert Unbalanced(int256(balance));
    }

    /// @dev Debits and credits have 96 bits each, so their sums stay far from 2^256.
    /// @return gain what the account gains, modulo 2^256
    function _apply(Entry entry) private returns (uint256 gain) {
        unchecked {
            Word storage slot = _accounts[entry.accountOf()];
            uint256 word = slot.word;
            uint256 debit = entry.debitOf();
            if (word >> CAP_SHIFT != UNCAPPED || uint96(word) < debit) word = _spent(entry.accountOf(), word, debit);
            gain = entry.creditOf() - debit;
            slot.word = _moved(word, gain);
        }
    }

    /// @dev For an account that is new here, has a cap, or cannot pay.
    /// @return word as before, but known, and with what a cap counts
    function _spent(uint24 account, uint256 word, uint256 debit) private view returns (uint256) {
        if (word & KNOWN == 0) word |= _known(account);
        if (_spendable(word) < debit) revert Insolvent(account, _spendable(word), debit);
        return debit == 0 ? word : _counted(word, debit);
    }

    /// @inheritdoc IEscrow
    function recordDebts(uint32 batch, NewDebt[] calldata debts) external {
        _requireModule();
        for (uint256 i; i < debts.length; ++i) {
            NewDebt calldata debt = debts[i];
            if (debt.owedMicro == 0) revert ZeroAmount();
            if (debt.shareMicro > debt.owedMicro) revert ShareTooLarge(debt.owedMicro, debt.shareMicro);
            Queue storage queue = _queues[debt.debtor];
            uint32 number = queue.next++;
            queue.owedMicro += debt.owedMicro;
            _debts[debt.debtor][number] = Debt(debt.creditor, batch, false, debt.owedMicro, debt.shareMicro);
            emit DebtRecorded(debt.debtor, number, debt.creditor, batch, debt.owedMicro, debt.shareMicro);
        }
    }

    /// @inheritdoc IEscrow
    function reduceDebt(uint24 debtor, uint32 number, uint96 owedMicro, uint96 shareMicro) external {
        _requireModule();
        Debt memory debt = _openDebt(debtor, number);
        debt.owedMicro -= owedMicro;
        debt.shareMicro -= shareMicro;
        if (debt.shareMicro > debt.owedMicro) revert ShareTooLarge(debt.owedMicro, debt.shareMicro);
        _debts[debtor][number] = debt;
        _queues[debtor].owedMicro -= owedMicro;
        emit DebtReduced(debtor, number, owedMicro, shareMicro);
    }

    /// @inheritdoc IEscrow
    function lock(uint24 account, uint96 amountMicro) external {
        _requireModule();
        if (_guard.paused) revert IsPaused();
        _requireFree(account, amountMicro);
        _accounts[account].word -= amountMicro;
        _locked[account] += amountMicro;
        _lockedFor[msg.sender][account] += amountMicro;
        emit Locked(account, msg.sender, amountMicro);
    }

    /// @inheritdoc IEscrow
    function release(uint24 account, uint24 to, uint96 amountMicro) external {
        _requireModule();
        if (accounts.ownerOf(to) == address(0)) revert IAccountRegistry.UnknownAccount(to);
        _release(msg.sender, account, to, amountMicro);
    }

    function _release(address module, uint24 account, uint24 to, uint96 amountMicro) private {
        uint96 lockedMicro = _lockedFor[module][account];
        if (lockedMicro < amountMicro) revert InsufficientLocked(account, module, lockedMicro, amountMicro);
        _lockedFor[module][account] = lockedMicro - amountMicro;
        _locked[account] -= amountMicro;
        _credit(to, amountMicro);
        emit Released(account, module, to, amountMicro);
    }

    /* AN ACCOUNT'S WORD */

    /// @return KNOWN if the registry knows the account, be it open or closed
    function _known(uint24 account) private view returns (uint256) {
        if (accounts.ownerOf(account) == address(0)) revert IAccountRegistry.UnknownAccount(account);
        return KNOWN;
    }

    function _credit(uint24 account, uint256 amountMicro) private {
        if (amountMicro != 0) _accounts[account].word = _moved(_accounts[account].word | KNOWN, amountMicro);
    }

    /// @dev The account must hold what it loses. The token's whole supply would have to pass 2^96 micro-euro,
    ///      7.9e22 euro, for this to fail.
    /// @param gain what the account gains, modulo 2^256
    function _moved(uint256 word, uint256 gain) private pure returns (uint256 moved) {
        unchecked {
            moved = word + gain;
            assert((moved ^ word) >> SPENT_SHIFT == 0);
        }
    }

    /// @return the word with an amount added to what was spent today, if a cap asks for it
    function _counted(uint256 word, uint256 amountMicro) private view returns (uint256) {
        if (word & CAPPED == 0) return word;
        uint256 spentMicro = _min(_spentToday(word) + amountMicro, type(uint64).max);
        return word & ~SPENDING | _today() << DAY_SHIFT | spentMicro << SPENT_SHIFT;
    }

    /// @return what settlement may take, micro-euro: what is free, or less where a daily cap leaves less
    function _spendable(uint256 word) private view returns (uint256) {
        if (word & CAPPED == 0) return uint96(word);
        uint256 capMicro = uint64(word >> CAP_SHIFT);
        uint256 spentMicro = _spentToday(word);
        return spentMicro < capMicro ? _min(capMicro - spentMicro, uint96(word)) : 0;
    }

    function _spentToday(uint256 word) private view returns (uint256) {
        return uint24(word >> DAY_SHIFT) == _today() ? uint64(word >> SPENT_SHIFT) : 0;
    }

    function _today() private view returns (uint256) {
        return block.timestamp / 1 days;
    }

    function _min(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }

    /* VIEWS */

    /// @inheritdoc IEscrow
    function insolventOf(Entry[] calldata entries) external view returns (uint24[] memory insolvent) {
        uint256 count;
        for (uint256 i; i < entries.length; ++i) {
            if (_spendable(_accounts[entries[i].accountOf()].word) < entries[i].debitOf()) ++count;
        }
        insolvent = new uint24[](count);
        for (uint256 i; count != 0; ++i) {
            uint24 account = entries[i].accountOf();
            if (_spendable(_accounts[account].word) < entries[i].debitOf()) insolvent[--count] = account;
        }
    }

    /// @inheritdoc IEscrow
    function freeOf(uint24 account) external view returns (uint96) {
        return uint96(_accounts[account].word);
    }

    /// @inheritdoc IEscrow
    function spendableOf(uint24 account) external view returns (uint256) {
        return _spendable(_accounts[account].word);
    }

    /// @inheritdoc IEscrow
    function dailyCapOf(uint24 account) external view returns (uint64 capMicro, uint64 spentMicro, uint24 day) {
        uint256 word = _accounts[account].word;
        return (uint64(word >> CAP_SHIFT), uint64(word >> SPENT_SHIFT), uint24(word >> DAY_SHIFT));
    }

    /// @inheritdoc IEscrow
    function withdrawalOf(uint24 account) external view returns (uint96 amountMicro, uint40 availableAt) {
        return (_requests[account].amountMicro, _requests[account].availableAt);
    }

    /// @inheritdoc IEscrow
    function lockedOf(uint24 account) external view returns (uint96) {
        return _locked[account];
    }

    /// @inheritdoc IEscrow
    function lockedFor(uint24 account, address module) external view returns (uint96) {
        return _lockedFor[module][account];
    }

    /// @inheritdoc IEscrow
    function debtsOf(uint24 account) external view returns (uint96 owedMicro, uint32 first, uint32 next) {
        Queue memory queue = _queues[account];
        return (queue.owedMicro, queue.first, queue.next);
    }

    /// @inheritdoc IEscrow
    function debtOf(uint24 account, uint32 number) external view returns (Debt memory) {
        return _debts[account][number];
    }

    /// @inheritdoc IEscrow
    function isClear(uint24 account) external view returns (bool) {
        return uint96(_accounts[account].word) == 0 && _requests[account].amountMicro == 0 && _locked[account] == 0
            && _queues[account].owedMicro == 0;
    }

    /// @inheritdoc IEscrow
    function paused() external view returns (bool) {
        return _guard.paused;
    }

    /// @inheritdoc IEscrow
    function frozenUntil() external view returns (uint40) {
        return _guard.frozenUntil;
    }

    /// @inheritdoc IEscrow
    function balanceCap() external view returns (uint96) {
        return _guard.balanceCapMicro;
    }
}
