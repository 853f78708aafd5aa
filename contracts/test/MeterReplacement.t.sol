// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Base} from "./Base.sol";

/// @title A meter that takes another one's place.
contract MeterReplacementTest is Base {
    uint256 private constant NEW_KEY = 0xB0B;

    function setUp() public override {
        super.setUp();
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(ALICE, 30, DISCHARGE));
        _settle(_batchOf(_first(1000, 30, rows)));
    }

    function test_theNextStatementGoesOnFromTheNewRegisters() public {
        IStationRegistry.MeterReplacement memory m = _next();
        vm.expectEmit(address(stations));
        emit IStationRegistry.MeterReplaced(V2G_STATION, 2, NOW - 60, 1000, 30, 7, 5);
        _replace(m);
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.importWh, 7);
        vm.assertEq(station.exportWh, 5);
        vm.assertEq(station.sequence, 2);
        vm.assertEq(station.signer, _signerOf(V2G_STATION));
        vm.assertEq(station.payee, OPERATOR_ACCOUNT);
        vm.assertTrue(station.bidirectional);
        vm.assertEq(station.ratedPowerW, RATED_POWER_W);
        bytes memory rows = bytes.concat(_row(BOB, 500, CHARGE), _row(BOB, 1, DISCHARGE));
        _settleRefused(
            _batchOf(_statement(V2G_STATION, 3, 1500, 31, rows)),
            abi.encodeWithSelector(IStationRegistry.ImportMismatch.selector, V2G_STATION, 1493, 500)
        );
        _settle(_batchOf(_statement(V2G_STATION, 3, 507, 6, rows)));
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, 507);
        vm.assertEq(stations.stationOf(V2G_STATION).exportWh, 6);
    }

    function test_theNewMeterMayStandHigherThanTheOldOne() public {
        IStationRegistry.MeterReplacement memory m = _next();
        (m.openingImportWh, m.openingExportWh) = (type(uint40).max, type(uint40).max);
        _replace(m);
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, type(uint40).max);
        vm.assertEq(stations.stationOf(V2G_STATION).exportWh, type(uint40).max);
    }

    function test_itTakesANumberOfTheSequence() public {
        IStationRegistry.MeterReplacement memory m = _next();
        m.sequence = 1;
        _refused(m, _sequenceMismatch(2, 1));
        m.sequence = 3;
        _refused(m, _sequenceMismatch(2, 3));
        m.sequence = 2;
        _replace(m);
        _settleRefused(_batchOf(_statement(V2G_STATION, 2, 1000, 30, "")), _sequenceMismatch(3, 2));
    }

    function test_aSignatureReplacesOneMeter() public {
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        _replace(m);
        vm.expectRevert(_sequenceMismatch(3, 2));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        // Nor with another number, although the registers fit again.
        (m.sequence, m.closingImportWh, m.closingExportWh) = (3, 7, 5);
        bytes32 digest = _replacementDigest(m);
        bytes32 s = bytes32(uint256(vs) & type(uint256).max >> 1);
        address recovered = ecrecover(digest, uint8(27 + (uint256(vs) >> 255)), r, s);
        vm.expectRevert(_wrongSigner(recovered));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
    }

    function test_theOldMeterEndsWhereTheLastStatementDid() public {
        bytes memory why = abi.encodeWithSelector(IStationRegistry.RegistersDiffer.selector, V2G_STATION, 1000, 30);
        IStationRegistry.MeterReplacement memory m = _next();
        m.closingImportWh = 1001;
        _refused(m, why);
        (m.closingImportWh, m.closingExportWh) = (1000, 29);
        _refused(m, why);
    }

    function test_whatHasNotHappenedYetIsNotSignedFor() public {
        IStationRegistry.MeterReplacement memory m = _next();
        m.time = NOW + 1;
        _refused(m, abi.encodeWithSelector(IStationRegistry.FromTheFuture.selector, V2G_STATION, NOW + 1));
        m.time = NOW;
        _replace(m);
    }

    function test_aStationThatOnlyChargesGetsNoExportRegister() public {
        IStationRegistry.MeterReplacement memory m = _next();
        m.station = CHARGE_STATION;
        (m.sequence, m.closingImportWh, m.closingExportWh) = (1, 0, 0);
        _refused(m, abi.encodeWithSelector(IStationRegistry.ExportWithoutV2g.selector, 5));
        m.openingExportWh = 0;
        _replace(m);
        vm.assertEq(stations.stationOf(CHARGE_STATION).importWh, 7);
        vm.assertFalse(stations.stationOf(CHARGE_STATION).bidirectional);
    }

    function test_aSuspendedStationKeepsItsMeter() public {
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
        _refused(_next(), abi.encodeWithSelector(IStationRegistry.StationIsSuspended.selector, V2G_STATION));
    }

    function test_anUnknownStationHasNoMeter() public {
        IStationRegistry.MeterReplacement memory m = _next();
        m.station = 4;
        _refused(m, abi.encodeWithSelector(IStationRegistry.UnknownStation.selector, 4));
    }

    function test_theOperatorAloneReplacesAMeter() public {
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        address[2] memory callers = [RIVAL, GOVERNOR];
        uint24[2] memory numbers = [RIVAL_ACCOUNT, GOVERNOR_ACCOUNT];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IStationRegistry.NotStationOperator.selector, V2G_STATION, OPERATOR_ACCOUNT, numbers[i]
                )
            );
            vm.prank(callers[i]);
            stations.replaceMeter(m, r, vs);
        }
        vm.expectRevert(_notAMember(STRANGER));
        vm.prank(STRANGER);
        stations.replaceMeter(m, r, vs);
    }

    function test_theStationSignsToo() public {
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), NEW_KEY);
        vm.expectRevert(_wrongSigner(vm.addr(NEW_KEY)));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, 0, 0);
    }

    function test_aFormerKeyReplacesNoMeterEvenWithinItsWindow() public {
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        vm.expectRevert(
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, vm.addr(NEW_KEY), _signerOf(V2G_STATION)
            )
        );
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        (r, vs) = _sign(_replacementDigest(m), NEW_KEY);
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, 7);
    }

    function test_aStationWithoutAKeyKeepsItsMeter() public {
        vm.prank(OPERATOR);
        stations.revokeKey(V2G_STATION, _signerOf(V2G_STATION), NOW);
        _refused(
            _next(),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, address(0), _signerOf(V2G_STATION)
            )
        );
    }

    function test_aSignatureForAnotherChainReplacesNoMeter() public {
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        vm.chainId(1);
        vm.expectRevert();
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        vm.chainId(CHAIN_ID);
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
    }

    /// @dev Every field is under the signature: with any one changed, another key, or none, is recovered.
    function testFuzz_everyFieldIsUnderTheSignature(uint8 field, uint40 other) public {
        IStationRegistry.MeterReplacement memory m = _next();
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        field %= 3;
        if (field == 0) (m.time, other) = (uint40(_between(other, 0, NOW)), m.time);
        else if (field == 1) (m.openingImportWh, other) = (other, m.openingImportWh);
        else (m.openingExportWh, other) = (other, m.openingExportWh);
        vm.assume(other != (field == 0 ? m.time : field == 1 ? m.openingImportWh : m.openingExportWh));
        vm.expectRevert();
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 1);
    }

    function testFuzz_registersAreThoseOfTheNewMeter(uint40 importWh, uint40 exportWh, uint40 time) public {
        IStationRegistry.MeterReplacement memory m = _next();
        (m.openingImportWh, m.openingExportWh, m.time) = (importWh, exportWh, uint40(_between(time, 0, NOW)));
        _replace(m);
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, importWh);
        vm.assertEq(stations.stationOf(V2G_STATION).exportWh, exportWh);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 2);
    }

    /* WHAT THE TESTS SHARE */

    /// @dev The replacement that may follow the fixture's first statement.
    function _next() private pure returns (IStationRegistry.MeterReplacement memory) {
        return IStationRegistry.MeterReplacement(V2G_STATION, 2, NOW - 60, 1000, 30, 7, 5);
    }

    function _replace(IStationRegistry.MeterReplacement memory m) private {
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(m.station));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
    }

    function _refused(IStationRegistry.MeterReplacement memory m, bytes memory why) private {
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(m.station));
        vm.expectRevert(why);
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
    }

    function _sequenceMismatch(uint24 expected, uint24 received) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, expected, received);
    }

    function _wrongSigner(address recovered) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), recovered
            );
    }
}
