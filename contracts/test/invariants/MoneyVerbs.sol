// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry, entryOf} from "../../Entries.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {Roles} from "../../Roles.sol";
import {World} from "./World.sol";

/// @title What members, governance and another module do with the escrow.
abstract contract MoneyVerbs is World {
    /// @dev Marks debts that this contract, as a module, recorded; no batch has this number.
    uint32 internal constant FOREIGN_BATCH = type(uint32).max;

    /* MEMBERS */

    function deposit(uint256 seed) external step(seed) {
        _deposit(_driver());
    }

    function depositAny(uint256 seed) external step(seed) {
        _deposit(_anyone());
    }

    function _deposit(uint24 account) private {
        _mostlyUnpaused();
        uint24 payer = _oneIn(3) ? _anyone() : account;
        uint96 amount = uint96(_oneIn(16) ? 0 : 1 + _pick(PURSE));
        if (!_oneIn(8) && _isOpen(payer)) {
            _try(ISSUER_OWNER, address(token), abi.encodeCall(token.mint, (_ownerOf(payer), amount)), true);
            _members[payer].wallet += amount;
            _try(_ownerOf(payer), address(token), abi.encodeCall(token.approve, (address(escrow), amount)), true);
        }
        bool funded = _members[payer].wallet >= amount && token.allowance(_ownerOf(payer), address(escrow)) >= amount;
        bool fits = _balanceCap == 0 || _freeAfterDeposit(account, amount) <= _balanceCap;
        bool expected = !_paused && amount != 0 && _isOpen(payer) && _isOpen(account) && fits && funded;
        _try(_ownerOf(payer), address(escrow), abi.encodeCall(escrow.deposit, (account, amount)), expected);
        if (!expected) return;
        _members[payer].wallet -= amount;
        _credit(account, amount);
        _collectDebts(account, 16, amount);
    }

    function requestWithdrawal(uint256 seed) external step(seed) {
        uint24 account = _oneIn(2) ? _operatorOrRival() : _anyone();
        uint24 caller = _with(account);
        Member storage member = _members[account];
        uint256 owed = _owed(account);
        uint256 most = member.free > owed ? member.free - owed : 0;
        uint256 amount = _oneIn(8) ? most + 1 : _pick(most / 4 + 1);
        bool expected = caller == account && _isOpen(account) && amount != 0 && member.requested == 0 && amount <= most;
        bytes memory data = abi.encodeCall(escrow.requestWithdrawal, (account, uint96(amount)));
        _try(_ownerOf(caller), address(escrow), data, expected);
        if (!expected) return;
        member.free -= amount;
        (member.requested, member.availableAt) = (amount, _now() + WITHDRAWAL_DELAY);
    }

    function cancelWithdrawal(uint256 seed) external step(seed) {
        uint24 account = _requester();
        if (_members[account].requested == 0 && !_oneIn(8)) return;
        uint24 caller = _with(account);
        bool expected = caller == account && _isOpen(account) && _members[account].requested != 0;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.cancelWithdrawal, (account)), expected);
        if (!expected) return;
        _credit(account, _members[account].requested);
        _members[account].requested = 0;
    }

    function withdraw(uint256 seed) external step(seed) {
        uint24 account = _requester();
        if (_members[account].requested == 0 && !_oneIn(8)) return;
        if (!_oneIn(3)) _pass(WITHDRAWAL_DELAY);
        _withdraw(account);
    }

    /// Nobody can keep a member's money back: a pause stops settlement and deposits, never a withdrawal.
    function withdrawWhilePaused(uint256 seed) external step(seed) {
        uint24 account = _requester();
        if (_members[account].requested == 0) return;
        if (!_paused) _setPaused(true);
        if (_now() < _members[account].availableAt) _pass(_members[account].availableAt - _now());
        bool thawed = _now() >= _frozenUntil;
        uint256 before = token.balanceOf(_ownerOf(account));
        uint256 amount = _members[account].requested;
        bytes memory data = abi.encodeCall(escrow.withdraw, (account));
        _try(_ownerOf(account), address(escrow), data, thawed);
        if (!thawed) return;
        _paid(account);
        _require(token.balanceOf(_ownerOf(account)) == before + amount, "a withdrawal is paid while paused");
        ++withdrawnWhilePaused;
    }

    /// @notice How many withdrawals were paid while settlement was paused.
    uint256 public withdrawnWhilePaused;

    function _withdraw(uint24 account) private {
        uint24 caller = _with(account);
        Member storage member = _members[account];
        bool due = member.requested != 0 && _now() >= member.availableAt && _now() >= _frozenUntil;
        bool expected = caller == account && _isOpen(account) && due;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.withdraw, (account)), expected);
        if (expected) _paid(account);
    }

    function _paid(uint24 account) private {
        _members[account].wallet += _members[account].requested;
        _members[account].requested = 0;
    }

    /// @return account one that has requested a withdrawal, if there is any
    function _requester() private returns (uint24 account) {
        uint256 start = _pick(_memberCount);
        for (uint256 i; i < _memberCount; ++i) {
            account = uint24(1 + (start + i) % _memberCount);
            if (_members[account].requested != 0) return account;
        }
    }

    function setDailyCap(uint256 seed) external step(seed) {
        uint24 account = _driver();
        uint24 caller = _with(account);
        uint64 cap = uint64(_oneIn(3) ? 0 : 1 + _pick(20_000_000));
        bool expected = caller == account && _isOpen(account);
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.setDailyCap, (account, cap)), expected);
        if (!expected) return;
        _noteCap(_members[account]);
        _members[account].cap = cap;
        _noteCap(_members[account]);
    }

    function collect(uint256 seed) external step(seed) {
        _mostlyUnpaused();
        uint24 account = _anyone();
        for (uint256 i; i < 4 && _owed(account) == 0; ++i) {
            account = _anyone();
        }
        uint24 caller = _anyone();
        uint32 most = uint32(_pick(5));
        bool expected = _isOpen(caller) && !_paused;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.collect, (account, most)), expected);
        if (expected) _collectDebts(account, most, 0);
    }

    /* GOVERNANCE */

    function pause(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        bool expected = _hasRole(caller, Roles.GOVERNOR) && !_paused;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.pause, ()), expected);
        if (expected) _paused = true;
    }

    function unpause(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        bool expected = _hasRole(caller, Roles.GOVERNOR) && _paused;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.unpause, ()), expected);
        if (expected) _paused = false;
    }

    function _setPaused(bool paused) private {
        bytes memory data = paused ? abi.encodeCall(escrow.pause, ()) : abi.encodeCall(escrow.unpause, ());
        _try(GOVERNOR, address(escrow), data, true);
        _paused = paused;
    }

    /// @dev A platform that is paused most of the time would show little.
    function _mostlyUnpaused() internal {
        if (_paused && !_oneIn(4)) _setPaused(false);
    }

    function freezeWithdrawals(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        uint40 duration = uint40(_oneIn(8) ? 72 hours + 1 : _pick(72 hours + 1));
        bool rested = _frozenUntil == 0 || _now() >= _frozenUntil + MODULE_DELAY;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && duration <= 72 hours && rested;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.freezeWithdrawals, (duration)), expected);
        if (expected) _frozenUntil = _now() + duration;
    }

    function thawWithdrawals(uint256 seed) external step(seed) {
        if (_now() < _frozenUntil && !_oneIn(4)) return;
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        bool expected = _hasRole(caller, Roles.GOVERNOR);
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.thawWithdrawals, ()), expected);
        if (expected && _now() < _frozenUntil) _frozenUntil = _now();
    }

    function setBalanceCap(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        uint96 cap = uint96(_oneIn(3) ? PURSE + _pick(10 * PURSE) : 0);
        bool expected = _hasRole(caller, Roles.GOVERNOR);
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.setBalanceCap, (cap)), expected);
        if (expected) _balanceCap = cap;
    }

    function writeOff(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        (uint24 account, uint32 number) = _someDebt();
        bool open = number < _debts[account].length && _debts[account][number].owedMicro != 0;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && open;
        _try(_ownerOf(caller), address(escrow), abi.encodeCall(escrow.writeOff, (account, number)), expected);
        if (!expected) return;
        IEscrow.Debt storage debt = _debts[account][number];
        (debt.writtenOff, debt.owedMicro, debt.shareMicro) = (true, 0, 0);
    }

    /// @return account  one that owes, if one is soon found
    /// @return number   of one of its debts
    function _someDebt() private returns (uint24 account, uint32 number) {
        for (uint256 i; i < 8; ++i) {
            account = _anyone();
            if (_owed(account) != 0) break;
        }
        uint256 first = _members[account].firstDebt;
        number = uint32(first + _pick(_debts[account].length - first + 1));
    }

    /* ANOTHER MODULE: THIS CONTRACT */

    function _isModule() private view returns (bool) {
        return escrowGate.isModule(address(this));
    }

    /// @dev If this contract waits to be a module, it waits no longer, as a rule.
    function _awaitModule() private {
        uint40 activeFrom = escrowGate.moduleActiveFrom(address(this));
        if (activeFrom > _now() && _oneIn(4)) _pass(activeFrom - _now());
    }

    function lock(uint256 seed) external step(seed) {
        _awaitModule();
        _mostlyUnpaused();
        uint24 account = _anyone();
        uint256 amount = _pick(_members[account].free / 8 + 2);
        bool expected = _isModule() && !_paused && amount <= _members[account].free;
        _try(address(this), address(escrow), abi.encodeCall(escrow.lock, (account, uint96(amount))), expected);
        if (!expected) return;
        _members[account].free -= amount;
        _members[account].locked += amount;
        _lockedFor[address(this)][account] += amount;
    }

    function release(uint256 seed) external step(seed) {
        _awaitModule();
        (uint24 account, uint24 to) = (_locker(), _anyone());
        if (_lockedFor[address(this)][account] == 0 && !_oneIn(8)) return;
        if (_oneIn(16)) to = NOBODY;
        uint256 amount = _pick(_lockedFor[address(this)][account] + 2);
        bool expected = _isModule() && amount <= _lockedFor[address(this)][account] && to != NOBODY;
        _try(address(this), address(escrow), abi.encodeCall(escrow.release, (account, to, uint96(amount))), expected);
        if (expected) _released(address(this), account, to, amount);
    }

    function reclaim(uint256 seed) external step(seed) {
        uint24 account = _locker();
        if (_lockedFor[address(this)][account] == 0 && !_oneIn(8)) return;
        uint24 caller = _with(account);
        uint256 amount = _lockedFor[address(this)][account];
        if (amount != 0 && _isModule() && _oneIn(4)) {
            _try(GOVERNOR, address(escrow), abi.encodeCall(escrowGate.removeModule, (address(this))), true);
        }
        bool expected = caller == account && _isOpen(account) && !_isModule() && amount != 0;
        bytes memory data = abi.encodeCall(escrow.reclaim, (account, address(this)));
        _try(_ownerOf(caller), address(escrow), data, expected);
        if (expected) _released(address(this), account, account, amount);
        // What the court locked is not to be had while the court is active.
        _refused(_ownerOf(account), address(escrow), abi.encodeCall(escrow.reclaim, (account, address(court))));
    }

    function _released(address module, uint24 account, uint24 to, uint256 amount) internal {
        _lockedFor[module][account] -= amount;
        _members[account].locked -= amount;
        _credit(to, amount);
    }

    /// @return account one of whose money this contract has locked some, if there is any
    function _locker() private returns (uint24 account) {
        uint256 start = _pick(_memberCount);
        for (uint256 i; i < _memberCount; ++i) {
            account = uint24(1 + (start + i) % _memberCount);
            if (_lockedFor[address(this)][account] != 0) return account;
        }
    }

    function applyBatch(uint256 seed) external step(seed) {
        _awaitModule();
        _mostlyUnpaused();
        (uint24 from, uint24 to) = (_driver(), _anyone());
        uint256 most = _spendable(from);
        uint256 amount = _oneIn(8) ? most + 1 : _pick(most / 4 + 1);
        uint256 credit = _oneIn(8) ? amount + 1 : amount;
        Entry[] memory entries = new Entry[](2);
        entries[0] = entryOf(from, uint96(amount), 0);
        entries[1] = entryOf(to, 0, uint96(credit));
        bool expected = _isModule() && !_paused && amount <= most && credit == amount;
        _try(address(this), address(escrow), abi.encodeCall(escrow.applyBatch, (entries)), expected);
        if (!expected) return;
        _settleDebit(from, amount);
        _credit(to, amount);
    }

    function recordDebts(uint256 seed) external step(seed) {
        _awaitModule();
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](1 + _pick(2));
        bool valid = true;
        for (uint256 i; i < debts.length; ++i) {
            uint96 owed = uint96(_oneIn(16) ? 0 : 1 + _pick(2_000_000));
            uint96 share = uint96(_pick(uint256(owed) + (_oneIn(8) ? 2 : 1)));
            debts[i] = IEscrow.NewDebt(_driver(), _anyone(), owed, share);
            valid = valid && owed != 0 && share <= owed;
        }
        bytes memory data = abi.encodeCall(escrow.recordDebts, (FOREIGN_BATCH, debts));
        _try(address(this), address(escrow), data, valid && _isModule());
        if (!valid || !_isModule()) return;
        for (uint256 i; i < debts.length; ++i) {
            _debts[debts[i].debtor].push(
                IEscrow.Debt(debts[i].creditor, FOREIGN_BATCH, false, debts[i].owedMicro, debts[i].shareMicro)
            );
        }
    }

    function reduceDebt(uint256 seed) external step(seed) {
        _awaitModule();
        (uint24 account, uint32 number) = _foreignDebt();
        bool open = number < _debts[account].length && _debts[account][number].owedMicro != 0;
        (uint256 owed, uint256 share) = (1, 1);
        if (open) {
            owed = _pick(uint256(_debts[account][number].owedMicro) + 2);
            share = _pick(uint256(_debts[account][number].shareMicro) + 2);
        }
        bytes memory data = abi.encodeCall(escrow.reduceDebt, (account, number, uint96(owed), uint96(share)));
        bool expected = _isModule() && open;
        if (expected) {
            IEscrow.Debt memory debt = _debts[account][number];
            expected = owed <= debt.owedMicro && share <= debt.shareMicro
                && uint256(debt.shareMicro) - share <= uint256(debt.owedMicro) - owed;
        }
        _try(address(this), address(escrow), data, expected);
        if (!expected) return;
        _debts[account][number].owedMicro -= uint96(owed);
        _debts[account][number].shareMicro -= uint96(share);
    }

    /// @dev An open debt that this contract recorded: those of batches must stay what their rows sum to.
    function _foreignDebt() private returns (uint24 account, uint32 number) {
        uint256 start = _pick(_memberCount);
        for (uint256 i; i < _memberCount; ++i) {
            account = uint24(1 + (start + i) % _memberCount);
            for (number = _members[account].firstDebt; number < _debts[account].length; ++number) {
                IEscrow.Debt storage debt = _debts[account][number];
                if (debt.batch == FOREIGN_BATCH && debt.owedMicro != 0) return (account, number);
            }
        }
    }

    /* A STRANGER */

    /// Everything that moves money or rights, tried by somebody who is nobody.
    function stranger(uint256 seed) external step(seed) {
        bytes[22] memory calls = [
            abi.encodeCall(escrow.deposit, (ALICE, 1)),
            abi.encodeCall(escrow.requestWithdrawal, (ALICE, 1)),
            abi.encodeCall(escrow.cancelWithdrawal, (ALICE)),
            abi.encodeCall(escrow.withdraw, (ALICE)),
            abi.encodeCall(escrow.setDailyCap, (ALICE, 0)),
            abi.encodeCall(escrow.collect, (ALICE, 1)),
            abi.encodeCall(escrow.reclaim, (ALICE, address(this))),
            abi.encodeCall(escrow.pause, ()),
            abi.encodeCall(escrow.unpause, ()),
            abi.encodeCall(escrow.freezeWithdrawals, (1)),
            abi.encodeCall(escrow.thawWithdrawals, ()),
            abi.encodeCall(escrow.setBalanceCap, (1)),
            abi.encodeCall(escrow.writeOff, (ALICE, 0)),
            abi.encodeCall(escrow.applyBatch, (new Entry[](0))),
            abi.encodeCall(escrow.recordDebts, (1, new IEscrow.NewDebt[](0))),
            abi.encodeCall(escrow.reduceDebt, (ALICE, 0, 0, 0)),
            abi.encodeCall(escrow.lock, (ALICE, 0)),
            abi.encodeCall(escrow.release, (ALICE, BOB, 0)),
            abi.encodeCall(escrowGate.proposeModule, (address(this))),
            abi.encodeCall(escrowGate.removeModule, (address(court))),
            abi.encodeCall(escrowGate.sealModules, ()),
            abi.encodeCall(escrow.setDailyCap, (0, 1))
        ];
        for (uint256 i; i < calls.length; ++i) {
            _refused(STRANGER, address(escrow), calls[i]);
        }
        _refused(STRANGER, address(stations), abi.encodeCall(stations.advance, (hex"", new uint256[](0))));
        _refused(STRANGER, address(settlement), abi.encodeCall(settlement.settle, (_header(1, 0))));
        _refused(STRANGER, address(token), abi.encodeCall(token.approve, (STRANGER, 1)));
        _refused(STRANGER, address(token), abi.encodeCall(token.transfer, (ALICE_OWNER, 0)));
    }
}
