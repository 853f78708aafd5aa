// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {BatchDecoder, WordLists, WordTable, WordTables} from "./BatchDecoder.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IStationRegistry} from "./interfaces/IStationRegistry.sol";
import {ModuleGate} from "./ModuleGate.sol";
import {Roles} from "./Roles.sol";

/// @title Stations, their keys and registers. Described in IStationRegistry.
contract StationRegistry is IStationRegistry, ModuleGate {
    using BatchDecoder for bytes;
    using BatchDecoder for uint256;
    using WordLists for uint256[];
    using WordTables for WordTable;

    /* STORAGE */

    struct Word {
        uint256 word;
    }

    uint256 private constant BIDIRECTIONAL = 1;
    uint256 private constant SUSPENDED_BY_OPERATOR = 2;
    uint256 private constant SUSPENDED_BY_GOVERNANCE = 4;
    uint256 private constant SUSPENDED = SUSPENDED_BY_OPERATOR | SUSPENDED_BY_GOVERNANCE;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant REPLACEMENT_TYPEHASH = keccak256(
        "MeterReplacement(uint24 station,uint24 sequence,uint40 time,uint40 closingImportWh,uint40 closingExportWh,uint40 openingImportWh,uint40 openingExportWh)"
    );

    bytes32 private immutable _deployedDomain;
    uint256 private immutable _deployedChainId;

    uint24 private _count;
    /// The one word that every settlement reads and writes: signer (160 bits) above import register (40, Wh)
    /// above sequence (24) above payee (24) above flags (8).
    mapping(uint24 station => Word) private _hot;
    /// Export registers, Wh: only stations that give energy back need one.
    mapping(uint24 station => uint40) private _exportWh;
    mapping(uint24 station => uint32) private _ratedPowerW;
    mapping(address signer => uint24) private _stationOfSigner;
    /// When keys that are no longer a station's own were replaced or cut off, Unix seconds.
    mapping(uint24 station => mapping(address signer => uint40)) private _validUntil;

    uint256 private constant SIGNER_SHIFT = 96;
    uint256 private constant IMPORT_SHIFT = 56;
    uint256 private constant SEQUENCE_SHIFT = 32;
    uint256 private constant PAYEE_SHIFT = 8;
    uint256 private constant REST = (1 << SIGNER_SHIFT) - 1;
    uint256 private constant MOVING = (1 << SIGNER_SHIFT) - (1 << SEQUENCE_SHIFT);

    /* CONSTRUCTION */

    constructor(IAccountRegistry accounts_, uint40 moduleDelay_) ModuleGate(accounts_, moduleDelay_) {
        _deployedChainId = block.chainid;
        _deployedDomain = _domain();
    }

    /* STATIONS */

    /// @inheritdoc IStationRegistry
    function registerStation(address signer, uint32 ratedPowerW, bool bidirectional, uint40 importWh, uint40 exportWh)
        external
        returns (uint24 station)
    {
        uint24 payee = accounts.requireRole(msg.sender, Roles.OPERATOR);
        station = _register(signer, payee, ratedPowerW, bidirectional, importWh, exportWh);
    }

    /// @inheritdoc IStationRegistry
    function registerStations(address[] calldata signers, uint32 ratedPowerW, bool bidirectional)
        external
        returns (uint24 first)
    {
        uint24 payee = accounts.requireRole(msg.sender, Roles.OPERATOR);
        first = _count + 1;
        for (uint256 i; i < signers.length; ++i) {
            _register(signers[i], payee, ratedPowerW, bidirectional, 0, 0);
        }
    }

    /// @inheritdoc IStationRegistry
    function rotateKey(uint24 station, address signer) external {
        uint256 hot = _operated(station);
        _claimSigner(station, signer);
        address previous = _signerOf(hot);
        uint40 validUntil = uint40(block.timestamp);
        _hot[station].word = uint256(uint160(signer)) << SIGNER_SHIFT | hot & REST;
        if (previous != address(0)) _validUntil[station][previous] = validUntil;
        emit KeyRotated(station, signer, previous, validUntil);
    }

    /// @inheritdoc IStationRegistry
    function revokeKey(uint24 station, address signer, uint40 validUntil) external {
        (uint256 hot, uint24 by,) = _supervised(station);
        if (_stationOfSigner[signer] != station) revert NotAKey(station, signer);
        bool present = signer == _signerOf(hot);
        if (validUntil >= (present ? block.timestamp + 1 : _validUntil[station][signer])) {
            revert CannotExtend(station, signer, validUntil);
        }
        _validUntil[station][signer] = validUntil;
        if (present) _hot[station].word = hot & REST;
        emit KeyRevoked(station, signer, validUntil, by);
    }

    /// @inheritdoc IStationRegistry
    function suspendStation(uint24 station) external {
        (uint256 hot, uint24 by, uint256 flag) = _supervised(station);
        if (hot & flag != 0) revert NoChange(station);
        _hot[station].word = hot | flag;
        emit StationSuspended(station, flag == SUSPENDED_BY_GOVERNANCE, by);
    }

    /// @inheritdoc IStationRegistry
    function reactivateStation(uint24 station) external {
        (uint256 hot, uint24 by, uint256 flag) = _supervised(station);
        if (hot & flag == 0) revert NoChange(station);
        _hot[station].word = hot & ~flag;
        emit StationReactivated(station, flag == SUSPENDED_BY_GOVERNANCE, by);
    }

    /// @inheritdoc IStationRegistry
    function replaceMeter(MeterReplacement calldata m, bytes32 r, bytes32 vs) external {
        uint256 hot = _operated(m.station);
        if (hot & SUSPENDED != 0) revert StationIsSuspended(m.station);
        if (m.sequence != _sequenceOf(hot) + 1) {
            revert SequenceMismatch(m.station, uint24(_sequenceOf(hot) + 1), m.sequence);
        }
        if (m.time > block.timestamp) revert FromTheFuture(m.station, m.time);
        if (m.closingImportWh != _importOf(hot) || m.closingExportWh != _exportWh[m.station]) {
            revert RegistersDiffer(m.station, uint40(_importOf(hot)), _exportWh[m.station]);
        }
        if (hot & BIDIRECTIONAL == 0 && m.openingExportWh != 0) revert ExportWithoutV2g(m.openingExportWh);
        bytes32 structHash = keccak256(abi.encode(REPLACEMENT_TYPEHASH, m));
        address recovered = _recover(domainSeparator(), m.station, structHash, r, vs);
        if (recovered != _signerOf(hot)) revert WrongSigner(m.station, _signerOf(hot), recovered);
        _hot[m.station].word =
            hot & ~MOVING | uint256(m.openingImportWh) << IMPORT_SHIFT | uint256(m.sequence) << SEQUENCE_SHIFT;
        _exportWh[m.station] = m.openingExportWh;
        emit MeterReplaced(
            m.station, m.sequence, m.time, m.closingImportWh, m.closingExportWh, m.openingImportWh, m.openingExportWh
        );
    }

    /// @dev The station's word, if the caller is its operator.
    function _operated(uint24 station) private view returns (uint256 hot) {
        hot = _existing(station);
        uint24 caller = accounts.requireMember(msg.sender);
        if (caller != _payeeOf(hot)) revert NotStationOperator(station, _payeeOf(hot), caller);
    }

    /// @dev The station's word, if the caller is its operator or a governor, and the flag of its suspensions.
    function _supervised(uint24 station) private view returns (uint256 hot, uint24 caller, uint256 flag) {
        hot = _existing(station);
        caller = accounts.requireMember(msg.sender);
        if (caller == _payeeOf(hot)) return (hot, caller, SUSPENDED_BY_OPERATOR);
        if (accounts.rolesOf(caller) & Roles.GOVERNOR == 0) {
            revert NotStationOperator(station, _payeeOf(hot), caller);
        }
        flag = SUSPENDED_BY_GOVERNANCE;
    }

    function _register(
        address signer,
        uint24 payee,
        uint32 ratedPowerW,
        bool bidirectional,
        uint40 importWh,
        uint40 exportWh
    ) private returns (uint24 station) {
        _requireSealed();
        if (ratedPowerW == 0) revert ZeroRatedPower();
        if (!bidirectional && exportWh != 0) revert ExportWithoutV2g(exportWh);
        if (_count == type(uint24).max) revert NoStationNumberLeft();
        station = ++_count;
        _claimSigner(station, signer);
        _hot[station].word = uint256(uint160(signer)) << SIGNER_SHIFT | uint256(importWh) << IMPORT_SHIFT
            | uint256(payee) << PAYEE_SHIFT | (bidirectional ? BIDIRECTIONAL : 0);
        if (exportWh != 0) _exportWh[station] = exportWh;
        _ratedPowerW[station] = ratedPowerW;
        emit StationRegistered(station, signer, payee, ratedPowerW, bidirectional, importWh, exportWh);
    }

    function _claimSigner(uint24 station, address signer) private {
        if (signer == address(0)) revert ZeroSigner();
        uint24 holder = _stationOfSigner[signer];
        if (holder != 0) revert SignerTaken(signer, holder);
        _stationOfSigner[signer] = station;
    }

    function _existing(uint24 station) private view returns (uint256 hot) {
        hot = _hot[station].word;
        if (hot == 0) revert UnknownStation(station);
    }

    /* SETTLEMENT */

    /// @inheritdoc IStationRegistry
    function advance(bytes calldata batch, uint256[] calldata sums) external returns (bytes32) {
        _requireModule();
        bytes32 domain = domainSeparator();
        WordTable hashes = WordTables.create(sums.length);
        uint256 at = BatchDecoder.HEADER_BYTES;
        unchecked {
            for (uint256 i; i < sums.length; ++i) {
                uint256 numbers = batch.numbersAt(at);
                uint256 next = at + BatchDecoder.STATEMENT_BYTES + numbers.rowBytes();
                if (next > batch.length) revert MalformedBatch(batch.length, next);
                bytes32 structHash = batch.structHashAt(at, next);
                hashes.set(i, uint256(structHash));
                (bytes32 r, bytes32 vs) = batch.signatureAt(at);
                _advance(numbers, sums.at(i), _recover(domain, numbers.station(), structHash, r, vs));
                at = next;
            }
        }
        return hashes.hashed(sums.length);
    }

    /// @dev Sums and registers have 40 bits each, so nothing here overflows.
    function _advance(uint256 numbers, uint256 sums, address recovered) private {
        unchecked {
            uint24 station = numbers.station();
            Word storage word = _hot[station];
            uint256 hot = word.word;
            if (hot == 0) revert UnknownStation(station);
            if (hot & SUSPENDED != 0) revert StationIsSuspended(station);
            uint256 sequence = numbers.sequence();
            if (sequence != _sequenceOf(hot) + 1) {
                revert SequenceMismatch(station, uint24(_sequenceOf(hot) + 1), uint24(sequence));
            }
            if (uint24(sums) != _payeeOf(hot) && uint24(sums) != 0) {
                revert ForeignTariff(station, _payeeOf(hot), uint24(sums));
            }
            if (recovered != _signerOf(hot)) _requireFormerKey(numbers, _signerOf(hot), recovered);
            uint256 importWh = numbers.importWh();
            if (_importOf(hot) + (sums >> 64) != importWh) {
                revert ImportMismatch(station, int256(importWh) - int256(_importOf(hot)), sums >> 64);
            }
            if (hot & BIDIRECTIONAL | numbers.exportWh() | uint40(sums >> 24) != 0) {
                _moveExport(numbers, uint40(sums >> 24), hot & BIDIRECTIONAL != 0);
            }
            word.word = hot & ~MOVING | importWh << IMPORT_SHIFT | sequence << SEQUENCE_SHIFT;
        }
    }

    function _requireFormerKey(uint256 numbers, address signer, address recovered) private view {
        uint40 validUntil = _validUntil[numbers.station()][recovered];
        if (validUntil == 0 || numbers.startTime() + numbers.durationS() > validUntil) {
            revert WrongSigner(numbers.station(), signer, recovered);
        }
    }

    function _moveExport(uint256 numbers, uint256 exportedWh, bool bidirectional) private {
        uint256 exportWh = numbers.exportWh();
        uint256 opening = bidirectional ? _exportWh[numbers.station()] : 0;
        if (!bidirectional || opening + exportedWh != exportWh) {
            revert ExportMismatch(numbers.station(), int256(exportWh) - int256(opening), exportedWh);
        }
        if (exportedWh != 0) _exportWh[numbers.station()] = uint40(exportWh);
    }

    function _recover(bytes32 domain, uint24 station, bytes32 structHash, bytes32 r, bytes32 vs)
        private
        pure
        returns (address recovered)
    {
        bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structHash);
        ECDSA.RecoverError failure;
        (recovered, failure,) = ECDSA.tryRecover(digest, r, vs);
        if (failure != ECDSA.RecoverError.NoError) revert BadSignature(station);
    }

    /* VIEWS */

    /// @inheritdoc IStationRegistry
    function stationOf(uint24 station) external view returns (Station memory) {
        uint256 hot = _existing(station);
        return Station({
            signer: _signerOf(hot),
            importWh: uint40(_importOf(hot)),
            sequence: uint24(_sequenceOf(hot)),
            payee: _payeeOf(hot),
            bidirectional: hot & BIDIRECTIONAL != 0,
            suspendedByOperator: hot & SUSPENDED_BY_OPERATOR != 0,
            suspendedByGovernance: hot & SUSPENDED_BY_GOVERNANCE != 0,
            exportWh: _exportWh[station],
            ratedPowerW: _ratedPowerW[station]
        });
    }

    /// @inheritdoc IStationRegistry
    function keyValidUntil(uint24 station, address signer) external view returns (uint40) {
        if (signer == address(0)) return 0;
        return _signerOf(_hot[station].word) == signer ? type(uint40).max : _validUntil[station][signer];
    }

    /// @inheritdoc IStationRegistry
    function stationOfSigner(address signer) external view returns (uint24) {
        return _stationOfSigner[signer];
    }

    /// @inheritdoc IStationRegistry
    function stationCount() external view returns (uint24) {
        return _count;
    }

    /// @inheritdoc IStationRegistry
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _deployedChainId ? _deployedDomain : _domain();
    }

    function _domain() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256("Wattledger"), keccak256("1"), block.chainid, address(this))
            );
    }

    function _signerOf(uint256 hot) private pure returns (address) {
        return address(uint160(hot >> SIGNER_SHIFT));
    }

    function _importOf(uint256 hot) private pure returns (uint256) {
        return uint40(hot >> IMPORT_SHIFT);
    }

    function _sequenceOf(uint256 hot) private pure returns (uint256) {
        return uint24(hot >> SEQUENCE_SHIFT);
    }

    function _payeeOf(uint256 hot) private pure returns (uint24) {
        return uint24(hot >> PAYEE_SHIFT);
    }
}
