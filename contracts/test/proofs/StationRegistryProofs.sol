// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder} from "../../BatchDecoder.sol";
import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {IStationRegistry} from "../../interfaces/IStationRegistry.sol";
import {ProofBase} from "./ProofBase.sol";

/// @title What the proofs call of StationRegistry.
interface IGatedStations is IStationRegistry, IModuleGate {}

/// @title Proofs over StationRegistry.advance, for any station in any state and any one statement in a batch.
/// @notice The statement has one row or none; nothing of the row is read but its hash. Each statement of a longer
///         batch goes through the same steps in turn; one that is refused undoes all.
contract StationRegistryProofs is ProofBase {
    /// A batch of one statement, and what its rows are said to sum to.
    struct Batch {
        uint24 station;
        uint24 sequence;
        uint40 startTime;
        uint24 durationS;
        uint40 importWh;
        uint40 exportWh;
        uint24 tariffBase;
        bytes32 telemetryRoot;
        bytes32 r;
        bytes32 vs;
        bool hasRow;
        bytes13 row;
        uint256 sums;
    }

    IGatedStations private stations;

    function setUp() public {
        stations = IGatedStations(_deploy("StationRegistry", abi.encode(_anyAccounts(), uint40(7 days))));
        symbolic.enableSymbolicStorage(address(stations));
    }

    function check_registersAndSequenceRiseByExactlyWhatIsSettled(Batch memory next) public {
        IStationRegistry.Station memory before = stations.stationOf(next.station);
        vm.assume(before.bidirectional || before.exportWh == 0);
        _advance(next);
        IStationRegistry.Station memory later = stations.stationOf(next.station);
        assert(uint256(later.sequence) == uint256(before.sequence) + 1);
        assert(uint256(later.importWh) == uint256(before.importWh) + (next.sums >> 64));
        assert(uint256(later.exportWh) == uint256(before.exportWh) + uint40(next.sums >> 24));
        assert(later.importWh == next.importWh && later.sequence == next.sequence);
        assert(later.exportWh == next.exportWh);
    }

    function check_aStatementChangesNothingElseOfItsStation(Batch memory next, address signer) public {
        IStationRegistry.Station memory before = stations.stationOf(next.station);
        uint40 validBefore = stations.keyValidUntil(next.station, signer);
        _advance(next);
        IStationRegistry.Station memory later = stations.stationOf(next.station);
        assert(later.signer == before.signer && stations.keyValidUntil(next.station, signer) == validBefore);
        assert(later.payee == before.payee && later.ratedPowerW == before.ratedPowerW);
        assert(later.bidirectional == before.bidirectional);
        assert(!later.suspendedByOperator && !later.suspendedByGovernance);
    }

    function check_aStatementLeavesOtherStationsAlone(Batch memory next, uint24 other) public {
        vm.assume(other != next.station);
        bytes memory before = abi.encode(stations.stationOf(other));
        _advance(next);
        assert(keccak256(abi.encode(stations.stationOf(other))) == keccak256(before));
    }

    function check_theSameBatchNeverAdvancesTwice(Batch memory next) public {
        _advance(next);
        assert(!_tryAdvance(next));
    }

    /// @dev However many batches came between: each one raises the sequence, as a proof above says.
    function check_aStatementOfThePastNeverAdvances(Batch memory next) public {
        vm.assume(stations.isModule(address(this)));
        vm.assume(next.sequence <= stations.stationOf(next.station).sequence);
        assert(!_tryAdvance(next));
    }

    /// @dev Of a station that is registered: no other one has a word. What advances it is the subject of other proofs.
    function check_noOtherVerbLowersTheSequence(uint24 station, address caller, uint40 time) public {
        vm.warp(time);
        vm.assume(station <= stations.stationCount());
        uint24 before = stations.stationOf(station).sequence;
        bytes memory data = symbolic.createCalldata("StationRegistry");
        vm.assume(bytes4(data) != IStationRegistry.advance.selector);
        vm.prank(caller);
        (bool done,) = _try(address(stations), data);
        vm.assume(done);
        assert(stations.stationOf(station).sequence >= before);
    }

    function check_aStationThatCannotGiveEnergyBackHasNoExport(Batch memory next) public {
        vm.assume(!stations.stationOf(next.station).bidirectional);
        _advance(next);
        assert(next.exportWh == 0 && uint40(next.sums >> 24) == 0);
    }

    function check_aSuspendedStationNeverAdvances(Batch memory next) public {
        vm.assume(stations.isModule(address(this)));
        IStationRegistry.Station memory station = stations.stationOf(next.station);
        vm.assume(station.suspendedByOperator || station.suspendedByGovernance);
        assert(!_tryAdvance(next));
    }

    function check_nobodyIsBilledByAForeignTariff(Batch memory next) public {
        _advance(next);
        assert(uint24(next.sums) == 0 || uint24(next.sums) == stations.stationOf(next.station).payee);
    }

    function check_aStatementNeedsAKeyOfItsStation(Batch memory next) public {
        _advance(next);
        address recovered = _recovered(next);
        uint40 validUntil = stations.keyValidUntil(next.station, recovered);
        bool byFormer = validUntil != 0 && _endOf(next) <= validUntil;
        assert(recovered == stations.stationOf(next.station).signer || byFormer);
    }

    function check_aRevokedKeySignsForNothingAfterItsEnd(Batch memory next, uint40 validUntil, address by, uint40 time)
        public
    {
        vm.warp(time);
        vm.assume(stations.isModule(address(this)));
        vm.prank(by);
        stations.revokeKey(next.station, _recovered(next), validUntil);
        vm.assume(validUntil == 0 || _endOf(next) > validUntil);
        assert(!_tryAdvance(next));
    }

    function check_aReplacedKeySignsForNothingLater(Batch memory next, address signer, address by, uint40 time) public {
        vm.warp(time);
        vm.assume(stations.isModule(address(this)));
        vm.assume(_recovered(next) == stations.stationOf(next.station).signer);
        vm.prank(by);
        stations.rotateKey(next.station, signer);
        vm.assume(signer != _recovered(next) && _endOf(next) > time);
        assert(!_tryAdvance(next));
    }

    function check_onlyModulesAdvance(Batch memory next, address caller, uint40 time) public {
        vm.warp(time);
        vm.assume(!stations.isModule(caller));
        bytes memory data = _call(next);
        vm.prank(caller);
        (bool done,) = _try(address(stations), data);
        assert(!done);
    }

    /* WHAT THE PROOFS SHARE */

    /// @dev Leaves out the paths on which the statement is refused.
    function _advance(Batch memory next) private {
        vm.assume(stations.isModule(address(this)));
        vm.assume(_tryAdvance(next));
    }

    function _tryAdvance(Batch memory next) private returns (bool done) {
        (done,) = _try(address(stations), _call(next));
    }

    function _call(Batch memory next) private pure returns (bytes memory) {
        uint256[] memory sums = new uint256[](1);
        sums[0] = next.sums;
        return abi.encodeCall(IStationRegistry.advance, (_packed(next), sums));
    }

    /// @dev The row's number and length are numbers, not symbols, on each of the two paths.
    function _packed(Batch memory next) private pure returns (bytes memory) {
        bytes memory header = abi.encodePacked(uint8(1), uint8(4), uint16(1), bytes32("evidence"));
        bytes memory numbers = abi.encodePacked(
            next.station, next.sequence, next.startTime, next.durationS, next.importWh, next.exportWh, next.tariffBase
        );
        bytes memory signed = abi.encodePacked(next.telemetryRoot, next.r, next.vs);
        if (next.hasRow) return abi.encodePacked(header, numbers, uint16(1), signed, next.row);
        return abi.encodePacked(header, numbers, uint16(0), signed);
    }

    function _endOf(Batch memory next) private pure returns (uint256) {
        return uint256(next.startTime) + next.durationS;
    }

    function _recovered(Batch memory next) private view returns (address) {
        BatchDecoder.Statement memory statement = BatchDecoder.Statement(
            next.station,
            next.sequence,
            next.startTime,
            next.durationS,
            next.importWh,
            next.exportWh,
            next.tariffBase,
            next.telemetryRoot
        );
        bytes32 rowsHash = next.hasRow ? keccak256(abi.encodePacked(next.row)) : keccak256("");
        bytes32 structHash = BatchDecoder.structHash(statement, rowsHash);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", stations.domainSeparator(), structHash));
        uint256 vs = uint256(next.vs);
        return ecrecover(digest, uint8(27 + (vs >> 255)), next.r, bytes32(vs & type(uint256).max >> 1));
    }
}
