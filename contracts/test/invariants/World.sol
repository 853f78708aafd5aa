// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../../interfaces/IEscrow.sol";
import {ITariffBook} from "../../interfaces/ITariffBook.sol";
import {Roles} from "../../Roles.sol";
import {Base} from "../Base.sol";

/// @title The platform, its people, and a plain model of all that they have, owe and may do.
/// @notice The model knows the rules of the interfaces' comments and nothing of how the contracts keep them. Each
///         call is tried with what the model expects of it: a call that succeeds or fails otherwise is a violation.
abstract contract World is Base {
    /* THE MODEL */

    struct Member {
        address owner;
        bool closed;
        uint16 roles;
        uint256 driverKey;
        uint256 wallet;
        uint256 free;
        uint256 requested;
        uint40 availableAt;
        uint256 locked;
        uint256 cap;
        uint256 spent;
        uint256 spentDay;
        uint256 settledUnderCap;
        uint256 settledDay;
        uint256 highestCap;
        uint256 capDay;
        uint32 firstDebt;
    }

    struct Pole {
        uint24 payee;
        bool bidirectional;
        bool byOperator;
        bool byGovernance;
        uint256 key;
        uint24 sequence;
        uint40 openingImport;
        uint40 openingExport;
        uint256 importedWh;
        uint256 exportedWh;
        uint24 settled;
        uint24 meters;
    }

    /// @notice The contract did not do what the model says of this call.
    error NotAsModelled(address target, bytes4 verb, bool succeeded, bytes returned);

    uint24 internal constant DAVE = 9;
    uint24 internal constant LEAVER = 10;
    uint24 internal constant ISSUER = 11;
    address internal constant ISSUER_OWNER = address(0x100B);
    /// @dev How often accounts are opened, and stations registered, one at a time and two at a time.
    uint256 internal constant MOST_SINGLES = 4;
    uint256 internal constant MOST_PAIRS = 2;
    uint256 internal constant MOST_TARIFFS = 60;
    uint96 internal constant PURSE = 100_000_000;

    mapping(uint24 account => Member) internal _members;
    uint24 internal _memberCount;
    mapping(uint24 account => IEscrow.Debt[]) internal _debts;
    mapping(address module => mapping(uint24 account => uint256)) internal _lockedFor;
    mapping(uint24 account => uint256[]) internal _keysOfDriver;
    mapping(uint24 account => mapping(uint256 key => uint40)) internal _driverKeyEnd;
    mapping(uint256 key => uint24) internal _holderOfDriverKey;

    mapping(uint24 station => Pole) internal _poles;
    uint24 internal _poleCount;
    mapping(uint24 station => uint256[]) internal _keysOfPole;
    mapping(uint256 key => uint40) internal _poleKeyEnd;
    mapping(uint256 key => address) internal _signerAt;

    ITariffBook.Tariff[] internal _tariffs;
    bool internal _paused;
    uint40 internal _frozenUntil;
    uint256 internal _balanceCap;
    uint256 internal _donated;

    /// @notice How many steps were made.
    uint256 public steps;
    uint256 private _random;
    uint256 private _newest;
    uint40 private _clock;
    mapping(bytes32 verb => uint256) private _successes;
    mapping(bytes32 verb => uint256) private _tries;

    /* THE START */

    function setUp() public virtual override {
        super.setUp();
        _clock = uint40(block.timestamp);
        vm.startPrank(GOVERNOR);
        accounts.openAccount(_fresh(DAVE), address(0));
        accounts.openAccount(_fresh(LEAVER), address(0));
        accounts.openAccount(ISSUER_OWNER, address(0));
        accounts.grantRole(ISSUER, Roles.ISSUER);
        accounts.revokeRole(OPERATOR_ACCOUNT, Roles.ISSUER);
        vm.stopPrank();
        for (uint24 account = 1; account <= ISSUER; ++account) {
            _members[account].owner = accounts.ownerOf(account);
            _members[account].roles = accounts.rolesOf(account);
            _members[account].free = escrow.freeOf(account);
        }
        _memberCount = ISSUER;
        _hasDriverKey(ALICE, ALICE_VEHICLE_KEY);
        for (uint24 driver = BOB; driver <= DAVE; ++driver) {
            vm.prank(_members[driver].owner);
            accounts.setDriverKey(driver, vm.addr(_newKey()));
            _hasDriverKey(driver, _newest);
        }
        for (uint24 station = 1; station <= RIVAL_STATION; ++station) {
            _poleCount = station;
            _poles[station].payee = station == RIVAL_STATION ? RIVAL_ACCOUNT : OPERATOR_ACCOUNT;
            _poles[station].bidirectional = station != CHARGE_STATION;
            _hasPoleKey(station, _keyOf(station));
        }
        _publishForYears(OPERATOR_ACCOUNT);
        _publishForYears(RIVAL_ACCOUNT);
        for (uint24 tariff; tariff < tariffBook.tariffCount(); ++tariff) {
            _tariffs.push(tariffBook.tariffOf(tariff));
        }
        // What happens once and for all happened in the fixture.
        _succeeded(address(accounts), accounts.setTreasury.selector);
        _succeeded(address(token), token.setEscrow.selector);
        _succeeded(address(escrow), escrowGate.sealModules.selector);
        _succeeded(address(stations), stationGate.sealModules.selector);
    }

    /// @dev Prices of either sign in either direction; the fixture's own are valid for two days.
    function _publishForYears(uint24 payee) private {
        int32[4] memory prices = [CHARGE_PRICE, DISCHARGE_PRICE, NEGATIVE_CHARGE_PRICE, NEGATIVE_DISCHARGE_PRICE];
        ITariffBook.Tariff[] memory tariffs = new ITariffBook.Tariff[](4);
        for (uint256 i; i < 4; ++i) {
            tariffs[i] = _tariff(payee, ITariffBook.Direction(i % 2), prices[i]);
            tariffs[i].validTo = NOW + 7300 days;
        }
        vm.prank(_members[payee].owner);
        tariffBook.publish(tariffs);
    }

    /* CALLS */

    /// @dev A step begins: its choices follow from the seed, and a few minutes have passed.
    modifier step(uint256 seed) {
        _random = seed;
        ++steps;
        _pass(_pick(3600));
        _;
    }

    /// @dev Calls as somebody; whether it succeeds must be as expected.
    function _try(address caller, address target, bytes memory data, bool expected)
        internal
        returns (bytes memory returned)
    {
        bool succeeded;
        vm.prank(caller);
        (succeeded, returned) = target.call(data);
        bytes4 verb = bytes4(data);
        if (succeeded != expected) revert NotAsModelled(target, verb, succeeded, returned);
        ++_tries[_verbKey(target, verb)];
        if (succeeded) ++_successes[_verbKey(target, verb)];
    }

    /// @dev Calls as somebody who means no good, or too late: it must fail, and does not count as a try.
    function _refused(address caller, address target, bytes memory data) internal {
        vm.prank(caller);
        (bool succeeded, bytes memory returned) = target.call(data);
        if (succeeded) revert NotAsModelled(target, bytes4(data), succeeded, returned);
    }

    function _succeeded(address target, bytes4 verb) internal {
        ++_tries[_verbKey(target, verb)];
        ++_successes[_verbKey(target, verb)];
    }

    function _verbKey(address target, bytes4 verb) private pure returns (bytes32) {
        return bytes32(bytes20(target)) | bytes32(verb) >> 160;
    }

    /// @notice How often a verb succeeded and how often it was tried.
    function countsOf(address target, bytes4 verb) public view returns (uint256 successes, uint256 tries) {
        return (_successes[_verbKey(target, verb)], _tries[_verbKey(target, verb)]);
    }

    /// @dev A check within a step.
    function _require(bool holds, string memory what) internal pure {
        require(holds, what);
    }

    /* CHANCE AND TIME */

    /// @return a number below `count`
    function _pick(uint256 count) internal returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random % count;
    }

    /// @return true once in `count` times
    function _oneIn(uint256 count) internal returns (bool) {
        return _pick(count) == 0;
    }

    /// @return a new private key
    function _newKey() internal returns (uint256) {
        if (_newest == 0) _newest = 0xD00000;
        return ++_newest;
    }

    function _pass(uint256 seconds_) internal {
        _clock += uint40(seconds_);
        vm.warp(_clock);
    }

    function _now() internal view returns (uint40) {
        return _clock;
    }

    function _today() internal view returns (uint256) {
        return _clock / 1 days;
    }

    /* PEOPLE */

    function _anyone() internal returns (uint24) {
        return uint24(1 + _pick(_memberCount));
    }

    /// @return one of four drivers, as a rule
    function _driver() internal returns (uint24) {
        return _oneIn(8) ? uint24(DUST + _pick(_memberCount - 1)) : uint24(ALICE + _pick(4));
    }

    function _ownerOf(uint24 account) internal view returns (address) {
        return _members[account].owner;
    }

    function _isOpen(uint24 account) internal view returns (bool) {
        return account != 0 && account <= _memberCount && !_members[account].closed;
    }

    function _hasRole(uint24 account, uint16 roles) internal view returns (bool) {
        return _members[account].roles & roles != 0;
    }

    /// @return one that holds the role as a rule, anyone else once in ten times
    function _with(uint24 usual) internal returns (uint24) {
        return _oneIn(10) ? _anyone() : usual;
    }

    function _operatorOrRival() internal returns (uint24) {
        return _oneIn(3) ? RIVAL_ACCOUNT : OPERATOR_ACCOUNT;
    }

    function _hasDriverKey(uint24 account, uint256 key) internal {
        _members[account].driverKey = key;
        _keysOfDriver[account].push(key);
        _holderOfDriverKey[key] = account;
    }

    function _hasPoleKey(uint24 station, uint256 key) internal {
        _poles[station].key = key;
        _keysOfPole[station].push(key);
        _signerAt[key] = vm.addr(key);
    }

    /* MONEY */

    function _credit(uint24 account, uint256 amountMicro) internal {
        _members[account].free += amountMicro;
    }

    function _debit(uint24 account, uint256 amountMicro) internal {
        Member storage member = _members[account];
        member.free -= amountMicro;
        if (member.cap == 0 || amountMicro == 0) return;
        if (member.spentDay != _today()) (member.spentDay, member.spent) = (_today(), 0);
        member.spent += amountMicro;
    }

    /// @dev What settlement takes, as distinct from what is collected: it alone keeps within the cap.
    function _settleDebit(uint24 account, uint256 amountMicro) internal {
        _require(amountMicro <= _spendable(account), "a debit above what was spendable");
        _debit(account, amountMicro);
        Member storage member = _members[account];
        if (member.cap == 0) return;
        if (member.settledDay != _today()) (member.settledDay, member.settledUnderCap) = (_today(), 0);
        member.settledUnderCap += amountMicro;
        _noteCap(member);
    }

    function _noteCap(Member storage member) internal {
        if (member.capDay != _today()) (member.capDay, member.highestCap) = (_today(), 0);
        if (member.highestCap < member.cap) member.highestCap = member.cap;
    }

    function _spendable(uint24 account) internal view returns (uint256) {
        return _spendableOf(account, _members[account].free);
    }

    /// @param free what the account has, or would have
    function _spendableOf(uint24 account, uint256 free) internal view returns (uint256) {
        Member storage member = _members[account];
        if (member.cap == 0) return free;
        uint256 spent = member.spentDay == _today() ? member.spent : 0;
        uint256 left = spent < member.cap ? member.cap - spent : 0;
        return left < free ? left : free;
    }

    function _owed(uint24 account) internal view returns (uint256 sum) {
        IEscrow.Debt[] storage debts = _debts[account];
        for (uint256 i = _members[account].firstDebt; i < debts.length; ++i) {
            sum += debts[i].owedMicro;
        }
    }

    /// @return free what a deposit leaves free, once debts were collected
    function _freeAfterDeposit(uint24 account, uint256 amount) internal view returns (uint256 free) {
        free = _members[account].free + amount;
        uint256 capped = _spendableOf(account, free) + amount;
        uint256 budget = capped < free ? capped : free;
        uint256 next = _members[account].firstDebt;
        for (uint256 i; i < 16 && next < _debts[account].length; ++i) {
            IEscrow.Debt storage debt = _debts[account][next++];
            if (debt.owedMicro > budget) break;
            budget -= debt.owedMicro;
            free -= debt.owedMicro;
            if (debt.creditor == account) free += debt.shareMicro;
            if (account == DUST) free += debt.owedMicro - debt.shareMicro;
        }
    }

    /// @dev Pays debts in their order, as far as the money that may be taken reaches.
    function _collectDebts(uint24 account, uint256 most, uint256 extra) internal {
        Member storage member = _members[account];
        uint256 budget = _spendable(account) + extra;
        if (budget > member.free) budget = member.free;
        for (uint256 i; i < most && member.firstDebt < _debts[account].length; ++i) {
            IEscrow.Debt storage debt = _debts[account][member.firstDebt];
            uint256 owed = debt.owedMicro;
            if (owed > budget) return;
            if (owed != 0) {
                budget -= owed;
                _debit(account, owed);
                _credit(debt.creditor, debt.shareMicro);
                _credit(DUST, owed - debt.shareMicro);
                (debt.owedMicro, debt.shareMicro) = (0, 0);
            }
            ++member.firstDebt;
        }
    }
}
