// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Entry} from "../Entries.sol";

/// @title Members' money: what is free, what is locked, what waits to be withdrawn, and what is owed.
/// @notice The escrow holds the settlement token. The sum of all that is free, locked and requested never
///         exceeds what it holds. Modules move money between accounts; they can neither make nor take any.
///         All amounts are micro-euro, all times Unix seconds.
interface IEscrow {
    /// @notice Something is owed that could not be paid when it was settled.
    /// @param debtor     account that owes
    /// @param creditor   account that is owed
    /// @param owedMicro  what the debtor pays
    /// @param shareMicro what of it the creditor receives; the rest goes to the dust account
    struct NewDebt {
        uint24 debtor;
        uint24 creditor;
        uint96 owedMicro;
        uint96 shareMicro;
    }

    /// @notice A debt as it is kept.
    /// @param creditor   account that is owed
    /// @param batch      number of the batch that it comes from; 0 for the reversal of a row
    /// @param writtenOff whether governance gave it up
    /// @param owedMicro  what is still owed; 0 once it was collected or written off
    /// @param shareMicro what of it the creditor receives
    struct Debt {
        uint24 creditor;
        uint32 batch;
        bool writtenOff;
        uint96 owedMicro;
        uint96 shareMicro;
    }

    /// @notice Money came in.
    event Deposited(uint24 indexed account, address indexed from, uint96 amountMicro);
    /// @notice Money was set apart for a withdrawal from `availableAt` on.
    event WithdrawalRequested(uint24 indexed account, uint96 amountMicro, uint40 availableAt);
    /// @notice A request was taken back; the money is free again.
    event WithdrawalCancelled(uint24 indexed account, uint96 amountMicro);
    /// @notice Money went out to the account's owner.
    event Withdrawn(uint24 indexed account, address indexed to, uint96 amountMicro);
    /// @notice No more than this is taken from the account by settlement within a day (UTC); 0 for no cap.
    event DailyCapSet(uint24 indexed account, uint64 capMicro);
    /// @notice No deposit may lift an account above this; 0 for no cap.
    event BalanceCapSet(uint96 capMicro);
    /// @notice Settlement and deposits stopped.
    event Paused(uint24 indexed by);
    /// @notice Settlement and deposits go on.
    event Unpaused(uint24 indexed by);
    /// @notice No withdrawal is paid before `until`.
    event WithdrawalsFrozen(uint24 indexed by, uint40 until);
    /// @notice A freeze was ended early.
    event WithdrawalsThawed(uint24 indexed by);
    /// @notice A debt of a batch was noted.
    event DebtRecorded(
        uint24 indexed debtor,
        uint32 indexed number,
        uint24 indexed creditor,
        uint32 batch,
        uint96 owedMicro,
        uint96 shareMicro
    );
    /// @notice A debt was paid; what the creditor does not receive went to the dust account.
    event DebtCollected(
        uint24 indexed debtor, uint32 indexed number, uint24 indexed creditor, uint96 owedMicro, uint96 shareMicro
    );
    /// @notice A debt will never be paid.
    event DebtWrittenOff(uint24 indexed debtor, uint32 indexed number, uint24 indexed creditor, uint96 owedMicro);
    /// @notice A part of a debt turned out not to be owed.
    event DebtReduced(uint24 indexed debtor, uint32 indexed number, uint96 owedMicro, uint96 shareMicro);
    /// @notice Money was locked for a module, for example as a bond.
    event Locked(uint24 indexed account, address indexed module, uint96 amountMicro);
    /// @notice Locked money became free, for the account or for another one.
    event Released(uint24 indexed account, address indexed module, uint24 indexed to, uint96 amountMicro);

    /// @notice An account cannot spend what it does not have, or what it owes.
    error InsufficientFree(uint24 account, uint256 freeMicro, uint256 neededMicro);
    /// @notice The account has no withdrawal waiting.
    error NothingRequested(uint24 account);
    /// @notice The withdrawal can be taken only later.
    error TooEarly(uint24 account, uint40 availableAt);
    /// @notice A request is already waiting; take it or cancel it first.
    error AlreadyRequested(uint24 account, uint96 amountMicro);
    /// @notice Amounts must be above zero.
    error ZeroAmount();
    /// @notice The credits of a batch must be equal to its debits; here they are higher by this.
    error Unbalanced(int256 gainMicro);
    /// @notice A creditor receives no more of a debt than the debtor pays.
    error ShareTooLarge(uint96 owedMicro, uint96 shareMicro);
    /// @notice This account cannot pay its debit; `insolventOf` lists all that cannot.
    error Insolvent(uint24 account, uint256 spendableMicro, uint256 debitMicro);
    /// @notice Settlement and deposits are paused.
    error IsPaused();
    /// @notice It is not paused.
    error NotPaused();
    /// @notice Governance froze withdrawals until then.
    error Frozen(uint40 until);
    /// @notice A freeze lasts at most this long, s.
    error FreezeTooLong(uint40 durationS, uint40 mostS);
    /// @notice The next freeze is possible only later: members must have had time to leave.
    error FreezeTooSoon(uint40 possibleFrom);
    /// @notice The deposit would lift the account above the cap.
    error AboveBalanceCap(uint24 account, uint256 balanceMicro, uint96 capMicro);
    /// @notice Modules must wait longer than a withdrawal that was requested and then frozen.
    error DelayTooShort(uint40 moduleDelay, uint40 neededS);
    /// @notice No such debt, or it is settled.
    error NoDebt(uint24 debtor, uint32 number);
    /// @notice No more is locked for this module.
    error InsufficientLocked(uint24 account, address module, uint256 lockedMicro, uint256 neededMicro);
    /// @notice The module is active: only it can release what it locked.
    error ModuleStillActive(address module);

    /// @notice Pays the caller's tokens into an account, then collects debts of that account, oldest first:
    ///         from this deposit, and from what else the account's daily cap leaves. Only members.
    /// @param account     whose balance grows; it must be open
    /// @param amountMicro micro-euro
    function deposit(uint24 account, uint96 amountMicro) external;

    /// @notice Sets money apart for a withdrawal. Only the account's owner; what the account owes must stay.
    function requestWithdrawal(uint24 account, uint96 amountMicro) external;

    /// @notice Takes a request back. Only the account's owner.
    function cancelWithdrawal(uint24 account) external;

    /// @notice Pays a waiting withdrawal to the account's owner. Only the owner, after the delay.
    function withdraw(uint24 account) external;

    /// @notice Caps what settlement takes from the account within a day (UTC). Only the account's owner.
    /// @param capMicro 0 for no cap
    function setDailyCap(uint24 account, uint64 capMicro) external;

    /// @notice Collects debts of an account, oldest first, as far as its balance and daily cap reach. Only members.
    /// @param most the most debts to look at
    function collect(uint24 account, uint32 most) external;

    /// @notice Frees what a module that was removed had locked. Only the account's owner.
    function reclaim(uint24 account, address module) external;

    /// @notice Stops settlement and deposits, never withdrawals. Needs the governor role.
    function pause() external;

    /// @notice Lets settlement and deposits go on. Needs the governor role.
    function unpause() external;

    /// @notice Stops payouts for a while. Needs the governor role. It ends by itself, and another one is
    ///         possible only `moduleDelay` after its end.
    /// @param durationS at most 72 hours, s
    function freezeWithdrawals(uint40 durationS) external;

    /// @notice Ends a freeze early. Needs the governor role.
    function thawWithdrawals() external;

    /// @notice Caps what deposits may lift an account to. Needs the governor role.
    /// @param capMicro 0 for no cap
    function setBalanceCap(uint96 capMicro) external;

    /// @notice Gives a debt up. Needs the governor role.
    function writeOff(uint24 debtor, uint32 number) external;

    /// @notice Applies a batch, netted to one entry for each account, or nothing at all. Only modules.
    /// @dev Entries are applied in their order. A payer must hold its whole debit when its entry comes.
    function applyBatch(Entry[] calldata entries) external;

    /// @notice Notes what could not be paid. Only modules.
    /// @param batch number of the batch that it comes from
    function recordDebts(uint32 batch, NewDebt[] calldata debts) external;

    /// @notice Takes back a part of an open debt that turned out not to be owed. Only modules.
    function reduceDebt(uint24 debtor, uint32 number, uint96 owedMicro, uint96 shareMicro) external;

    /// @notice Locks free money for the calling module. Only modules. What the account owes does not stand
    ///         against it: who owes for a row that it never authorised must be able to dispute it.
    function lock(uint24 account, uint96 amountMicro) external;

    /// @notice Frees money that the calling module had locked, for the account itself or another one. Only modules.
    function release(uint24 account, uint24 to, uint96 amountMicro) external;

    /// @notice The accounts that cannot pay their debit in these entries.
    function insolventOf(Entry[] calldata entries) external view returns (uint24[] memory insolvent);

    /// @notice What an account has, free to be settled or withdrawn, micro-euro.
    function freeOf(uint24 account) external view returns (uint96);

    /// @notice What settlement may take from an account now: what is free, within its daily cap, micro-euro.
    function spendableOf(uint24 account) external view returns (uint256);

    /// @notice An account's daily cap, 0 if there is none, and what settlement took from it on the last day
    ///         (days since 1970, UTC) on which it took something under a cap. Micro-euro.
    function dailyCapOf(uint24 account) external view returns (uint64 capMicro, uint64 spentMicro, uint24 day);

    /// @notice What an account has set apart for a withdrawal, micro-euro, and from when on.
    function withdrawalOf(uint24 account) external view returns (uint96 amountMicro, uint40 availableAt);

    /// @notice What modules have locked of an account's money, micro-euro.
    function lockedOf(uint24 account) external view returns (uint96);

    /// @notice What one module has locked of it, micro-euro.
    function lockedFor(uint24 account, address module) external view returns (uint96);

    /// @notice What an account owes in all, micro-euro, and the numbers of its first and its next debt.
    function debtsOf(uint24 account) external view returns (uint96 owedMicro, uint32 first, uint32 next);

    /// @notice A debt of an account.
    function debtOf(uint24 account, uint32 number) external view returns (Debt memory);

    /// @notice Whether the account holds nothing here, waits for nothing and owes nothing.
    function isClear(uint24 account) external view returns (bool);

    /// @notice Whether settlement and deposits are paused.
    function paused() external view returns (bool);

    /// @notice Until when withdrawals are frozen; in the past if they are not.
    function frozenUntil() external view returns (uint40);

    /// @notice What deposits may lift an account to, micro-euro; 0 for no cap.
    function balanceCap() external view returns (uint96);

    /// @notice The settlement token, which the escrow holds.
    function token() external view returns (IERC20);

    /// @notice How long a withdrawal waits, s.
    function withdrawalDelay() external view returns (uint40);
}
