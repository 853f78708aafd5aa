// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

contract StationRegistryTest is Base {
    uint24 private constant NEW_STATION = 4;
    uint256 private constant NEW_KEY = 0xB0B;
    bytes32 private constant STRUCT_HASH = keccak256("statement");

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
        vm.assertFalse(station.revoked);
        vm.assertEq(station.previousSigner, address(0));
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
        // Slot 0 is the settlement module (160 bits) below the count (24 bits).
        vm.store(address(stations), bytes32(0), bytes32(uint256(type(uint24).max) << 160));
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
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.signer, vm.addr(NEW_KEY));
        vm.assertEq(station.previousSigner, _signerOf(V2G_STATION));
        vm.assertEq(station.previousValidUntil, NOW);
        vm.assertEq(stations.stationOfSigner(vm.addr(NEW_KEY)), V2G_STATION);
    }

    function test_aKeyThatWasReplacedNeverSignsForAnotherStation() public {
        vm.startPrank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        stations.registerStation(_signerOf(V2G_STATION), RATED_POWER_W, false, 0, 0);
        vm.stopPrank();
    }

    function test_aKeyIsNotRotatedToOneThatIsTaken() public {
        vm.startPrank(OPERATOR);
        vm.expectRevert(_signerTaken(_signerOf(CHARGE_STATION), CHARGE_STATION));
        stations.rotateKey(V2G_STATION, _signerOf(CHARGE_STATION));
        vm.expectRevert(_signerTaken(_signerOf(V2G_STATION), V2G_STATION));
        stations.rotateKey(V2G_STATION, _signerOf(V2G_STATION));
        vm.stopPrank();
    }

    function test_aKeyIsNotRotatedToTheZeroAddress() public {
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.ZeroSigner.selector));
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, address(0));
    }

    function test_nobodyElseRotatesAKey() public {
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        vm.prank(RIVAL);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        vm.expectRevert(_notOperator(GOVERNOR_ACCOUNT));
        vm.prank(GOVERNOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        vm.expectRevert(_notOperator(0));
        vm.prank(STRANGER);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
    }

    function test_anUnknownStationHasNoKeyToRotate() public {
        vm.expectRevert(_unknownStation(NEW_STATION));
        vm.prank(OPERATOR);
        stations.rotateKey(NEW_STATION, vm.addr(NEW_KEY));
    }

    function test_aRevokedStationGetsNoNewKey() public {
        vm.startPrank(OPERATOR);
        stations.revokeStation(V2G_STATION);
        vm.expectRevert(_revoked());
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        vm.stopPrank();
    }

    function testFuzz_rotationsRememberThePreviousKeyAlone(uint256 seed, uint256 count) public {
        count = _between(count, 1, 6);
        address previous = _signerOf(V2G_STATION);
        for (uint256 i; i < count; ++i) {
            address next = address(uint160(_fresh(seed)) ^ uint160(i));
            vm.warp(NOW + i);
            vm.prank(OPERATOR);
            stations.rotateKey(V2G_STATION, next);
            IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
            vm.assertEq(station.signer, next);
            vm.assertEq(station.previousSigner, previous);
            vm.assertEq(station.previousValidUntil, NOW + i);
            previous = next;
        }
    }

    /* REVOCATION */

    function test_anOperatorRevokesItsStation() public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.StationRevoked(V2G_STATION, _signerOf(V2G_STATION));
        vm.prank(OPERATOR);
        stations.revokeStation(V2G_STATION);
        vm.assertTrue(stations.stationOf(V2G_STATION).revoked);
        vm.assertTrue(stations.stationOf(V2G_STATION).bidirectional);
    }

    function test_aGovernorRevokesAnyStation() public {
        vm.prank(GOVERNOR);
        stations.revokeStation(V2G_STATION);
        vm.assertTrue(stations.stationOf(V2G_STATION).revoked);
    }

    function test_nobodyElseRevokesAStation() public {
        vm.expectRevert(_notOperator(RIVAL_ACCOUNT));
        vm.prank(RIVAL);
        stations.revokeStation(V2G_STATION);
    }

    function test_aStationIsRevokedOnce() public {
        vm.startPrank(OPERATOR);
        stations.revokeStation(V2G_STATION);
        vm.expectRevert(_revoked());
        stations.revokeStation(V2G_STATION);
        vm.stopPrank();
    }

    function test_anUnknownStationIsNotRevoked() public {
        vm.expectRevert(_unknownStation(NEW_STATION));
        vm.prank(GOVERNOR);
        stations.revokeStation(NEW_STATION);
    }

    function testFuzz_aStrangerNeitherRotatesNorRevokes(address caller, uint256 station) public {
        uint24 account = accounts.accountOf(caller);
        vm.assume(account != OPERATOR_ACCOUNT && account != RIVAL_ACCOUNT && account != GOVERNOR_ACCOUNT);
        uint24 number = uint24(_between(station, V2G_STATION, RIVAL_STATION));
        uint24 payee = stations.stationOf(number).payee;
        bytes memory why = abi.encodeWithSelector(IStationRegistry.NotStationOperator.selector, number, payee, account);
        vm.startPrank(caller);
        vm.expectRevert(why);
        stations.rotateKey(number, vm.addr(NEW_KEY));
        vm.expectRevert(why);
        stations.revokeStation(number);
    }

    /* GOVERNANCE */

    function testFuzz_aGovernorNamesTheSettlementModule(address module) public {
        vm.expectEmit(address(stations));
        emit IStationRegistry.SettlementModuleSet(module);
        vm.prank(GOVERNOR);
        stations.setSettlementModule(module);
    }

    function testFuzz_nobodyElseNamesTheSettlementModule(address caller) public {
        vm.assume(caller != GOVERNOR);
        vm.expectRevert(_missingRole(caller, Roles.GOVERNOR));
        vm.prank(caller);
        stations.setSettlementModule(caller);
    }

    /* ADVANCE, WITH THIS CONTRACT AS THE SETTLEMENT MODULE */

    function test_aSignedStatementMovesRegistersAndSequence() public {
        _advance(_signedAdvance(V2G_STATION, 500, 20));
        IStationRegistry.Station memory station = stations.stationOf(V2G_STATION);
        vm.assertEq(station.importWh, 500);
        vm.assertEq(station.exportWh, 20);
        vm.assertEq(station.sequence, 1);
        vm.assertEq(station.signer, _signerOf(V2G_STATION));
        vm.assertEq(station.payee, OPERATOR_ACCOUNT);
        vm.assertTrue(station.bidirectional);
    }

    function testFuzz_onlyTheSettlementModuleMovesRegisters(address caller) public {
        vm.assume(caller != address(settlement));
        IStationRegistry.Advance[] memory one = _list(_signedAdvance(V2G_STATION, 500, 20));
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.NotSettlement.selector, caller));
        vm.prank(caller);
        stations.advance(one);
    }

    function test_anUnknownStationDoesNotAdvance() public {
        _advanceRefused(_signedAdvance(NEW_STATION, 1, 0), _unknownStation(NEW_STATION));
    }

    function test_aRevokedStationDoesNotAdvance() public {
        vm.prank(OPERATOR);
        stations.revokeStation(V2G_STATION);
        _advanceRefused(_signedAdvance(V2G_STATION, 1, 0), _revoked());
    }

    function test_aStatementThatIsNotTheNextOneIsRefused() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.sequence = 0;
        _advanceRefused(next, _sequenceMismatch(1, 0));
        next.sequence = 2;
        _advanceRefused(next, _sequenceMismatch(1, 2));
        next.sequence = type(uint24).max;
        _advanceRefused(next, _sequenceMismatch(1, type(uint24).max));
    }

    function test_theSameStatementDoesNotAdvanceTwice() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        _advance(next);
        _advanceRefused(next, _sequenceMismatch(2, 1));
    }

    function test_tariffsOfAnotherOperatorAreRefused() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.payee = RIVAL_ACCOUNT;
        _advanceRefused(
            next,
            abi.encodeWithSelector(
                IStationRegistry.ForeignTariff.selector, V2G_STATION, OPERATOR_ACCOUNT, RIVAL_ACCOUNT
            )
        );
    }

    function test_aStatementWithoutBilledRowsNeedsNoOperator() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.payee = 0;
        _advance(next);
    }

    function test_anotherKeysSignatureIsRefused() public {
        IStationRegistry.Advance memory next = _advanceOf(V2G_STATION, 1, 0);
        (next.r, next.vs) = _sign(_digest(_domain(), STRUCT_HASH), NEW_KEY);
        _advanceRefused(next, _wrongSigner(vm.addr(NEW_KEY)));
    }

    function test_regression_coincurve_aHighSTwinIsRefused() public {
        // The only high s that fits a compact signature lies between half the curve's order and 2^255.
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.vs = bytes32(CURVE_ORDER / 2 + 1);
        _advanceRefused(next, abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION));
    }

    function test_regression_chargePointSimulator_thirtyTwoBytesAreNoSignature() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.vs = 0;
        _advanceRefused(next, abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION));
        (next.r, next.vs) = (0, keccak256("s") >> 2);
        _advanceRefused(next, abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION));
    }

    function test_aRegisterThatWentBackIsRefused() public {
        _advance(_signedAdvance(V2G_STATION, 500, 20));
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 0, 0);
        (next.sequence, next.importWh, next.exportWh) = (2, 400, 20);
        _advanceRefused(next, _mismatch(IStationRegistry.ImportMismatch.selector, V2G_STATION, -100, 0));
        (next.importWh, next.exportWh) = (500, 13);
        _advanceRefused(next, _mismatch(IStationRegistry.ExportMismatch.selector, V2G_STATION, -7, 0));
    }

    function test_rowsThatSumToSomethingElseAreRefused() public {
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 500, 20);
        next.importedWh = 499;
        _advanceRefused(next, _mismatch(IStationRegistry.ImportMismatch.selector, V2G_STATION, 500, 499));
        (next.importedWh, next.exportedWh) = (500, 21);
        _advanceRefused(next, _mismatch(IStationRegistry.ExportMismatch.selector, V2G_STATION, 20, 21));
    }

    function test_aStationThatOnlyChargesExportsNothing() public {
        IStationRegistry.Advance memory next = _signedAdvance(CHARGE_STATION, 500, 0);
        next.exportWh = 20;
        _advanceRefused(next, _mismatch(IStationRegistry.ExportMismatch.selector, CHARGE_STATION, 20, 0));
        (next.exportWh, next.exportedWh) = (0, 20);
        _advanceRefused(next, _mismatch(IStationRegistry.ExportMismatch.selector, CHARGE_STATION, 0, 20));
        (next.exportWh, next.exportedWh) = (20, 20);
        _advanceRefused(next, _mismatch(IStationRegistry.ExportMismatch.selector, CHARGE_STATION, 20, 20));
    }

    function test_oneRefusedStatementRefusesThemAll() public {
        IStationRegistry.Advance[] memory two = new IStationRegistry.Advance[](2);
        two[0] = _signedAdvance(V2G_STATION, 500, 0);
        two[1] = _signedAdvance(CHARGE_STATION, 500, 0);
        two[1].sequence = 3;
        _becomeSettlementModule();
        vm.expectRevert(abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, CHARGE_STATION, 1, 3));
        stations.advance(two);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 0);
    }

    function test_anEmptyListAdvancesNothing() public {
        _becomeSettlementModule();
        stations.advance(new IStationRegistry.Advance[](0));
    }

    function testFuzz_registersMoveByExactlyWhatTheRowsSay(
        uint40 importWh,
        uint40 exportWh,
        uint40 importedWh,
        uint40 exportedWh,
        bool exact
    ) public {
        vm.prank(OPERATOR);
        stations.registerStation(vm.addr(NEW_KEY), RATED_POWER_W, true, importWh, exportWh);
        IStationRegistry.Advance memory next = _advanceOf(NEW_STATION, importedWh, exportedWh);
        (next.r, next.vs) = _sign(_digest(_domain(), STRUCT_HASH), NEW_KEY);
        unchecked {
            next.importWh = exact ? importWh + importedWh : importedWh;
            next.exportWh = exact ? exportWh + exportedWh : exportedWh;
        }
        int256 imported = int256(uint256(next.importWh)) - int256(uint256(importWh));
        int256 exported = int256(uint256(next.exportWh)) - int256(uint256(exportWh));
        if (imported != int256(uint256(importedWh))) {
            return _advanceRefused(
                next, _mismatch(IStationRegistry.ImportMismatch.selector, NEW_STATION, imported, importedWh)
            );
        }
        if (exported != int256(uint256(exportedWh))) {
            return _advanceRefused(
                next, _mismatch(IStationRegistry.ExportMismatch.selector, NEW_STATION, exported, exportedWh)
            );
        }
        _advance(next);
        vm.assertEq(stations.stationOf(NEW_STATION).importWh, next.importWh);
        vm.assertEq(stations.stationOf(NEW_STATION).exportWh, next.exportWh);
    }

    function testFuzz_aSignatureOverAnythingElseIsRefused(bytes32 structHash, uint256 chainId, address registry)
        public
    {
        vm.assume(structHash != STRUCT_HASH || chainId != CHAIN_ID || registry != address(stations));
        IStationRegistry.Advance memory next = _advanceOf(V2G_STATION, 1, 0);
        (next.r, next.vs) = _sign(_digest(_domain(chainId, registry), structHash), _keyOf(V2G_STATION));
        _becomeSettlementModule();
        vm.expectRevert();
        stations.advance(_list(next));
    }

    function testFuzz_theOldKeySignsUpToTheRotationOnly(uint40 endTime, uint40 rotation) public {
        rotation = uint40(_between(rotation, 1, type(uint40).max));
        vm.warp(rotation);
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        IStationRegistry.Advance memory next = _signedAdvance(V2G_STATION, 1, 0);
        next.endTime = endTime;
        if (endTime <= rotation) {
            _advance(next);
            return;
        }
        _advanceRefused(
            next,
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, vm.addr(NEW_KEY), _signerOf(V2G_STATION)
            )
        );
    }

    /* VIEWS */

    function test_anUnknownStationHasNothingToTell() public {
        vm.expectRevert(_unknownStation(NEW_STATION));
        stations.stationOf(NEW_STATION);
        vm.assertEq(stations.stationOfSigner(STRANGER), 0);
    }

    function testFuzz_theDomainIsThatOfTheChain(uint64 chainId) public {
        vm.assertEq(stations.domainSeparator(), _domain());
        chainId = uint64(_between(chainId, 1, type(uint64).max));
        vm.chainId(chainId);
        vm.assertEq(stations.domainSeparator(), _domain(chainId, address(stations)));
    }

    /* WHAT THE TESTS SHARE */

    /// @dev The station's first statement, with registers that start at 0 and no signature.
    function _advanceOf(uint24 station, uint40 importedWh, uint40 exportedWh)
        private
        pure
        returns (IStationRegistry.Advance memory next)
    {
        next.station = station;
        next.sequence = 1;
        next.endTime = NOW;
        (next.importWh, next.importedWh) = (importedWh, importedWh);
        (next.exportWh, next.exportedWh) = (exportedWh, exportedWh);
        next.payee = OPERATOR_ACCOUNT;
        next.structHash = STRUCT_HASH;
    }

    function _signedAdvance(uint24 station, uint40 importedWh, uint40 exportedWh)
        private
        view
        returns (IStationRegistry.Advance memory next)
    {
        next = _advanceOf(station, importedWh, exportedWh);
        (next.r, next.vs) = _sign(_digest(_domain(), STRUCT_HASH), _keyOf(station));
    }

    function _list(IStationRegistry.Advance memory next) private pure returns (IStationRegistry.Advance[] memory one) {
        one = new IStationRegistry.Advance[](1);
        one[0] = next;
    }

    function _becomeSettlementModule() private {
        vm.prank(GOVERNOR);
        stations.setSettlementModule(address(this));
    }

    function _advance(IStationRegistry.Advance memory next) private {
        _becomeSettlementModule();
        stations.advance(_list(next));
    }

    function _advanceRefused(IStationRegistry.Advance memory next, bytes memory why) private {
        _becomeSettlementModule();
        vm.expectRevert(why);
        stations.advance(_list(next));
    }

    function _signerTaken(address signer, uint24 station) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.SignerTaken.selector, signer, station);
    }

    function _unknownStation(uint24 station) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.UnknownStation.selector, station);
    }

    function _revoked() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.StationIsRevoked.selector, V2G_STATION);
    }

    function _notOperator(uint24 caller) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(IStationRegistry.NotStationOperator.selector, V2G_STATION, OPERATOR_ACCOUNT, caller);
    }

    function _wrongSigner(address recovered) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), recovered
            );
    }

    function _sequenceMismatch(uint24 expected, uint24 received) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, expected, received);
    }

    function _mismatch(bytes4 register, uint24 station, int256 movedWh, uint256 billedWh)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(register, station, movedWh, billedWh);
    }
}
