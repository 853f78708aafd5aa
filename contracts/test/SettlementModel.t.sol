// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base, Vm} from "./Base.sol";

/// @title Random batches, deposits and days against a model that nets row by row, as domain/settlement.py does.
/// @notice The model has every account's money, daily cap and debts in plain words; the contracts must agree with it
///         in each of them after every step. The one thing that it takes from them is in which order the debts
///         of one payer from one batch are recorded.
contract SettlementModelTest is Base {
    /// @dev What one billed row moves.
    struct Payment {
        uint24 station;
        uint24 sequence;
        uint256 row;
        uint24 payer;
        uint24 receiver;
        uint256 owed;
        uint256 received;
    }

    /// @dev What the model says of a batch.
    struct Outcome {
        bool[] aside;
        uint24[] insolvent;
        uint256 paid;
        uint256 dust;
    }

    struct Account {
        uint256 free;
        uint256 cap;
        uint256 spent;
        uint256 day;
        uint256 first;
    }

    struct Debt {
        uint24 creditor;
        uint256 batch;
        bool writtenOff;
        uint256 owed;
        uint256 share;
    }

    /// @dev Each operator has as many random tariffs, by turns for charging and for giving back.
    uint8 private constant OWN_TARIFFS = 4;
    uint256 private constant DEBTS_PER_DEPOSIT = 16;

    uint256 private _seed;
    uint40 private _time;
    uint256 private _batches;
    int32[2 * OWN_TARIFFS] private _prices;
    Payment[] private _payments;
    bytes32[] private _hashes;
    uint256[] private _told;
    bytes32[] private _chain;
    uint24[4] private _sequences;
    uint40[4] private _imports;
    uint40[4] private _exports;
    uint256 private _rows;
    Account[ACCOUNTS + 1] private _accounts;
    Debt[][ACCOUNTS + 1] private _debts;

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: full.fuzz.runs = 10000
    function testFuzz_balancesCapsAndDebtsAreThoseOfTheModel(uint256 seed) public {
        _seed = seed;
        _time = NOW;
        _publishRandomTariffs();
        _shuffleBalances();
        uint256 rounds = 1 + _random(3);
        for (uint256 i; i < rounds; ++i) {
            if (i != 0) _somethingElseHappens();
            _settleRandomBatch();
            _checkAccounts();
        }
        _checkRegisters();
        vm.assertTrue(settlement.isPage(0, _chain));
    }

    /* RANDOM STEPS */

    function _settleRandomBatch() private {
        delete _payments;
        delete _hashes;
        delete _told;
        _rows = 0;
        uint256 statements = 1 + _random(6);
        bytes memory batch = _header(uint8(5 + _random(4)), uint16(statements));
        for (uint256 i; i < statements; ++i) {
            batch = bytes.concat(batch, _randomStatement());
        }
        uint256 held = token.balanceOf(address(escrow));
        uint256 total = _totalHeld();
        ++_batches;
        Outcome memory expected = _model();
        vm.recordLogs();
        _settle(batch);
        _checkLogs(vm.getRecordedLogs(), expected);
        _takeOverDebts(expected);
        vm.assertEq(_totalHeld(), total, "money is conserved");
        vm.assertEq(token.balanceOf(address(escrow)), held);
    }

    /// @dev Time passes, caps change, money comes in, debts are collected and given up.
    function _somethingElseHappens() private {
        for (uint256 i; i < 4; ++i) {
            _time += uint40(_random(20 hours));
            vm.warp(_time);
            uint24 account = uint24(DUST + _random(ACCOUNTS - 1));
            uint256 what = _random(4);
            if (what == 0) _capRandomly(account);
            else if (what == 1) _depositRandomly(account);
            else if (what == 2) _collectRandomly(account);
            else _writeOffRandomly(account);
            _checkAccounts();
        }
    }

    function _capRandomly(uint24 account) private {
        uint64 cap = _random(3) == 0 ? 0 : uint64(_random(30_000_000));
        _accounts[account].cap = cap;
        address owner = accounts.ownerOf(account);
        vm.prank(owner);
        escrow.setDailyCap(account, cap);
    }

    function _depositRandomly(uint24 account) private {
        uint96 amount = uint96(1 + _random(30_000_000));
        _accounts[account].free += amount;
        _modelCollects(account, DEBTS_PER_DEPOSIT, amount);
        _fund(accounts.ownerOf(account), account, amount);
    }

    function _collectRandomly(uint24 account) private {
        uint32 most = uint32(_random(3));
        _modelCollects(account, most, 0);
        vm.prank(BOB_OWNER);
        escrow.collect(account, most);
    }

    function _writeOffRandomly(uint24 account) private {
        uint256 count = _debts[account].length;
        if (count == 0) return;
        uint32 number = uint32(_random(count));
        Debt storage debt = _debts[account][number];
        if (debt.owed == 0) vm.expectRevert(abi.encodeWithSelector(IEscrow.NoDebt.selector, account, number));
        else (debt.writtenOff, debt.owed, debt.share) = (true, 0, 0);
        vm.prank(GOVERNOR);
        escrow.writeOff(account, number);
    }

    /* A RANDOM BATCH */

    function _publishRandomTariffs() private {
        for (uint256 operator; operator < 2; ++operator) {
            uint24 payee = operator == 0 ? OPERATOR_ACCOUNT : RIVAL_ACCOUNT;
            ITariffBook.Tariff[] memory tariffs = new ITariffBook.Tariff[](OWN_TARIFFS);
            for (uint256 i; i < OWN_TARIFFS; ++i) {
                int32 price = _randomPrice();
                _prices[operator * OWN_TARIFFS + i] = price;
                tariffs[i] = _tariff(payee, ITariffBook.Direction(i % 2), price);
            }
            vm.prank(operator == 0 ? OPERATOR : RIVAL);
            tariffBook.publish(tariffs);
        }
    }

    function _randomPrice() private returns (int32) {
        uint256 kind = _random(16);
        if (kind == 0) return 0;
        if (kind == 1) return type(int32).min;
        if (kind == 2) return type(int32).max;
        return int32(int256(_random(1_000_001)) - 400_000);
    }

    /// @dev Some accounts get a little, some keep only a part of what they have, some are capped.
    function _shuffleBalances() private {
        for (uint24 account = DUST; account <= ACCOUNTS; ++account) {
            address owner = accounts.ownerOf(account);
            uint256 free = _free(account);
            if (free == 0 && _random(2) == 0) _fund(owner, account, uint96(1 + _random(20_000_000)));
            if (free != 0 && _random(2) == 0) _request(owner, account, uint96(1 + _random(free)));
            if (_random(3) == 0) _capRandomly(account);
            _accounts[account].free = _free(account);
        }
    }

    function _randomStatement() private returns (bytes memory) {
        uint24 station = uint24(1 + _random(3));
        uint24 sequence = ++_sequences[station];
        uint256 count = _random(8);
        _rows += count;
        bytes memory rows;
        for (uint256 row; row < count; ++row) {
            rows = bytes.concat(rows, _randomRow(station, sequence, row));
        }
        Statement memory s = _statement(station, sequence, _imports[station], _exports[station], rows);
        s.tariffBase = TARIFFS + (station == RIVAL_STATION ? OWN_TARIFFS : 0);
        _hashes.push(_structHash(s));
        _told.push(_numbers(s));
        return _signed(s);
    }

    function _randomRow(uint24 station, uint24 sequence, uint256 row) private returns (bytes memory) {
        uint256 offset = _random(OWN_TARIFFS);
        if (station == CHARGE_STATION) offset &= 2;
        uint32 energyWh = uint32(_random(_random(4) == 0 ? 4 : 60_000));
        if (offset % 2 == 0) _imports[station] += energyWh;
        else _exports[station] += energyWh;
        if (_random(8) == 0) return _row(HOUSE, energyWh, offset % 2 == 0 ? UNBILLED_IMPORT : UNBILLED_EXPORT);
        uint24 account = uint24(DUST + _random(ACCOUNTS - 1));
        _payments.push(_payment(station, sequence, row, account, energyWh, offset));
        return _row(account, energyWh, uint8(offset));
    }

    function _random(uint256 limit) private returns (uint256) {
        _seed = uint256(keccak256(abi.encode(_seed)));
        return _seed % limit;
    }

    /* THE MODEL */

    function _payment(uint24 station, uint24 sequence, uint256 row, uint24 account, uint256 energyWh, uint256 offset)
        private
        view
        returns (Payment memory payment)
    {
        bool rivals = station == RIVAL_STATION;
        int256 price = _prices[rivals ? offset + OWN_TARIFFS : offset];
        uint256 product = energyWh * uint256(price < 0 ? -price : price);
        (payment.station, payment.sequence, payment.row) = (station, sequence, row);
        (payment.payer, payment.receiver) = (account, rivals ? RIVAL_ACCOUNT : OPERATOR_ACCOUNT);
        // The buyer pays at a price of zero or above, the seller below; the driver buys when charging.
        if ((offset % 2 == 0) != (price >= 0)) {
            (payment.payer, payment.receiver) = (payment.receiver, payment.payer);
        }
        payment.received = product / 1000;
        payment.owed = product % 1000 == 0 ? payment.received : payment.received + 1;
    }

    /// @dev A payer that may not spend all that it owes in the batch pays nothing of it.
    function _model() private returns (Outcome memory outcome) {
        uint256 count = _payments.length;
        uint256[ACCOUNTS + 1] memory owed;
        for (uint256 i; i < count; ++i) {
            owed[_payments[i].payer] += _payments[i].owed;
        }
        bool[ACCOUNTS + 1] memory insolvent;
        outcome.insolvent = new uint24[](ACCOUNTS);
        uint256 found;
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            insolvent[account] = owed[account] > _spendable(_accounts[account]);
            if (insolvent[account]) outcome.insolvent[found++] = account;
            else _spend(_accounts[account], owed[account]);
        }
        outcome.insolvent = _first(outcome.insolvent, found);
        outcome.aside = new bool[](count);
        for (uint256 i; i < count; ++i) {
            Payment memory payment = _payments[i];
            outcome.aside[i] = insolvent[payment.payer];
            if (outcome.aside[i]) continue;
            _accounts[payment.receiver].free += payment.received;
            outcome.paid += payment.owed;
            outcome.dust += payment.owed - payment.received;
        }
        _accounts[DUST].free += outcome.dust;
    }

    function _spendable(Account storage account) private view returns (uint256) {
        if (account.cap == 0) return account.free;
        uint256 spent = account.day == _time / 1 days ? account.spent : 0;
        uint256 left = account.cap > spent ? account.cap - spent : 0;
        return left < account.free ? left : account.free;
    }

    function _spend(Account storage account, uint256 amount) private {
        account.free -= amount;
        if (account.cap == 0 || amount == 0) return;
        if (account.day != _time / 1 days) (account.day, account.spent) = (_time / 1 days, 0);
        account.spent += amount;
    }

    /// @dev Debts in their order, until one is larger than what may be taken.
    /// @param extra what just came in, which may be taken whatever the cap
    function _modelCollects(uint24 number, uint256 most, uint256 extra) private {
        Account storage account = _accounts[number];
        uint256 budget = _spendable(account) + extra;
        if (budget > account.free) budget = account.free;
        for (uint256 i; i < most && account.first < _debts[number].length; ++i) {
            Debt storage debt = _debts[number][account.first];
            if (debt.owed > budget) return;
            budget -= debt.owed;
            _spend(account, debt.owed);
            if (debt.owed != 0) {
                _accounts[debt.creditor].free += debt.share;
                _accounts[DUST].free += debt.owed - debt.share;
                (debt.owed, debt.share) = (0, 0);
            }
            ++account.first;
        }
    }

    function _first(uint24[] memory list, uint256 count) private pure returns (uint24[] memory part) {
        part = new uint24[](count);
        for (uint256 i; i < count; ++i) {
            part[i] = list[i];
        }
    }

    /* WHAT THE CONTRACTS DID */

    /// @dev Each row set aside is told once and in order, and the batch with all its statements at the end.
    function _checkLogs(Vm.Log[] memory logs, Outcome memory expected) private {
        uint256 next;
        for (uint256 i; i < logs.length - 1; ++i) {
            if (logs[i].topics[0] == IEscrow.DebtRecorded.selector) continue;
            vm.assertEq(logs[i].topics[0], ISessionSettlement.RowSetAside.selector);
            while (!expected.aside[next]) ++next;
            _checkSetAside(logs[i], _payments[next++]);
        }
        while (next < expected.aside.length) vm.assertFalse(expected.aside[next++]);
        _checkBatch(logs[logs.length - 1], expected);
    }

    function _checkBatch(Vm.Log memory last, Outcome memory expected) private {
        vm.assertEq(last.topics[0], ISessionSettlement.BatchSettled.selector);
        vm.assertEq(uint256(last.topics[1]), _batches);
        (bytes32 digest, uint256 rows, uint256 paid, uint256 dust, uint256[] memory told) =
            abi.decode(last.data, (bytes32, uint256, uint256, uint256, uint256[]));
        vm.assertEq(abi.encodePacked(told), abi.encodePacked(_told));
        vm.assertEq(rows, _rows);
        vm.assertEq(paid, expected.paid, "paid");
        vm.assertEq(dust, expected.dust, "dust");
        _chain.push(digest);
        bytes32 hashes = keccak256(abi.encodePacked(_hashes));
        if (expected.insolvent.length <= 4) vm.assertTrue(_isDigest(digest, hashes, expected.insolvent, 0));
    }

    /// @dev Whether the digest names these accounts, in any order.
    function _isDigest(bytes32 digest, bytes32 hashes, uint24[] memory insolvent, uint256 from)
        private
        pure
        returns (bool)
    {
        if (from >= insolvent.length) return digest == _batchDigest(EVIDENCE, hashes, insolvent);
        for (uint256 i = from; i < insolvent.length; ++i) {
            (insolvent[from], insolvent[i]) = (insolvent[i], insolvent[from]);
            if (_isDigest(digest, hashes, insolvent, from + 1)) return true;
            (insolvent[from], insolvent[i]) = (insolvent[i], insolvent[from]);
        }
        return false;
    }

    function _checkSetAside(Vm.Log memory log, Payment memory payment) private view {
        vm.assertEq(uint256(log.topics[1]), payment.station);
        vm.assertEq(uint256(log.topics[2]), _batches);
        vm.assertEq(uint256(log.topics[3]), payment.payer);
        vm.assertEq(log.data, abi.encode(payment.sequence, payment.row, payment.owed));
    }

    /// @dev One debt for each payer and payee of the rows set aside, with the sums of those rows, and no other.
    function _takeOverDebts(Outcome memory expected) private {
        for (uint256 i; i < expected.insolvent.length; ++i) {
            uint24 debtor = expected.insolvent[i];
            (,, uint32 next) = escrow.debtsOf(debtor);
            uint256 before = _debts[debtor].length;
            for (uint256 number = before; number < next; ++number) {
                uint24 creditor = escrow.debtOf(debtor, uint32(number)).creditor;
                for (uint256 j = before; j < number; ++j) {
                    vm.assertTrue(_debts[debtor][j].creditor != creditor);
                }
                (uint256 owed, uint256 share) = _owedTo(expected, debtor, creditor);
                vm.assertTrue(owed != 0);
                _debts[debtor].push(Debt(creditor, _batches, false, owed, share));
            }
            for (uint24 creditor = 1; creditor <= ACCOUNTS; ++creditor) {
                (uint256 owed,) = _owedTo(expected, debtor, creditor);
                bool recorded;
                for (uint256 j = before; j < next; ++j) {
                    recorded = recorded || _debts[debtor][j].creditor == creditor;
                }
                vm.assertEq(recorded, owed != 0);
            }
        }
    }

    function _owedTo(Outcome memory expected, uint24 debtor, uint24 creditor)
        private
        view
        returns (uint256 owed, uint256 share)
    {
        for (uint256 i; i < expected.aside.length; ++i) {
            Payment storage payment = _payments[i];
            if (!expected.aside[i] || payment.payer != debtor || payment.receiver != creditor) continue;
            owed += payment.owed;
            share += payment.received;
        }
    }

    function _checkAccounts() private view {
        for (uint24 number = 1; number <= ACCOUNTS; ++number) {
            Account storage account = _accounts[number];
            _assertFree(number, account.free);
            vm.assertEq(escrow.spendableOf(number), _spendable(account), "spendable");
            (uint64 cap, uint64 spent, uint24 day) = escrow.dailyCapOf(number);
            vm.assertEq(abi.encode(cap, spent, day), abi.encode(account.cap, account.spent, account.day));
            uint256 owed;
            for (uint32 i; i < _debts[number].length; ++i) {
                Debt storage debt = _debts[number][i];
                owed += debt.owed;
                bytes memory found = abi.encode(escrow.debtOf(number, i));
                vm.assertEq(found, abi.encode(debt.creditor, debt.batch, debt.writtenOff, debt.owed, debt.share));
            }
            (uint96 owes, uint32 first, uint32 next) = escrow.debtsOf(number);
            vm.assertEq(abi.encode(owes, first, next), abi.encode(owed, account.first, _debts[number].length));
        }
    }

    function _checkRegisters() private view {
        for (uint24 station = 1; station <= 3; ++station) {
            IStationRegistry.Station memory found = stations.stationOf(station);
            vm.assertEq(found.sequence, _sequences[station]);
            vm.assertEq(found.importWh, _imports[station]);
            vm.assertEq(found.exportWh, _exports[station]);
        }
    }
}
