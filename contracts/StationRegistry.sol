// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IStationRegistry} from "./interfaces/IStationRegistry.sol";
import {Roles} from "./Roles.sol";

/// @title Stations, their keys and registers. Described in IStationRegistry.
contract StationRegistry is IStationRegistry {
    /* STORAGE */

    /// What only stations that give energy back, or that changed their key, need.
    struct Cold {
        address previousSigner;
        uint40 exportWh;
        uint40 previousValidUntil;
    }

    uint256 private constant BIDIRECTIONAL = 1;
    uint256 private constant REVOKED = 2;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    IAccountRegistry public immutable accounts;
    bytes32 private immutable _deployedDomain;
    uint256 private immutable _deployedChainId;

    address public settlement;
    uint24 private _count;
    /// The one word that every settlement reads and writes: signer (160 bits) above import register (40, Wh)
    /// above sequence (24) above payee (24) above flags (8).
    mapping(uint24 station => uint256) private _hot;
    mapping(uint24 station => Cold) private _cold;
    mapping(uint24 station => uint32) private _ratedPowerW;
    mapping(address signer => uint24) private _stationOfSigner;

    uint256 private constant SIGNER_SHIFT = 96;
    uint256 private constant IMPORT_SHIFT = 56;
    uint256 private constant SEQUENCE_SHIFT = 32;
    uint256 private constant PAYEE_SHIFT = 8;
    uint256 private constant REST = (1 << SIGNER_SHIFT) - 1;
    uint256 private constant MOVING = (1 << SIGNER_SHIFT) - (1 << SEQUENCE_SHIFT);

    /* CONSTRUCTION */

    constructor(IAccountRegistry accounts_) {
        accounts = accounts_;
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
        uint256 hot = _existing(station);
        uint24 caller = accounts.accountOf(msg.sender);
        if (caller != _payeeOf(hot)) revert NotStationOperator(station, _payeeOf(hot), caller);
        if (hot & REVOKED != 0) revert StationIsRevoked(station);
        _claimSigner(station, signer);
        address previous = _signerOf(hot);
        uint40 validUntil = uint40(block.timestamp);
        _hot[station] = uint256(uint160(signer)) << SIGNER_SHIFT | hot & REST;
        _cold[station].previousSigner = previous;
        _cold[station].previousValidUntil = validUntil;
        emit KeyRotated(station, signer, previous, validUntil);
    }

    /// @inheritdoc IStationRegistry
    function revokeStation(uint24 station) external {
        uint256 hot = _existing(station);
        uint24 caller = accounts.accountOf(msg.sender);
        if (caller != _payeeOf(hot) && accounts.rolesOf(caller) & Roles.GOVERNOR == 0) {
            revert NotStationOperator(station, _payeeOf(hot), caller);
        }
        if (hot & REVOKED != 0) revert StationIsRevoked(station);
        _hot[station] = hot | REVOKED;
        emit StationRevoked(station, _signerOf(hot));
    }

    /// @inheritdoc IStationRegistry
    function setSettlementModule(address settlement_) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        settlement = settlement_;
        emit SettlementModuleSet(settlement_);
    }

    function _register(
        address signer,
        uint24 payee,
        uint32 ratedPowerW,
        bool bidirectional,
        uint40 importWh,
        uint40 exportWh
    ) private returns (uint24 station) {
        if (ratedPowerW == 0) revert ZeroRatedPower();
        if (!bidirectional && exportWh != 0) revert ExportWithoutV2g(exportWh);
        if (_count == type(uint24).max) revert NoStationNumberLeft();
        station = ++_count;
        _claimSigner(station, signer);
        _hot[station] = uint256(uint160(signer)) << SIGNER_SHIFT | uint256(importWh) << IMPORT_SHIFT | uint256(payee)
            << PAYEE_SHIFT | (bidirectional ? BIDIRECTIONAL : 0);
        if (exportWh != 0) _cold[station].exportWh = exportWh;
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
        hot = _hot[station];
        if (hot == 0) revert UnknownStation(station);
    }

    /* SETTLEMENT */

    /// @inheritdoc IStationRegistry
    function advance(Advance[] calldata advances) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        bytes32 domain = domainSeparator();
        for (uint256 i; i < advances.length; ++i) {
            _advance(domain, advances[i]);
        }
    }

    function _advance(bytes32 domain, Advance calldata next) private {
        uint24 station = next.station;
        uint256 hot = _existing(station);
        if (hot & REVOKED != 0) revert StationIsRevoked(station);
        if (next.sequence != _sequenceOf(hot) + 1) {
            revert SequenceMismatch(station, uint24(_sequenceOf(hot) + 1), next.sequence);
        }
        if (next.payee != 0 && next.payee != _payeeOf(hot)) revert ForeignTariff(station, _payeeOf(hot), next.payee);
        _checkSigner(domain, _signerOf(hot), next);
        if (_importOf(hot) + next.importedWh != next.importWh) {
            revert ImportMismatch(station, int256(uint256(next.importWh)) - int256(_importOf(hot)), next.importedWh);
        }
        if (hot & BIDIRECTIONAL != 0) {
            _moveExport(next);
        } else if (next.exportWh != 0 || next.exportedWh != 0) {
            revert ExportMismatch(station, int256(uint256(next.exportWh)), next.exportedWh);
        }
        _hot[station] =
            hot & ~MOVING | uint256(next.importWh) << IMPORT_SHIFT | uint256(next.sequence) << SEQUENCE_SHIFT;
    }

    function _moveExport(Advance calldata next) private {
        uint256 opening = _cold[next.station].exportWh;
        if (opening + next.exportedWh != next.exportWh) {
            revert ExportMismatch(next.station, int256(uint256(next.exportWh)) - int256(opening), next.exportedWh);
        }
        if (next.exportedWh != 0) _cold[next.station].exportWh = next.exportWh;
    }

    function _checkSigner(bytes32 domain, address signer, Advance calldata next) private view {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, next.structHash));
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, next.r, next.vs);
        if (failure != ECDSA.RecoverError.NoError) revert BadSignature(next.station);
        if (recovered == signer) return;
        Cold memory cold = _cold[next.station];
        if (recovered != cold.previousSigner || next.endTime > cold.previousValidUntil) {
            revert WrongSigner(next.station, signer, recovered);
        }
    }

    /* VIEWS */

    /// @inheritdoc IStationRegistry
    function stationOf(uint24 station) external view returns (Station memory) {
        uint256 hot = _existing(station);
        Cold memory cold = _cold[station];
        return Station({
            signer: _signerOf(hot),
            importWh: uint40(_importOf(hot)),
            sequence: uint24(_sequenceOf(hot)),
            payee: _payeeOf(hot),
            bidirectional: hot & BIDIRECTIONAL != 0,
            revoked: hot & REVOKED != 0,
            exportWh: cold.exportWh,
            previousSigner: cold.previousSigner,
            previousValidUntil: cold.previousValidUntil,
            ratedPowerW: _ratedPowerW[station]
        });
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
