// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IStationRegistry} from "../../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../../interfaces/ITariffBook.sol";
import {Roles} from "../../Roles.sol";
import {World} from "./World.sol";

/// @title Stations, their keys and meters, and tariffs.
abstract contract StationVerbs is World {
    uint256 private _singles;
    uint256 private _pairs;

    /* STATIONS */

    function registerStation(uint256 seed) external step(seed) {
        uint24 caller = _with(_operatorOrRival());
        bool full = _singles == MOST_SINGLES;
        uint256 key = full || _oneIn(8) ? _keyOf(1) : _newKey();
        bool bidirectional = _oneIn(2);
        uint40 exportWh = _oneIn(2) ? 0 : uint40(_pick(1_000_000));
        uint40 importWh = uint40(_pick(1_000_000));
        bool expected = _hasRole(caller, Roles.OPERATOR) && key != _keyOf(1) && (bidirectional || exportWh == 0);
        bytes memory data =
            abi.encodeCall(stations.registerStation, (vm.addr(key), RATED_POWER_W, bidirectional, importWh, exportWh));
        _try(_ownerOf(caller), address(stations), data, expected);
        if (!expected) return;
        ++_singles;
        _registered(caller, key, bidirectional, importWh, exportWh);
    }

    function registerStations(uint256 seed) external step(seed) {
        uint24 caller = _with(_operatorOrRival());
        uint256 key = _newKey();
        address[] memory signers = new address[](2);
        (signers[0], signers[1]) = (vm.addr(key), vm.addr(_newKey()));
        bool full = _pairs == MOST_PAIRS;
        if (full) signers[1] = signers[0];
        bool expected = _hasRole(caller, Roles.OPERATOR) && !full;
        bytes memory data = abi.encodeCall(stations.registerStations, (signers, RATED_POWER_W, full));
        _try(_ownerOf(caller), address(stations), data, expected);
        if (!expected) return;
        ++_pairs;
        _registered(caller, key, false, 0, 0);
        _registered(caller, key + 1, false, 0, 0);
    }

    function _registered(uint24 payee, uint256 key, bool bidirectional, uint40 importWh, uint40 exportWh) private {
        Pole storage pole = _poles[++_poleCount];
        (pole.payee, pole.bidirectional) = (payee, bidirectional);
        (pole.openingImport, pole.openingExport) = (importWh, exportWh);
        _hasPoleKey(_poleCount, key);
    }

    function suspendStation(uint256 seed) external step(seed) {
        uint24 station = uint24(1 + _pick(_poleCount));
        _suspend(station, _with(_oneIn(2) ? GOVERNOR_ACCOUNT : _poles[station].payee), true);
    }

    function reactivateStation(uint256 seed) external step(seed) {
        uint24 start = uint24(_pick(_poleCount));
        for (uint24 i; i < _poleCount; ++i) {
            Pole storage pole = _poles[1 + (start + i) % _poleCount];
            if (!pole.byOperator && !pole.byGovernance) continue;
            uint24 caller = pole.byGovernance ? GOVERNOR_ACCOUNT : pole.payee;
            return _suspend(1 + (start + i) % _poleCount, _with(caller), false);
        }
    }

    function _suspend(uint24 station, uint24 caller, bool suspend) private {
        Pole storage pole = _poles[station];
        bool byOperator = caller == pole.payee;
        bool may = _isOpen(caller) && (byOperator || _hasRole(caller, Roles.GOVERNOR));
        bool expected = may && (byOperator ? pole.byOperator : pole.byGovernance) != suspend;
        bytes memory data = suspend
            ? abi.encodeCall(stations.suspendStation, (station))
            : abi.encodeCall(stations.reactivateStation, (station));
        _try(_ownerOf(caller), address(stations), data, expected);
        if (!expected) return;
        if (byOperator) pole.byOperator = suspend;
        else pole.byGovernance = suspend;
    }

    /* KEYS */

    function rotateKey(uint256 seed) external step(seed) {
        uint24 station = uint24(1 + _pick(_poleCount));
        for (uint24 i = 1; i <= _poleCount; ++i) {
            if (_poles[i].key == 0) station = i;
        }
        Pole storage pole = _poles[station];
        uint24 caller = _with(pole.payee);
        bool taken = _oneIn(8);
        uint256 key = taken ? _keyOf(1 + uint24(_pick(3))) : _newKey();
        bool expected = caller == pole.payee && _isOpen(caller) && !taken;
        _try(_ownerOf(caller), address(stations), abi.encodeCall(stations.rotateKey, (station, vm.addr(key))), expected);
        if (!expected) return;
        if (pole.key != 0) _poleKeyEnd[pole.key] = _now();
        _hasPoleKey(station, key);
    }

    function revokeKey(uint256 seed) external step(seed) {
        uint24 station = uint24(1 + _pick(_poleCount));
        Pole storage pole = _poles[station];
        uint24 caller = _with(_oneIn(2) ? GOVERNOR_ACCOUNT : pole.payee);
        uint24 other = _oneIn(8) ? uint24(1 + _pick(_poleCount)) : station;
        uint256 key = _keysOfPole[other][_pick(_keysOfPole[other].length)];
        if (_oneIn(4) && pole.key != 0) key = pole.key;
        bool present = key == pole.key;
        uint40 end = present ? _now() + 1 : _poleKeyEnd[key];
        uint40 validUntil = _oneIn(8) ? end : _oneIn(4) || end < 4 hours ? 0 : end - 1 - uint40(_pick(4 hours));
        bool may = _isOpen(caller) && (caller == pole.payee || _hasRole(caller, Roles.GOVERNOR));
        bool expected = may && (other == station || present) && validUntil < end;
        bytes memory data = abi.encodeCall(stations.revokeKey, (station, vm.addr(key), validUntil));
        _try(_ownerOf(caller), address(stations), data, expected);
        if (!expected) return;
        _poleKeyEnd[key] = validUntil;
        if (present) pole.key = 0;
    }

    /* METERS */

    function replaceMeter(uint256 seed) external step(seed) {
        uint24 station = uint24(1 + _pick(_poleCount));
        Pole storage pole = _poles[station];
        uint24 caller = _with(pole.payee);
        IStationRegistry.MeterReplacement memory m = IStationRegistry.MeterReplacement({
            station: station,
            sequence: pole.sequence + 1,
            time: _now(),
            closingImportWh: pole.openingImport + uint40(pole.importedWh),
            closingExportWh: pole.openingExport + uint40(pole.exportedWh),
            openingImportWh: uint40(_pick(1_000_000)),
            openingExportWh: pole.bidirectional ? uint40(_pick(1_000_000)) : 0
        });
        uint256 key = pole.key;
        bool valid = key != 0 && !pole.byOperator && !pole.byGovernance;
        uint256 flaw = _pick(16);
        if (flaw == 0) (m.sequence, valid) = (pole.sequence, false);
        if (flaw == 1) (m.closingImportWh, valid) = (m.closingImportWh + 1, false);
        if (flaw == 2) (m.time, valid) = (m.time + 1, false);
        if (flaw == 3 && !pole.bidirectional) (m.openingExportWh, valid) = (1, false);
        if (flaw == 4 || key == 0) (key, valid) = (_newKey(), false);
        bool expected = valid && caller == pole.payee && _isOpen(caller);
        bytes memory data = _replacement(m, key);
        _try(_ownerOf(caller), address(stations), data, expected);
        if (!expected) return;
        (pole.openingImport, pole.openingExport) = (m.openingImportWh, m.openingExportWh);
        (pole.importedWh, pole.exportedWh) = (0, 0);
        ++pole.sequence;
        ++pole.meters;
        // One signature replaces one meter.
        _refused(_ownerOf(caller), address(stations), data);
    }

    function _replacement(IStationRegistry.MeterReplacement memory m, uint256 key) private view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), key);
        return abi.encodeCall(stations.replaceMeter, (m, r, vs));
    }

    /* TARIFFS */

    function publish(uint256 seed) external step(seed) {
        uint24 caller = _with(_operatorOrRival());
        uint24 payee = _oneIn(8) ? OPERATOR_ACCOUNT : caller;
        bool full = _tariffs.length + 2 > MOST_TARIFFS;
        ITariffBook.Tariff[] memory tariffs = new ITariffBook.Tariff[](2);
        for (uint256 i; i < 2; ++i) {
            int32 price = int32(int256(_pick(900_000))) - 300_000;
            if (_oneIn(8)) price = 0;
            uint40 from = _now() - uint40(_pick(2 days));
            tariffs[i] = ITariffBook.Tariff(
                payee, ITariffBook.Direction(_pick(2)), price, from, from + 1 + uint40(_pick(300 days))
            );
        }
        if (full) tariffs[1].validTo = tariffs[1].validFrom;
        bool expected = _hasRole(caller, Roles.OPERATOR) && payee == caller && !full;
        _try(_ownerOf(caller), address(tariffBook), abi.encodeCall(tariffBook.publish, (tariffs)), expected);
        if (!expected) return;
        _tariffs.push(tariffs[0]);
        _tariffs.push(tariffs[1]);
    }
}
