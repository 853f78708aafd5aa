// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {Roles} from "../../Roles.sol";
import {World} from "./World.sol";

/// @title Accounts, roles, the token and the module gates.
abstract contract MemberVerbs is World {
    uint256 private _singles;
    uint256 private _pairs;

    /* ACCOUNTS */

    function openAccount(uint256 seed) external step(seed) {
        uint24 caller = _with(_oneIn(2) ? GOVERNOR_ACCOUNT : _operatorOrRival());
        bool known = _singles == MOST_SINGLES || _oneIn(8);
        address owner = known ? _ownerOf(_anyone()) : _fresh(_newKey());
        uint256 key = _oneIn(2) ? 0 : _newKey();
        bool taken = _oneIn(8) && _members[ALICE].driverKey != 0;
        if (taken) key = _members[ALICE].driverKey;
        bool expected = _hasRole(caller, Roles.OPERATOR | Roles.GOVERNOR) && !known && !taken;
        bytes memory data = abi.encodeCall(accounts.openAccount, (owner, key == 0 ? address(0) : vm.addr(key)));
        _try(_ownerOf(caller), address(accounts), data, expected);
        if (!expected) return;
        ++_singles;
        _opened(owner, key);
    }

    function openAccounts(uint256 seed) external step(seed) {
        uint24 caller = _with(_operatorOrRival());
        (address[] memory owners, address[] memory keys) = (new address[](2), new address[](2));
        (owners[0], owners[1]) = (_fresh(_newKey()), _fresh(_newKey()));
        uint256 key = _newKey();
        keys[1] = vm.addr(key);
        bool full = _pairs == MOST_PAIRS;
        if (full) owners[1] = ISSUER_OWNER;
        bool expected = _hasRole(caller, Roles.OPERATOR | Roles.GOVERNOR) && !full;
        _try(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.openAccounts, (owners, keys)), expected);
        if (!expected) return;
        ++_pairs;
        _opened(owners[0], 0);
        _opened(owners[1], key);
    }

    function _opened(address owner, uint256 key) private {
        _members[++_memberCount].owner = owner;
        if (key != 0) _hasDriverKey(_memberCount, key);
    }

    function setDriverKey(uint256 seed) external step(seed) {
        uint24 account = _driver();
        uint24 caller = _with(account);
        uint256 key = _oneIn(8) ? 0 : _newKey();
        if (_oneIn(4)) key = _members[_oneIn(2) ? _driver() : account].driverKey;
        uint24 holder = _holderOfDriverKey[key];
        bool expected = caller == account && _isOpen(account) && (key == 0 || holder == 0 || holder == account);
        bytes memory data = abi.encodeCall(accounts.setDriverKey, (account, key == 0 ? address(0) : vm.addr(key)));
        _try(_ownerOf(caller), address(accounts), data, expected);
        if (!expected) return;
        _dropDriverKey(account);
        if (key != 0) _hasDriverKey(account, key);
    }

    function _dropDriverKey(uint24 account) private {
        uint256 key = _members[account].driverKey;
        if (key == 0) return;
        _driverKeyEnd[account][key] = _now();
        _holderOfDriverKey[key] = 0;
        _members[account].driverKey = 0;
    }

    function closeAccount(uint256 seed) external step(seed) {
        _close(_oneIn(2) ? LEAVER : _anyone());
    }

    /// A member takes all its money, which takes a day, and leaves.
    function leave(uint256 seed) external step(seed) {
        uint24 account = _oneIn(2) ? LEAVER : uint24(ISSUER + _pick(_memberCount - ISSUER + 1));
        Member storage member = _members[account];
        if (member.closed || member.locked != 0 || member.roles != 0 || _owed(account) != 0) return;
        if (_frozenUntil > _now() + WITHDRAWAL_DELAY) return;
        if (member.requested != 0) {
            _try(member.owner, address(escrow), abi.encodeCall(escrow.cancelWithdrawal, (account)), true);
            (member.free, member.requested) = (member.free + member.requested, 0);
        }
        if (member.free != 0) {
            bytes memory request = abi.encodeCall(escrow.requestWithdrawal, (account, uint96(member.free)));
            _try(member.owner, address(escrow), request, true);
            _pass(WITHDRAWAL_DELAY);
            _try(member.owner, address(escrow), abi.encodeCall(escrow.withdraw, (account)), true);
            (member.wallet, member.free) = (member.wallet + member.free, 0);
        }
        _try(member.owner, address(token), abi.encodeCall(token.transfer, (ISSUER_OWNER, member.wallet)), true);
        _members[ISSUER].wallet += member.wallet;
        member.wallet = 0;
        _close(account);
        _require(member.closed, "a member that holds nothing can leave");
    }

    function _close(uint24 account) private {
        uint24 caller = _with(_oneIn(3) ? GOVERNOR_ACCOUNT : account);
        if (_members[account].closed) caller = GOVERNOR_ACCOUNT;
        Member storage member = _members[account];
        bool clear = member.free + member.requested + member.locked + member.wallet + _owed(account) == 0;
        bool may = (caller == account || _hasRole(caller, Roles.GOVERNOR)) && !_members[caller].closed;
        bool expected = may && !member.closed && account > DUST && member.roles == 0 && clear;
        if (clear && !may && member.roles == 0 && !member.closed && account > DUST) {
            _refused(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.closeAccount, (account)));
            (caller, expected) = (GOVERNOR_ACCOUNT, true);
        }
        _try(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.closeAccount, (account)), expected);
        if (!expected) return;
        member.closed = true;
        _dropDriverKey(account);
    }

    function reopenAccount(uint256 seed) external step(seed) {
        uint24 account = _anyone();
        for (uint256 i; i < 4 && !_members[account].closed; ++i) {
            account = _anyone();
        }
        uint24 caller = _with(_operatorOrRival());
        bool expected = _hasRole(caller, Roles.OPERATOR | Roles.GOVERNOR) && _members[account].closed;
        _try(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.reopenAccount, (account)), expected);
        if (expected) _members[account].closed = false;
    }

    /* ROLES */

    function grantRole(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        uint24 account = uint24(ALICE + _pick(_memberCount - ALICE + 1));
        uint16 role = uint16(1 << _pick(6));
        if (account == LEAVER) role = 32;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && _isOpen(account) && role & Roles.ALL != 0;
        _try(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.grantRole, (account, role)), expected);
        if (expected) _members[account].roles |= role;
    }

    /// Roles that the platform needs stay: those of the first operators, the issuer and the first governor.
    function revokeRole(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        uint24 account = _anyone();
        for (uint256 i; i < 4 && _members[account].roles == 0; ++i) {
            account = _anyone();
        }
        if (account == OPERATOR_ACCOUNT || account == RIVAL_ACCOUNT || account == ISSUER) return;
        uint16 role = uint16(1 << _pick(5));
        if (account == GOVERNOR_ACCOUNT && role == Roles.GOVERNOR && _governors() > 1) return;
        bool last = _hasRole(account, role) && role == Roles.GOVERNOR && _governors() == 1;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && _isOpen(account) && !last;
        _try(_ownerOf(caller), address(accounts), abi.encodeCall(accounts.revokeRole, (account, role)), expected);
        if (expected) _members[account].roles &= ~role;
    }

    function _governors() private view returns (uint256 count) {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            if (_hasRole(account, Roles.GOVERNOR)) ++count;
        }
    }

    /* THE TOKEN */

    function mint(uint256 seed) external step(seed) {
        uint24 caller = _with(ISSUER);
        uint24 account = _anyone();
        address to = _oneIn(10) ? STRANGER : _ownerOf(account);
        uint256 amount = _pick(PURSE);
        bool expected = _hasRole(caller, Roles.ISSUER) && _isOpen(account) && to != STRANGER;
        _try(_ownerOf(caller), address(token), abi.encodeCall(token.mint, (to, amount)), expected);
        if (expected) _members[account].wallet += amount;
    }

    function burn(uint256 seed) external step(seed) {
        uint24 caller = _with(ISSUER);
        uint256 amount = _pick(_members[caller].wallet + 2);
        bool expected = _hasRole(caller, Roles.ISSUER) && amount <= _members[caller].wallet;
        _try(_ownerOf(caller), address(token), abi.encodeCall(token.burn, (amount)), expected);
        if (expected) _members[caller].wallet -= amount;
    }

    function transfer(uint256 seed) external step(seed) {
        (uint24 from, uint24 to) = (_anyone(), _anyone());
        uint256 amount = _pick(_members[from].wallet + 2);
        address receiver = _oneIn(8) ? STRANGER : _oneIn(16) ? address(escrow) : _ownerOf(to);
        bool member = receiver == address(escrow) || (receiver != STRANGER && _isOpen(to));
        bool expected = amount <= _members[from].wallet && member && _isOpen(from);
        _try(_ownerOf(from), address(token), abi.encodeCall(token.transfer, (receiver, amount)), expected);
        if (expected) _moved(from, receiver == address(escrow) ? 0 : to, amount);
    }

    function transferFrom(uint256 seed) external step(seed) {
        (uint24 from, uint24 to, uint24 spender) = (_anyone(), _anyone(), _anyone());
        uint256 amount = _pick(_members[from].wallet + 2);
        if (!_oneIn(4)) {
            bytes memory data = abi.encodeCall(token.approve, (_ownerOf(spender), amount));
            _try(_ownerOf(from), address(token), data, _isOpen(from));
        }
        address caller = _oneIn(6) ? STRANGER : _ownerOf(spender);
        bool allowed = token.allowance(_ownerOf(from), caller) >= amount;
        bool members = _isOpen(from) && _isOpen(to) && _isOpen(spender) && caller != STRANGER;
        bytes memory call = abi.encodeCall(token.transferFrom, (_ownerOf(from), _ownerOf(to), amount));
        bool expected = members && allowed && amount <= _members[from].wallet;
        _try(caller, address(token), call, expected);
        if (expected) _moved(from, to, amount);
    }

    /// @param to 0 for the escrow: a gift, which nobody can spend
    function _moved(uint24 from, uint24 to, uint256 amount) private {
        _members[from].wallet -= amount;
        if (to == 0) _donated += amount;
        else _members[to].wallet += amount;
    }

    /* MODULE GATES */

    /// This contract itself is the other module, besides settlement and court.
    function proposeModule(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        IModuleGate gate = _oneIn(3) ? stationGate : escrowGate;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && gate.moduleActiveFrom(address(this)) == 0;
        _try(_ownerOf(caller), address(gate), abi.encodeCall(gate.proposeModule, (address(this))), expected);
        if (!expected) return;
        _require(!gate.isModule(address(this)), "a new module waits");
        _require(gate.moduleActiveFrom(address(this)) == _now() + MODULE_DELAY, "a new module waits its time");
    }

    function removeModule(uint256 seed) external step(seed) {
        uint24 caller = _with(GOVERNOR_ACCOUNT);
        IModuleGate gate = _oneIn(3) ? stationGate : escrowGate;
        bool expected = _hasRole(caller, Roles.GOVERNOR) && gate.moduleActiveFrom(address(this)) != 0;
        // It needs time to act before it goes.
        if (expected && !_oneIn(2) && gate == escrowGate) return;
        _try(_ownerOf(caller), address(gate), abi.encodeCall(gate.removeModule, (address(this))), expected);
    }

    /// Settlement or the court is removed, and comes back after the wait.
    function replaceModule(uint256 seed) external step(seed) {
        if (!_oneIn(8)) return;
        (IModuleGate gate, address module) = (escrowGate, address(court));
        if (_oneIn(2)) (gate, module) = (_oneIn(2) ? stationGate : escrowGate, address(settlement));
        _try(GOVERNOR, address(gate), abi.encodeCall(gate.removeModule, (module)), true);
        _require(!gate.isModule(module), "a module that was removed is none");
        if (module == address(court)) _reclaimBonds();
        _try(GOVERNOR, address(gate), abi.encodeCall(gate.proposeModule, (module)), true);
        _pass(MODULE_DELAY - 1);
        _require(!gate.isModule(module), "a module acts only after the wait");
        _pass(1);
        _require(gate.isModule(module), "a module acts after the wait");
    }

    /// @dev Whoever has a bond with a court that is gone takes it back, as a rule.
    function _reclaimBonds() private {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            uint256 bonds = _lockedFor[address(court)][account];
            if (bonds == 0 || _oneIn(4)) continue;
            bytes memory data = abi.encodeCall(escrow.reclaim, (account, address(court)));
            _try(_ownerOf(account), address(escrow), data, _isOpen(account));
            if (!_isOpen(account)) continue;
            _lockedFor[address(court)][account] = 0;
            _members[account].locked -= bonds;
            _credit(account, bonds);
        }
    }

    function sealAgain(uint256 seed) external step(seed) {
        IModuleGate gate = _oneIn(2) ? stationGate : escrowGate;
        _refused(GOVERNOR, address(gate), abi.encodeCall(gate.sealModules, ()));
        _refused(GOVERNOR, address(token), abi.encodeCall(token.setEscrow, (address(court))));
        _refused(GOVERNOR, address(accounts), abi.encodeCall(accounts.setTreasury, (address(escrow))));
    }
}
