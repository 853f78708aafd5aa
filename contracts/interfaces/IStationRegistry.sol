// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Stations: their meter keys, registers and statement sequence.
/// @notice A station's registers and sequence move only when a statement that the station's own key
///         signed is settled. Registers are cumulative, in Wh, and never fall.
interface IStationRegistry {
    /// @notice What a settled statement asks the registry to do.
    /// @param station    station number
    /// @param sequence   statement number, the last one plus 1
    /// @param endTime    end of the statement, Unix seconds
    /// @param importWh   closing import register, Wh
    /// @param exportWh   closing export register, Wh
    /// @param importedWh sum of the rows that took energy, Wh
    /// @param exportedWh sum of the rows that gave energy back, Wh
    /// @param payee      account that the rows' tariffs belong to; 0 if no row is billed
    /// @param structHash EIP-712 hash of the statement
    /// @param r          first half of the signature
    /// @param vs         second half with the recovery bit on top (EIP-2098)
    struct Advance {
        uint24 station;
        uint24 sequence;
        uint40 endTime;
        uint40 importWh;
        uint40 exportWh;
        uint40 importedWh;
        uint40 exportedWh;
        uint24 payee;
        bytes32 structHash;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice All that is known of a station.
    /// @param signer             key that signs its readings and statements
    /// @param importWh           import register after the last settled statement, Wh
    /// @param sequence           number of the last settled statement, 0 if none
    /// @param payee              operator's account: is paid for charging, pays for energy given back
    /// @param bidirectional      whether it can give energy back at all
    /// @param revoked            whether its key was revoked
    /// @param exportWh           export register after the last settled statement, Wh
    /// @param previousSigner     key before the last rotation; zero if there was none
    /// @param previousValidUntil last second for which the previous key may have signed, Unix seconds
    /// @param ratedPowerW        the most it can carry in either direction, W
    struct Station {
        address signer;
        uint40 importWh;
        uint24 sequence;
        uint24 payee;
        bool bidirectional;
        bool revoked;
        uint40 exportWh;
        address previousSigner;
        uint40 previousValidUntil;
        uint32 ratedPowerW;
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
    /// @notice The station signs with another key from now on.
    event KeyRotated(
        uint24 indexed station, address indexed signer, address indexed previousSigner, uint40 previousValidUntil
    );
    /// @notice The station's key is worth nothing from now on.
    event StationRevoked(uint24 indexed station, address indexed signer);
    /// @notice The only contract that may move registers.
    event SettlementModuleSet(address indexed settlement);

    /// @notice No such station.
    error UnknownStation(uint24 station);
    /// @notice The station's key was revoked.
    error StationIsRevoked(uint24 station);
    /// @notice The statement is not the next one: a replay, a duplicate or a gap.
    error SequenceMismatch(uint24 station, uint24 expected, uint24 received);
    /// @notice The statement was signed by another key, for another chain or registry, or altered.
    error WrongSigner(uint24 station, address expected, address recovered);
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
    /// @notice Only the settlement module may do this.
    error NotSettlement(address caller);
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

    /// @notice Replaces the station's key. Only its operator. Statements that end no later than now
    ///         still settle with the key that is replaced.
    function rotateKey(uint24 station, address signer) external;

    /// @notice Makes the station's keys worthless, at once. Its operator or a governor.
    function revokeStation(uint24 station) external;

    /// @notice Names the only contract that may move registers. Needs the governor role.
    function setSettlementModule(address settlement) external;

    /// @notice Checks each statement's signature, sequence and registers and moves them on.
    ///         Only the settlement module. Reverts as a whole on the first that does not hold.
    function advance(Advance[] calldata advances) external;

    /// @notice All that is known of a station.
    function stationOf(uint24 station) external view returns (Station memory);

    /// @notice The station that a key signs for; 0 if there is none.
    function stationOfSigner(address signer) external view returns (uint24);

    /// @notice How many stations there are; their numbers are 1 to this.
    function stationCount() external view returns (uint24);

    /// @notice EIP-712 domain of readings and statements: name Wattledger, version 1, this chain, this contract.
    function domainSeparator() external view returns (bytes32);
}
