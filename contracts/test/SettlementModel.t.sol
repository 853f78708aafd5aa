// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base, Vm} from "./Base.sol";

/// @title Random batches against a model that nets row by row, as domain/settlement.py does.
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
        uint256[ACCOUNTS + 1] free;
        bool[] aside;
        uint256 paid;
        uint256 dust;
    }

    /// @dev Each operator has as many random tariffs, by turns for charging and for giving back.
    uint8 private constant OWN_TARIFFS = 4;

    uint256 private _seed;
    int32[2 * OWN_TARIFFS] private _prices;
    Payment[] private _payments;
    uint24[4] private _sequences;
    uint40[4] private _imports;
    uint40[4] private _exports;
    uint256 private _rows;

    function testFuzz_aBatchGivesTheBalancesOfTheModel(uint256 seed) public {
        _seed = seed;
        _publishRandomTariffs();
        _shuffleBalances();
        uint256 total = _totalFree();
        uint256 held = token.balanceOf(address(escrow));
        uint256 statements = 1 + _random(6);
        bytes memory batch = _header(uint8(3 + _random(6)), uint16(statements));
        for (uint256 i; i < statements; ++i) {
            batch = bytes.concat(batch, _randomStatement());
        }
        Outcome memory expected = _model();
        vm.recordLogs();
        _settle(batch);
        _checkLogs(vm.getRecordedLogs(), expected, statements);
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            _assertFree(account, expected.free[account]);
        }
        vm.assertEq(_totalFree(), total, "money is conserved");
        vm.assertEq(token.balanceOf(address(escrow)), held);
        _checkRegisters();
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

    /// @dev Some accounts get a little, some keep only a part of what they have.
    function _shuffleBalances() private {
        for (uint24 account = DUST; account <= ACCOUNTS; ++account) {
            address owner = accounts.ownerOf(account);
            uint256 free = _free(account);
            if (free == 0 && _random(2) == 0) _fund(owner, account, uint96(1 + _random(20_000_000)));
            if (free != 0 && _random(2) == 0) {
                vm.prank(owner);
                escrow.requestWithdrawal(account, uint96(1 + _random(free)));
            }
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

    function _model() private view returns (Outcome memory outcome) {
        uint256 count = _payments.length;
        uint256[ACCOUNTS + 1] memory owed;
        for (uint256 i; i < count; ++i) {
            owed[_payments[i].payer] += _payments[i].owed;
        }
        bool[ACCOUNTS + 1] memory insolvent;
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            outcome.free[account] = _free(account);
            insolvent[account] = owed[account] > outcome.free[account];
            if (!insolvent[account]) outcome.free[account] -= owed[account];
        }
        outcome.aside = new bool[](count);
        for (uint256 i; i < count; ++i) {
            Payment memory payment = _payments[i];
            outcome.aside[i] = insolvent[payment.payer];
            if (outcome.aside[i]) continue;
            outcome.free[payment.receiver] += payment.received;
            outcome.paid += payment.owed;
            outcome.dust += payment.owed - payment.received;
        }
        outcome.free[DUST] += outcome.dust;
    }

    /* WHAT THE BATCH DID */

    /// @dev Each statement is told once, each row set aside once and in order, and the batch at the end.
    function _checkLogs(Vm.Log[] memory logs, Outcome memory expected, uint256 statements) private view {
        uint256 settled;
        uint256 next;
        for (uint256 i; i < logs.length - 1; ++i) {
            if (logs[i].topics[0] == ISessionSettlement.StationSettled.selector) {
                ++settled;
                continue;
            }
            vm.assertEq(logs[i].topics[0], ISessionSettlement.RowSetAside.selector);
            while (!expected.aside[next]) ++next;
            _checkSetAside(logs[i], _payments[next++]);
        }
        vm.assertEq(settled, statements);
        while (next < expected.aside.length) vm.assertFalse(expected.aside[next++]);
        Vm.Log memory last = logs[logs.length - 1];
        vm.assertEq(last.topics[0], ISessionSettlement.BatchSettled.selector);
        vm.assertEq(last.data, abi.encode(statements, _rows, expected.paid, expected.dust));
    }

    function _checkSetAside(Vm.Log memory log, Payment memory payment) private pure {
        vm.assertEq(uint256(log.topics[1]), payment.station);
        vm.assertEq(uint256(log.topics[2]), 1);
        vm.assertEq(uint256(log.topics[3]), payment.payer);
        vm.assertEq(log.data, abi.encode(payment.sequence, payment.row, payment.owed));
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
