// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Base} from "./Base.sol";

/// @title What a module may do with stations. This contract is one; it tells the registry sums of its own.
contract StationAdvanceTest is Base {
    uint24 private constant NEW_STATION = 4;
    uint256 private constant NEW_KEY = 0xB0B;
    uint256 private constant THIRD_KEY = 0xB0C;

    function _proposeOtherModules() internal override {
        stationGate.proposeModule(address(this));
    }

    /* WHAT MOVES */

    function test_aSignedStatementMovesRegistersAndSequence() public {
        Statement memory s = _first(500, 20, _row(ALICE, 500, CHARGE));
        vm.assertEq(_advance(_batchOf(s), _sums(500, 20)), keccak256(abi.encode(_structHash(s))));
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.importWh, 500);
        vm.assertEq(station.exportWh, 20);
        vm.assertEq(station.sequence, 1);
        vm.assertEq(station.signer, _signerOf(V2G_STATION));
        vm.assertEq(station.payee, OPERATOR_ACCOUNT);
        vm.assertTrue(station.bidirectional);
        vm.assertEq(stations.stationOf(CHARGE_STATION).sequence, 0);
    }

    function test_theDigestCoversAllStatementsInTheirOrder() public {
        Statement memory one = _first(500, 0, "");
        Statement memory two = _statement(CHARGE_STATION, 1, 7, 0, _row(BOB, 7, CHARGE));
        uint256[] memory sums = new uint256[](2);
        (sums[0], sums[1]) = (_sums(500, 0), _sums(7, 0));
        bytes32 found = stations.advance(_batch(_signed(one), _signed(two)), sums);
        vm.assertEq(found, keccak256(abi.encode(_structHash(one), _structHash(two))));
    }

    function testFuzz_onlyModulesMoveRegisters(address caller) public {
        vm.assume(!stationGate.isModule(caller));
        bytes memory batch = _batchOf(_first(500, 20, ""));
        uint256[] memory sums = _list(_sums(500, 20));
        vm.expectRevert(_notAModule(caller));
        vm.prank(caller);
        stations.advance(batch, sums);
    }

    function test_anEmptyListAdvancesNothing() public {
        vm.assertEq(stations.advance("", new uint256[](0)), keccak256(""));
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 0);
    }

    function test_aModuleThatTellsOfMoreStatementsThanThereAreIsRefused() public {
        uint256[] memory sums = new uint256[](2);
        (sums[0], sums[1]) = (_sums(500, 0), _sums(0, 0));
        bytes memory batch = _batchOf(_first(500, 0, ""));
        vm.expectRevert(
            abi.encodeWithSelector(IStationRegistry.MalformedBatch.selector, batch.length, batch.length + 125)
        );
        stations.advance(batch, sums);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 0);
    }

    /// @dev What lies behind the batch in the transaction's data is no part of it.
    function test_aStatementThatEndsBehindTheBatchIsRefused() public {
        bytes memory batch = _batchOf(_first(500, 0, _row(ALICE, 500, CHARGE)));
        for (uint256 missing = 1; missing <= 13; missing += 6) {
            bytes memory short = new bytes(batch.length - missing);
            for (uint256 i; i < short.length; ++i) {
                short[i] = batch[i];
            }
            vm.expectRevert(
                abi.encodeWithSelector(IStationRegistry.MalformedBatch.selector, short.length, batch.length)
            );
            stations.advance(short, _list(_sums(500, 0)));
        }
        stations.advance(batch, _list(_sums(500, 0)));
    }

    function test_oneRefusedStatementRefusesThemAll() public {
        bytes memory batch = _batch(_signed(_first(500, 0, "")), _signed(_statement(CHARGE_STATION, 3, 500, 0, "")));
        uint256[] memory sums = new uint256[](2);
        (sums[0], sums[1]) = (_sums(500, 0), _sums(500, 0));
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, CHARGE_STATION, 1, 3));
        stations.advance(batch, sums);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 0);
    }

    /* WHICH STATION, WHICH STATEMENT */

    function test_anUnknownStationDoesNotAdvance() public {
        bytes memory why = abi.encodeWithSelector(IStationRegistry.UnknownStation.selector, NEW_STATION);
        _refused(_statement(NEW_STATION, 1, 1, 0, ""), _sums(1, 0), why);
    }

    function test_aSuspendedStationDoesNotAdvance() public {
        address[2] memory callers = [OPERATOR, GOVERNOR];
        bytes memory why = abi.encodeWithSelector(IStationRegistry.StationIsSuspended.selector, V2G_STATION);
        for (uint256 i; i < 2; ++i) {
            vm.prank(callers[i]);
            stations.suspendStation(V2G_STATION);
            _refused(_first(1, 0, ""), _sums(1, 0), why);
            vm.prank(callers[i]);
            stations.reactivateStation(V2G_STATION);
        }
        _advance(_batchOf(_first(1, 0, "")), _sums(1, 0));
    }

    function testFuzz_aStatementThatIsNotTheNextOneIsRefused(uint24 sequence) public {
        vm.assume(sequence != 2);
        _advance(_batchOf(_first(1, 0, "")), _sums(1, 0));
        _refused(
            _statement(V2G_STATION, sequence, 1, 0, ""),
            _sums(0, 0),
            abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 2, sequence)
        );
    }

    function test_tariffsOfAnotherOperatorAreRefused() public {
        _refused(
            _first(1, 0, ""),
            _sums(1, 0) + RIVAL_ACCOUNT - OPERATOR_ACCOUNT,
            abi.encodeWithSelector(
                IStationRegistry.ForeignTariff.selector, V2G_STATION, OPERATOR_ACCOUNT, RIVAL_ACCOUNT
            )
        );
    }

    function test_aStatementWithoutBilledRowsNeedsNoOperator() public {
        _advance(_batchOf(_first(1, 0, "")), _sums(1, 0) - OPERATOR_ACCOUNT);
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, 1);
    }

    /* REGISTERS */

    function test_aRegisterThatWentBackIsRefused() public {
        _advance(_batchOf(_first(500, 20, "")), _sums(500, 20));
        _refused(_statement(V2G_STATION, 2, 400, 20, ""), _sums(0, 0), _imports(V2G_STATION, -100, 0));
        _refused(_statement(V2G_STATION, 2, 500, 13, ""), _sums(0, 0), _exports(V2G_STATION, -7, 0));
    }

    function test_rowsThatSumToSomethingElseAreRefused() public {
        _refused(_first(500, 20, ""), _sums(499, 20), _imports(V2G_STATION, 500, 499));
        _refused(_first(500, 20, ""), _sums(500, 21), _exports(V2G_STATION, 20, 21));
    }

    function test_aStationThatOnlyChargesExportsNothing() public {
        _refused(_statement(CHARGE_STATION, 1, 500, 20, ""), _sums(500, 0), _exports(CHARGE_STATION, 20, 0));
        _refused(_statement(CHARGE_STATION, 1, 500, 0, ""), _sums(500, 20), _exports(CHARGE_STATION, 0, 20));
        _refused(_statement(CHARGE_STATION, 1, 500, 20, ""), _sums(500, 20), _exports(CHARGE_STATION, 20, 20));
    }

    function testFuzz_registersMoveByExactlyWhatTheRowsSay(
        uint40 importWh,
        uint40 exportWh,
        uint40 importedWh,
        uint40 exportedWh,
        bool exact
    ) public {
        vm.prank(OPERATOR);
        stations.registerStation(_signerOf(NEW_STATION), RATED_POWER_W, true, importWh, exportWh);
        Statement memory s = _statement(NEW_STATION, 1, importedWh, exportedWh, "");
        unchecked {
            if (exact) (s.importWh, s.exportWh) = (importWh + importedWh, exportWh + exportedWh);
        }
        int256 imported = int256(uint256(s.importWh)) - int256(uint256(importWh));
        int256 exported = int256(uint256(s.exportWh)) - int256(uint256(exportWh));
        uint256 sums = _sums(importedWh, exportedWh);
        if (imported != int256(uint256(importedWh))) {
            return _refused(s, sums, _imports(NEW_STATION, imported, importedWh));
        }
        if (exported != int256(uint256(exportedWh))) {
            return _refused(s, sums, _exports(NEW_STATION, exported, exportedWh));
        }
        _advance(_batchOf(s), sums);
        vm.assertEq(stations.stationOf(NEW_STATION).importWh, s.importWh);
        vm.assertEq(stations.stationOf(NEW_STATION).exportWh, s.exportWh);
    }

    /* SIGNATURES */

    function test_anotherKeysSignatureIsRefused() public {
        _refusedBy(NEW_KEY, _first(1, 0, ""), _signerOf(V2G_STATION));
        _refusedBy(_keyOf(CHARGE_STATION), _first(1, 0, ""), _signerOf(V2G_STATION));
    }

    function test_regression_coincurve_aHighSTwinIsRefused() public {
        // The only high s that fits a compact signature lies between half the curve's order and 2^255.
        (bytes32 r,) = _sign(_digest(_domain(), _structHash(_first(1, 0, ""))), _keyOf(V2G_STATION));
        _badSignature(r, bytes32(CURVE_ORDER / 2 + 1));
    }

    function test_regression_chargePointSimulator_thirtyTwoBytesAreNoSignature() public {
        (bytes32 r,) = _sign(_digest(_domain(), _structHash(_first(1, 0, ""))), _keyOf(V2G_STATION));
        _badSignature(r, 0);
        _badSignature(0, keccak256("s") >> 2);
        _badSignature(0, 0);
    }

    function testFuzz_aSignatureOverAnythingElseIsRefused(bytes32 structHash, uint256 chainId, address registry)
        public
    {
        Statement memory s = _first(1, 0, "");
        vm.assume(structHash != _structHash(s) || chainId != CHAIN_ID || registry != address(stations));
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(chainId, registry), structHash), _keyOf(V2G_STATION));
        address recovered = _recovered(s, r, vs);
        bytes memory why = recovered == address(0)
            ? abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION)
            : _wrongSigner(_signerOf(V2G_STATION), recovered);
        vm.expectRevert(why);
        stations.advance(_batch(_packed(s, r, vs)), _list(_sums(1, 0)));
    }

    /* KEYS THAT WERE REPLACED OR CUT OFF */

    function test_eachFormerKeySignsUpToItsEndAndNoSecondLonger() public {
        _rotate(NOW, NEW_KEY);
        _rotate(NOW + 1000, THIRD_KEY);
        vm.warp(NOW + 5000);
        _refusedBy(_keyOf(V2G_STATION), _ending(1, NOW + 1), vm.addr(THIRD_KEY));
        _refusedBy(NEW_KEY, _ending(1, NOW + 1001), vm.addr(THIRD_KEY));
        _advance(_batch(_signedBy(_keyOf(V2G_STATION), _ending(1, NOW))), _sums(0, 0));
        _advance(_batch(_signedBy(NEW_KEY, _ending(2, NOW + 1000))), _sums(0, 0));
        // The present one signs for any time.
        _advance(_batch(_signedBy(THIRD_KEY, _ending(3, NOW - 500))), _sums(0, 0));
        _advance(_batch(_signedBy(THIRD_KEY, _ending(4, NOW + 5000))), _sums(0, 0));
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 4);
        vm.assertEq(stations.stationOf(V2G_STATION).signer, vm.addr(THIRD_KEY));
    }

    function test_aFormerKeyCutOffEarlierSignsUpToTheCut() public {
        _rotate(NOW, NEW_KEY);
        _revoke(_signerOf(V2G_STATION), NOW - 100);
        _refusedBy(_keyOf(V2G_STATION), _ending(1, NOW - 99), vm.addr(NEW_KEY));
        _advance(_batch(_signedBy(_keyOf(V2G_STATION), _ending(1, NOW - 100))), _sums(0, 0));
        _revoke(_signerOf(V2G_STATION), 0);
        _refusedBy(_keyOf(V2G_STATION), _ending(2, NOW - 1000), vm.addr(NEW_KEY));
    }

    function test_aPresentKeyCutOffInThePastLeavesTheStationWithout() public {
        _revoke(_signerOf(V2G_STATION), NOW - 100);
        _refusedBy(_keyOf(V2G_STATION), _ending(1, NOW - 99), address(0));
        _advance(_batchOf(_ending(1, NOW - 100)), _sums(0, 0));
        _rotate(NOW, NEW_KEY);
        _refusedBy(_keyOf(V2G_STATION), _ending(2, NOW - 99), vm.addr(NEW_KEY));
        _advance(_batch(_signedBy(NEW_KEY, _ending(2, NOW - 99))), _sums(0, 0));
    }

    function test_aKeyThatIsWorthNothingSignsForNothingNotEvenForTheBeginningOfTime() public {
        Statement memory s = _first(0, 0, "");
        (s.startTime, s.durationS) = (0, 0);
        _revoke(_signerOf(V2G_STATION), 0);
        _refusedBy(_keyOf(V2G_STATION), s, address(0));
        _rotate(NOW, NEW_KEY);
        _refusedBy(_keyOf(V2G_STATION), s, vm.addr(NEW_KEY));
        _advance(_batch(_signedBy(NEW_KEY, s)), _sums(0, 0));
    }

    function test_aKeyThatWasNeverTheStationsSignsForNothingNotEvenForTheBeginningOfTime() public {
        Statement memory s = _first(0, 0, "");
        (s.startTime, s.durationS) = (0, 0);
        _refusedBy(NEW_KEY, s, _signerOf(V2G_STATION));
        _refusedBy(_keyOf(RIVAL_STATION), s, _signerOf(V2G_STATION));
    }

    function testFuzz_aFormerKeySignsUpToItsEndOnly(uint40 endTime, uint40 rotation, uint40 cut) public {
        rotation = uint40(_between(rotation, 1, type(uint40).max - 1));
        endTime = uint40(_between(endTime, 0, type(uint40).max));
        cut = uint40(_between(cut, 0, type(uint40).max));
        _rotate(rotation, NEW_KEY);
        if (cut < rotation) _revoke(_signerOf(V2G_STATION), cut);
        vm.warp(type(uint40).max);
        uint40 until = cut < rotation ? cut : rotation;
        Statement memory s = _first(0, 0, "");
        s.durationS = uint24(_between(endTime, 0, endTime < type(uint24).max ? endTime : type(uint24).max));
        s.startTime = endTime - s.durationS;
        if (until != 0 && endTime <= until) {
            _advance(_batchOf(s), _sums(0, 0));
            vm.assertEq(stations.stationOf(V2G_STATION).sequence, 1);
        } else {
            _refusedBy(_keyOf(V2G_STATION), s, vm.addr(NEW_KEY));
        }
    }

    /* WHAT THE TESTS SHARE */

    function _rotate(uint40 time, uint256 key) private {
        vm.warp(time);
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(key));
    }

    function _revoke(address signer, uint40 validUntil) private {
        vm.prank(GOVERNOR);
        stations.revokeKey(V2G_STATION, signer, validUntil);
    }

    /// @dev A statement of nothing.
    function _ending(uint24 sequence, uint40 endTime) private pure returns (Statement memory s) {
        s = _statement(V2G_STATION, sequence, 0, 0, "");
        s.startTime = endTime - INTERVAL_S;
    }

    function _sums(uint40 importedWh, uint40 exportedWh) private pure returns (uint256) {
        return uint256(importedWh) << 64 | uint256(exportedWh) << 24 | OPERATOR_ACCOUNT;
    }

    function _advance(bytes memory batch, uint256 sums) private returns (bytes32) {
        return stations.advance(batch, _list(sums));
    }

    function _refused(Statement memory s, uint256 sums, bytes memory why) private {
        bytes memory batch = _batchOf(s);
        vm.expectRevert(why);
        stations.advance(batch, _list(sums));
    }

    /// @dev A statement that moves nothing but one Wh at the most, signed by a key that must not.
    function _refusedBy(uint256 key, Statement memory s, address expected) private {
        bytes memory batch = _batch(_signedBy(key, s));
        vm.expectRevert(_wrongSigner(expected, vm.addr(key)));
        stations.advance(batch, _list(_sums(s.importWh, 0)));
    }

    function _badSignature(bytes32 r, bytes32 vs) private {
        bytes memory batch = _batch(_packed(_first(1, 0, ""), r, vs));
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION));
        stations.advance(batch, _list(_sums(1, 0)));
    }

    function _wrongSigner(address expected, address recovered) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.WrongSigner.selector, V2G_STATION, expected, recovered);
    }

    function _imports(uint24 station, int256 movedWh, uint256 billedWh) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.ImportMismatch.selector, station, movedWh, billedWh);
    }

    function _exports(uint24 station, int256 movedWh, uint256 billedWh) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.ExportMismatch.selector, station, movedWh, billedWh);
    }
}
