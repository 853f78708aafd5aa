// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Stations: their meter keys, registers and statement sequence.
/// @notice A station's registers and sequence move only when a statement that the station's own key
///         signed is settled. Registers are cumulative, in Wh, and never fall.
interface IStationRegistry {
    /// @notice All that is known of a station.
    /// @param signer             key that signs its readings and statements; zero if it was revoked and not replaced
    /// @param importWh           import register after the last settled statement, Wh
    /// @param sequence           number of the last settled statement, 0 if none
    /// @param payee              operator's account: is paid for charging, pays for energy given back
    /// @param bidirectional      whether it can give energy back at all
    /// @param suspendedByOperator   whether its operator suspended it
    /// @param suspendedByGovernance whether governance suspended it
    /// @param exportWh           export register after the last settled statement, Wh
    /// @param ratedPowerW        the most it can carry in either direction, W
    struct Station {
        address signer;
        uint40 importWh;
        uint24 sequence;
        uint24 payee;
        bool bidirectional;
        bool suspendedByOperator;
        bool suspendedByGovernance;
        uint40 exportWh;
        uint32 ratedPowerW;
    }

    /// @notice A meter that took another one's place. The station signs it as EIP-712 struct of this name.
    /// @param station         station number
    /// @param sequence        number in the sequence of statements, the last one plus 1
    /// @param time            when it happened, Unix seconds
    /// @param closingImportWh import register of the old meter: as after the last settled statement, Wh
    /// @param closingExportWh export register of the old meter, Wh
    /// @param openingImportWh import register of the new meter, Wh
    /// @param openingExportWh export register of the new meter, Wh
    struct MeterReplacement {
        uint24 station;
        uint24 sequence;
        uint40 time;
        uint40 closingImportWh;
        uint40 closingExportWh;
        uint40 openingImportWh;
        uint40 openingExportWh;
    }

    /// @notice A new station, with its registers as they stand.
    event StationRegistered(
        uint24 indexed station,
        address indexed signer,
        uint24 indexed payee,
        uint32 ratedPowerW,
        bool bidirectional,
        uint40 importWh,
        uint40 exportWh
    );
    /// @notice The station signs with another key from now on. What ended up to `previousValidUntil`, Unix
    ///         seconds, may be signed by the key before it; `previousSigner` is zero if that was revoked.
    event KeyRotated(
        uint24 indexed station, address indexed signer, address indexed previousSigner, uint40 previousValidUntil
    );
    /// @notice The key signs for nothing that ended after `validUntil`, Unix seconds; for nothing at all if 0.
    event KeyRevoked(uint24 indexed station, address indexed signer, uint40 validUntil, uint24 indexed by);
    /// @notice Nothing that the station signs is settled until it is re-activated.
    event StationSuspended(uint24 indexed station, bool byGovernance, uint24 indexed by);
    /// @notice The suspension by the operator, or by governance, has ended.
    event StationReactivated(uint24 indexed station, bool byGovernance, uint24 indexed by);
    /// @notice Operator and station agreed on a new meter, at this number of the station's sequence.
    event MeterReplaced(
        uint24 indexed station,
        uint24 sequence,
        uint40 time,
        uint40 closingImportWh,
        uint40 closingExportWh,
        uint40 openingImportWh,
        uint40 openingExportWh
    );

    /// @notice No such station.
    error UnknownStation(uint24 station);
    /// @notice The station is suspended.
    error StationIsSuspended(uint24 station);
    /// @notice The station is suspended, or not suspended, already.
    error NoChange(uint24 station);
    /// @notice The key is not, and never was, this station's.
    error NotAKey(uint24 station, address signer);
    /// @notice A key can be cut off only in the past, and only earlier than it already is.
    error CannotExtend(uint24 station, address signer, uint40 validUntil);
    /// @notice The old meter must have ended where the last settled statement did.
    error RegistersDiffer(uint24 station, uint40 importWh, uint40 exportWh);
    /// @notice What has not happened yet cannot be signed for.
    error FromTheFuture(uint24 station, uint40 time);
    /// @notice The statement is not the next one: a replay, a duplicate or a gap.
    error SequenceMismatch(uint24 station, uint24 expected, uint24 received);
    /// @notice The statement was signed by another key, for another chain or registry, or altered.
    error WrongSigner(uint24 station, address expected, address recovered);
    /// @notice A statement does not end within the batch.
    error MalformedBatch(uint256 length, uint256 decoded);
    /// @notice The signature is malformed or is the high-s twin of a signature.
    error BadSignature(uint24 station);
    /// @notice The rows must sum to exactly what the import register moved.
    /// @param movedWh  closing minus opening register, Wh; negative if the register fell
    /// @param billedWh sum of the rows, Wh
    error ImportMismatch(uint24 station, int256 movedWh, uint256 billedWh);
    /// @notice The rows must sum to exactly what the export register moved.
    error ExportMismatch(uint24 station, int256 movedWh, uint256 billedWh);
    /// @notice The rows use tariffs that are not those of this station's operator.
    error ForeignTariff(uint24 station, uint24 payee, uint24 tariffOperator);
    /// @notice The key already belongs to a station.
    error SignerTaken(address signer, uint24 station);
    /// @notice Only the operator of the station may do this.
    error NotStationOperator(uint24 station, uint24 payee, uint24 caller);
    /// @notice A station needs a rated power above zero.
    error ZeroRatedPower();
    /// @notice A station that cannot give energy back has no export register.
    error ExportWithoutV2g(uint40 exportWh);
    /// @notice The zero address cannot sign.
    error ZeroSigner();
    /// @notice All 2^24 - 1 station numbers are used.
    error NoStationNumberLeft();

    /// @notice Registers a station under the calling operator. Needs the operator role.
    /// @param signer        the station's key
    /// @param ratedPowerW   the most it can carry, W
    /// @param bidirectional whether it can give energy back
    /// @param importWh      import register as read at installation, Wh
    /// @param exportWh      export register as read at installation, Wh
    /// @return station its number, counted from 1
    function registerStation(address signer, uint32 ratedPowerW, bool bidirectional, uint40 importWh, uint40 exportWh)
        external
        returns (uint24 station);

    /// @notice Registers one station for each key, all alike, with registers at 0. Needs the operator role.
    /// @return first number of the first station; the others follow it without a gap
    function registerStations(address[] calldata signers, uint32 ratedPowerW, bool bidirectional)
        external
        returns (uint24 first);

    /// @notice Replaces the station's key. Only its operator. What ended no later than now still settles
    ///         with the key that is replaced, and with those before it up to their ends.
    function rotateKey(uint24 station, address signer) external;

    /// @notice Cuts a key off: its present one, which leaves it without, or one before it. Its operator or a governor.
    /// @param validUntil what ended after this second does not settle with the key, Unix seconds; 0 for nothing at all
    function revokeKey(uint24 station, address signer, uint40 validUntil) external;

    /// @notice Stops the station. Its operator or a governor; each ends only what it began.
    function suspendStation(uint24 station) external;

    /// @notice Lets the station go on. Its operator or a governor, each for its own suspension.
    function reactivateStation(uint24 station) external;

    /// @notice Sets the registers to those of a new meter. Only its operator; the station's present key signs too.
    /// @param r  first half of the station's signature
    /// @param vs second half with the recovery bit on top (EIP-2098)
    function replaceMeter(MeterReplacement calldata replacement, bytes32 r, bytes32 vs) external;

    /// @notice Checks each statement's signature, sequence and registers and moves them on.
    ///         Only modules. Reverts as a whole on the first that does not hold.
    /// @dev Of the module it believes nothing but the sums.
    /// @param batch the batch, as BatchDecoder describes it
    /// @param sums  for each statement what its rows sum to: energy taken (40 bits) above energy given back
    ///              (40), both in Wh, above the account that the rows' tariffs belong to (24; 0 if none is billed)
    /// @return statements keccak256 of the statements' EIP-712 hashes, one behind the other
    function advance(bytes calldata batch, uint256[] calldata sums) external returns (bytes32 statements);

    /// @notice All that is known of a station.
    function stationOf(uint24 station) external view returns (Station memory);

    /// @notice Up to when a key may have signed for the station, Unix seconds: the highest number for its
    ///         present key, 0 for one that it never had or that is worth nothing.
    function keyValidUntil(uint24 station, address signer) external view returns (uint40);

    /// @notice The station that a key signs for, or signed for; 0 if there is none.
    function stationOfSigner(address signer) external view returns (uint24);

    /// @notice How many stations there are; their numbers are 1 to this.
    function stationCount() external view returns (uint24);

    /// @notice EIP-712 domain of readings and statements: name Wattledger, version 1, this chain, this contract.
    function domainSeparator() external view returns (bytes32);
}
