// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title Stations, their keys and their suspensions.
contract StationRegistryTest is Base {
    uint24 private constant NEW_STATION = 4;
    uint256 private constant NEW_KEY = 0xB0B;

    /* REGISTRATION */

    function test_anOperatorRegistersAStation() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationRegistered(NEW_STATION, vm.addr(NEW_KEY), RIVAL_ACCOUNT, 50_000, true, 1234, 56);
        vm.prank(RIVAL);
        vm.assertEq(stations.registerStation(vm.addr(NEW_KEY), 50_000, true, 1234, 56), NEW_STATION);
        IStationRegistry.Station memory station = stations.stationOf(NEW_STATION);
        vm.assertEq(station.signer, vm.addr(NEW_KEY));
        vm.assertEq(station.importWh, 1234);
        vm.assertEq(station.exportWh, 56);
        vm.assertEq(station.sequence, 0);
        vm.assertEq(station.payee, RIVAL_ACCOUNT);
        vm.assertEq(station.ratedPowerW, 50_000);
        vm.assertTrue(station.bidirectional);
        vm.assertFalse(station.suspendedByOperator);
        vm.assertFalse(station.suspendedByGovernance);
        vm.assertEq(stations.keyValidUntil(NEW_STATION, vm.addr(NEW_KEY)), type(uint40).max);
        vm.assertEq(stations.stationOfSigner(vm.addr(NEW_KEY)), NEW_STATION);
        vm.assertEq(stations.stationCount(), NEW_STATION);
    }

    function test_aGovernorWithoutTheOperatorRoleRegistersNoStation() public {
        vm.expectRevert(_missingRole(GOVERNOR, Roles.OPERATOR));
        vm.prank(GOVERNOR);
        stations.registerStation(vm.addr(NEW_KEY), RATED_POWER_W, true, 0, 0);
    }

    function test_aStationNeedsARatedPower() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.ZeroRatedPower.selector));
        vm.prank(OPERATOR);
        stations.registerStation(vm.addr(NEW_KEY), 0, true, 0, 0);
    }

    function test_aStationThatOnlyChargesHasNoExportRegister() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.ExportWithoutV2g.selector, uint40(7)));
        vm.prank(OPERATOR);
        stations.registerStation(vm.addr(NEW_KEY), RATED_POWER_W, false, 0, 7);
    }

    function test_theZeroAddressCannotSign() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.ZeroSigner.selector));
        vm.prank(OPERATOR);
        stations.registerStation(address(0), RATED_POWER_W, false, 0, 0);
    }

    function test_aKeySignsForOneStation() public {
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        vm.prank(RIVAL);
        stations.registerStation(_signerOf(V2G_STATION), RATED_POWER_W, false, 0, 0);
    }

    function test_stationNumbersDoNotWrapAround() public {
        // Slots 0 and 1 are the module gate's, slot 2 is the count.
        vm.store(address(stations), bytes32(uint256(2)), bytes32(uint256(type(uint24).max)));
        vm.assertEq(stations.stationCount(), type(uint24).max);
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.NoStationNumberLeft.selector));
        vm.prank(OPERATOR);
        stations.registerStation(vm.addr(NEW_KEY), RATED_POWER_W, false, 0, 0);
    }

    function test_stationsRegisteredTogetherFollowEachOther() public {
        address[] memory signers = new address[](2);
        (signers[0], signers[1]) = (_fresh(1), _fresh(2));
        for (uint24 i; i < 2; ++i) {
            vm.expectEmit(address(stations));
            emit IStationRegistry.StationRegistered(NEW_STATION + i, signers[i], OPERATOR_ACCOUNT, 11_000, false, 0, 0);
        }
        vm.prank(OPERATOR);
        vm.assertEq(stations.registerStations(signers, 11_000, false), NEW_STATION);
        vm.assertEq(stations.stationCount(), NEW_STATION + 1);
    }

    function test_aStrangerRegistersNoStations() public {
        vm.expectRevert(_missingRole(STRANGER, Roles.OPERATOR));
        vm.prank(STRANGER);
        stations.registerStations(new address[](1), RATED_POWER_W, false);
    }

    function test_oneRefusedStationRefusesThemAll() public {
        address[] memory signers = new address[](2);
        (signers[0], signers[1]) = (_fresh(1), _fresh(1));
        vm.expectRevert(_signerTaken(signers[1], NEW_STATION));
        vm.prank(OPERATOR);
        stations.registerStations(signers, RATED_POWER_W, false);
        vm.assertEq(stations.stationOfSigner(signers[0]), 0);
    }

    function testFuzz_aStationReadsBackAsItWasRegistered(
        uint256 seed,
        uint32 ratedPowerW,
        bool bidirectional,
        uint40 importWh,
        uint40 exportWh
    ) public {
        bool refused = ratedPowerW == 0 || (!bidirectional && exportWh != 0);
        if (refused) vm.expectRevert();
        vm.prank(OPERATOR);
        stations.registerStation(_fresh(seed), ratedPowerW, bidirectional, importWh, exportWh);
        if (refused) return;
        IStationRegistry.Station memory station = stations.stationOf(NEW_STATION);
        vm.assertEq(station.signer, _fresh(seed));
        vm.assertEq(station.ratedPowerW, ratedPowerW);
        vm.assertEq(station.bidirectional, bidirectional);
        vm.assertEq(station.importWh, importWh);
        vm.assertEq(station.exportWh, exportWh);
    }

    function testFuzz_registerStationsRegistersEachKey(uint256 seed, uint256 count, bool bidirectional) public {
        address[] memory signers = new address[](_between(count, 0, 8));
        for (uint256 i; i < signers.length; ++i) {
            signers[i] = address(uint160(_fresh(seed)) ^ uint160(i));
        }
        vm.prank(OPERATOR);
        uint24 first = stations.registerStations(signers, RATED_POWER_W, bidirectional);
        vm.assertEq(first, NEW_STATION);
        vm.assertEq(stations.stationCount(), NEW_STATION - 1 + signers.length);
        for (uint256 i; i < signers.length; ++i) {
            vm.assertEq(stations.stationOfSigner(signers[i]), first + i);
            vm.assertEq(stations.stationOf(uint24(first + i)).payee, OPERATOR_ACCOUNT);
        }
    }

    /* ROTATION */

    function test_anOperatorRotatesAKey() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.KeyRotated(V2G_STATION, vm.addr(NEW_KEY), _signerOf(V2G_STATION), NOW);
        _rotate(vm.addr(NEW_KEY));
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.signer, vm.addr(NEW_KEY));
        vm.assertEq(station.payee, OPERATOR_ACCOUNT);
        vm.assertTrue(station.bidirectional);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, vm.addr(NEW_KEY)), type(uint40).max);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, _signerOf(V2G_STATION)), NOW);
        vm.assertEq(stations.stationOfSigner(vm.addr(NEW_KEY)), V2G_STATION);
        vm.assertEq(stations.stationOfSigner(_signerOf(V2G_STATION)), V2G_STATION);
    }

    function test_aKeyThatWasReplacedNeverSignsForAnotherStationNorComesBack() public {
        _rotate(vm.addr(NEW_KEY));
        vm.startPrank(OPERATOR);
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        stations.registerStation(_signerOf(V2G_STATION), RATED_POWER_W, false, 0, 0);
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        stations.rotateKey(V2G_STATION, _signerOf(V2G_STATION));
        vm.stopPrank();
    }

    function test_aKeyIsNotRotatedToOneThatIsTaken() public {
        vm.expectRevert(_signerTaken(_signerOf(CHARGE_STATION), CHARGE_STATION));
        _rotate(_signerOf(CHARGE_STATION));
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        _rotate(_signerOf(V2G_STATION));
    }

    function test_aKeyIsNotRotatedToTheZeroAddress() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.ZeroSigner.selector));
        _rotate(address(0));
    }

    function test_nobodyElseRotatesAKey() public {
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        vm.prank(RIVAL);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        vm.expectRevert(_notOperator(GOVERNOR_ACCOUNT));
        vm.prank(GOVERNOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
    }

    function test_anUnknownStationHasNoKeyToRotate() public {
        vm.expectRevert(_unknownStation(NEW_STATION));
        vm.prank(OPERATOR);
        stations.rotateKey(NEW_STATION, vm.addr(NEW_KEY));
    }

    function test_aSuspendedStationGetsANewKey() public {
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
        _rotate(vm.addr(NEW_KEY));
        vm.assertEq(stations.stationOf(V2G_STATION).signer, vm.addr(NEW_KEY));
        vm.assertTrue(stations.stationOf(V2G_STATION).suspendedByGovernance);
    }

    function testFuzz_everyFormerKeyKeepsItsEnd(uint256 seed, uint256 count) public {
        count = _between(count, 1, 6);
        address[] memory keys = new address[](count + 1);
        keys[0] = _signerOf(V2G_STATION);
        for (uint40 i; i < count; ++i) {
            keys[i + 1] = address(uint160(_fresh(seed)) ^ uint160(i));
            vm.warp(NOW + i * i);
            vm.expectEmit(address(stations));
            emit IStationRegistry.KeyRotated(V2G_STATION, keys[i + 1], keys[i], NOW + i * i);
            _rotate(keys[i + 1]);
        }
        for (uint40 i; i < count; ++i) {
            vm.assertEq(stations.keyValidUntil(V2G_STATION, keys[i]), NOW + i * i);
            vm.assertEq(stations.stationOfSigner(keys[i]), V2G_STATION);
        }
        vm.assertEq(stations.keyValidUntil(V2G_STATION, keys[count]), type(uint40).max);
    }

    /* REVOCATION */

    function test_anOperatorCutsThePresentKeyOff() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.KeyRevoked(V2G_STATION, _signerOf(V2G_STATION), NOW - 50, OPERATOR_ACCOUNT);
        _revoke(OPERATOR, _signerOf(V2G_STATION), NOW - 50);
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.signer, address(0));
        vm.assertEq(station.payee, OPERATOR_ACCOUNT);
        vm.assertTrue(station.bidirectional);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, _signerOf(V2G_STATION)), NOW - 50);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, address(0)), 0);
        vm.assertEq(stations.stationOfSigner(_signerOf(V2G_STATION)), V2G_STATION);
    }

    function test_aGovernorCutsAnyKeyOff() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.KeyRevoked(V2G_STATION, _signerOf(V2G_STATION), 0, GOVERNOR_ACCOUNT);
        _revoke(GOVERNOR, _signerOf(V2G_STATION), 0);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, _signerOf(V2G_STATION)), 0);
    }

    function test_aStationWithoutAKeyGetsANewOne() public {
        _revoke(OPERATOR, _signerOf(V2G_STATION), NOW);
        vm.expectEmit(address(stations));
        emit IStationRegistry.KeyRotated(V2G_STATION, vm.addr(NEW_KEY), address(0), NOW);
        _rotate(vm.addr(NEW_KEY));
        vm.assertEq(stations.stationOf(V2G_STATION).signer, vm.addr(NEW_KEY));
        vm.assertEq(stations.keyValidUntil(V2G_STATION, _signerOf(V2G_STATION)), NOW);
    }

    function test_aFormerKeyIsCutOffEarlierButNotLater() public {
        _rotate(vm.addr(NEW_KEY));
        vm.warp(NOW + 100);
        address former = _signerOf(V2G_STATION);
        vm.expectRevert(_cannotExtend(former, NOW));
        _revoke(OPERATOR, former, NOW);
        vm.expectRevert(_cannotExtend(former, NOW + 50));
        _revoke(GOVERNOR, former, NOW + 50);
        _revoke(OPERATOR, former, NOW - 1);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, former), NOW - 1);
        vm.assertEq(stations.stationOf(V2G_STATION).signer, vm.addr(NEW_KEY));
        _revoke(GOVERNOR, former, 0);
        vm.expectRevert(_cannotExtend(former, 0));
        _revoke(GOVERNOR, former, 0);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, former), 0);
    }

    function test_aPresentKeyIsNotCutOffInTheFuture() public {
        address signer = _signerOf(V2G_STATION);
        vm.expectRevert(_cannotExtend(signer, NOW + 1));
        _revoke(OPERATOR, signer, NOW + 1);
        _revoke(OPERATOR, signer, NOW);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, signer), NOW);
    }

    function test_whatWasNeverTheStationsKeyIsNotCutOff() public {
        address[3] memory others = [vm.addr(NEW_KEY), _signerOf(CHARGE_STATION), address(0)];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IStationRegistry.NotAKey.selector, V2G_STATION, others[i]));
            _revoke(OPERATOR, others[i], 0);
        }
    }

    function test_nobodyElseCutsAKeyOff() public {
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        _revoke(RIVAL, _signerOf(V2G_STATION), 0);
        vm.expectRevert(_unknownStation(NEW_STATION));
        vm.prank(GOVERNOR);
        stations.revokeKey(NEW_STATION, _signerOf(V2G_STATION), 0);
    }

    function testFuzz_noKeyIsEverValidForLonger(uint256 seed) public {
        address former = _signerOf(V2G_STATION);
        _rotate(vm.addr(NEW_KEY));
        uint256 before = type(uint40).max;
        for (uint256 i; i < 8; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(NOW + i * 10);
            uint40 until = uint40(_between(random >> 8, 0, NOW + 100));
            vm.prank(random & 1 == 0 ? OPERATOR : GOVERNOR);
            try stations.revokeKey(V2G_STATION, former, until) {
                vm.assertTrue(until < before && until < NOW);
            } catch {
                vm.assertTrue(until >= stations.keyValidUntil(V2G_STATION, former));
            }
            before = stations.keyValidUntil(V2G_STATION, former);
        }
    }

    /* SUSPENSION */

    function test_operatorAndGovernanceSuspendApart() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationSuspended(V2G_STATION, false, OPERATOR_ACCOUNT);
        vm.prank(OPERATOR);
        stations.suspendStation(V2G_STATION);
        _assertSuspended(true, false);
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationSuspended(V2G_STATION, true, GOVERNOR_ACCOUNT);
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
        _assertSuspended(true, true);
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationReactivated(V2G_STATION, false, OPERATOR_ACCOUNT);
        vm.prank(OPERATOR);
        stations.reactivateStation(V2G_STATION);
        _assertSuspended(false, true);
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationReactivated(V2G_STATION, true, GOVERNOR_ACCOUNT);
        vm.prank(GOVERNOR);
        stations.reactivateStation(V2G_STATION);
        _assertSuspended(false, false);
    }

    function test_nobodyEndsTheOthersSuspension() public {
        bytes memory noChange = abi.encodeWithSelector(IStationRegistry.NoChange.selector, V2G_STATION);
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
        vm.expectRevert(noChange);
        vm.prank(OPERATOR);
        stations.reactivateStation(V2G_STATION);
        _assertSuspended(false, true);
        vm.expectRevert(noChange);
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
    }

    function test_aStationIsNotReactivatedTwice() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.NoChange.selector, V2G_STATION));
        vm.prank(GOVERNOR);
        stations.reactivateStation(V2G_STATION);
    }

    function test_nobodyElseSuspendsOrReactivates() public {
        vm.startPrank(RIVAL);
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        stations.suspendStation(V2G_STATION);
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        stations.reactivateStation(V2G_STATION);
        vm.stopPrank();
        vm.startPrank(GOVERNOR);
        vm.expectRevert(_unknownStation(NEW_STATION));
        stations.suspendStation(NEW_STATION);
        vm.expectRevert(_unknownStation(NEW_STATION));
        stations.reactivateStation(NEW_STATION);
        vm.stopPrank();
    }

    function test_aGovernorThatOperatesTheStationSuspendsAsItsOperator() public {
        vm.startPrank(GOVERNOR);
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.GOVERNOR);
        vm.stopPrank();
        vm.prank(OPERATOR);
        stations.suspendStation(V2G_STATION);
        _assertSuspended(true, false);
    }

    function testFuzz_suspensionsAreTwoSwitches(uint256 picks) public {
        bool[2] memory on;
        for (uint256 i; i < 16; ++i) {
            uint256 who = picks >> (2 * i) & 1;
            bool suspend = picks >> (2 * i + 1) & 1 == 0;
            vm.startPrank(who == 0 ? OPERATOR : GOVERNOR);
            if (suspend == on[who]) {
                vm.expectRevert(abi.encodeWithSelector(IStationRegistry.NoChange.selector, V2G_STATION));
            }
            if (suspend) stations.suspendStation(V2G_STATION);
            else stations.reactivateStation(V2G_STATION);
            vm.stopPrank();
            on[who] = suspend;
            _assertSuspended(on[0], on[1]);
        }
    }

    /* STRANGERS */

    function testFuzz_aStrangerChangesNothing(address stranger, uint256 number) public {
        vm.assume(!accounts.isMember(stranger) && !stationGate.isModule(stranger));
        uint24 station = uint24(_between(number, V2G_STATION, RIVAL_STATION));
        bytes32 before = keccak256(abi.encode(stations.stationOf(station)));
        bytes memory noOperator = _missingRole(stranger, Roles.OPERATOR);
        bytes memory noMember = _notAMember(stranger);
        IStationRegistry.MeterReplacement memory replacement;
        replacement.station = station;
        vm.startPrank(stranger);
        vm.expectRevert(noOperator);
        stations.registerStation(vm.addr(NEW_KEY), RATED_POWER_W, false, 0, 0);
        vm.expectRevert(noOperator);
        stations.registerStations(new address[](0), RATED_POWER_W, false);
        vm.expectRevert(noMember);
        stations.rotateKey(station, vm.addr(NEW_KEY));
        vm.expectRevert(noMember);
        stations.revokeKey(station, _signerOf(station), 0);
        vm.expectRevert(noMember);
        stations.suspendStation(station);
        vm.expectRevert(noMember);
        stations.reactivateStation(station);
        vm.expectRevert(noMember);
        stations.replaceMeter(replacement, 0, 0);
        vm.expectRevert(_notAModule(stranger));
        stations.advance("", new uint256[](0));
        vm.stopPrank();
        vm.assertEq(keccak256(abi.encode(stations.stationOf(station))), before);
    }

    /* VIEWS */

    function test_anUnknownStationHasNothingToTell() public {
        vm.expectRevert(_unknownStation(NEW_STATION));
        stations.stationOf(NEW_STATION);
        vm.assertEq(stations.stationOfSigner(STRANGER), 0);
        vm.assertEq(stations.keyValidUntil(NEW_STATION, _signerOf(V2G_STATION)), 0);
        vm.assertEq(stations.keyValidUntil(NEW_STATION, address(0)), 0);
        vm.assertEq(stations.keyValidUntil(V2G_STATION, _signerOf(CHARGE_STATION)), 0);
    }

    function testFuzz_theDomainIsThatOfTheChain(uint64 chainId) public {
        vm.assertEq(stations.domainSeparator(), _domain());
        chainId = uint64(_between(chainId, 1, type(uint64).max));
        vm.chainId(chainId);
        vm.assertEq(stations.domainSeparator(), _domain(chainId, address(stations)));
    }

    /* WHAT THE TESTS SHARE */

    function _rotate(address signer) private {
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, signer);
    }

    function _revoke(address caller, address signer, uint40 validUntil) private {
        vm.prank(caller);
        stations.revokeKey(V2G_STATION, signer, validUntil);
    }

    function _assertSuspended(bool byOperator, bool byGovernance) private view {
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.suspendedByOperator, byOperator);
        vm.assertEq(station.suspendedByGovernance, byGovernance);
        vm.assertEq(station.signer, _signerOf(V2G_STATION));
        vm.assertTrue(station.bidirectional);
    }

    function _signerTaken(address signer, uint24 station) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.SignerTaken.selector, signer, station);
    }

    function _cannotExtend(address signer, uint40 validUntil) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.CannotExtend.selector, V2G_STATION, signer, validUntil);
    }

    function _unknownStation(uint24 station) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.UnknownStation.selector, station);
    }

    function _notOperator(uint24 caller) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(IStationRegistry.NotStationOperator.selector, V2G_STATION, OPERATOR_ACCOUNT, caller);
    }
}
