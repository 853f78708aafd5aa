// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Settlement of charging sessions and energy sold back, from what stations signed.
/// @notice Whoever submits a batch decides only when it is settled. Every number in it is either under
///         a station's signature or computed here from published tariffs.
interface ISessionSettlement {
    /// @notice The batch was settled.
    /// @param batch      its number, counted from 1
    /// @param evidence   SHA-256 of the evidence manifest: the digest of its CID (version 1, raw)
    /// @param digest     what the chain of batches keeps of it: keccak256(abi.encode(evidence, keccak256 of
    ///                   the statements' EIP-712 hashes one behind the other or 0 if there are none, accounts
    ///                   whose rows were set aside, in the order in which the batch meets them: the dust
    ///                   account, rows' accounts, and behind the statements of a tariff base their operator))
    /// @param rows       how many rows
    /// @param paidMicro  what buyers and, at negative prices, sellers paid, micro-euro
    /// @param dustMicro  what rounding left for the dust account, micro-euro
    /// @param statements the numbers of each statement in one word: station (24 bits) above sequence (24) above
    ///                   startTime (40, Unix seconds) above durationS (24) above importWh (40, closing register)
    ///                   above exportWh (40) above tariffBase (24) above rows (16) above the telemetry root's
    ///                   first 24 bits
    event BatchSettled(
        uint64 indexed batch,
        bytes32 indexed evidence,
        bytes32 digest,
        uint256 rows,
        uint256 paidMicro,
        uint256 dustMicro,
        uint256[] statements
    );
    /// @notice The payer of this row could not pay all it owed in the batch; no money moved for the row.
    ///         What it owes is in the escrow's DebtRecorded, summed over the rows for one payee.
    /// @param station   station number
    /// @param batch     number of the batch
    /// @param sequence  number of the statement
    /// @param row       place of the row in the statement, from 0 on
    /// @param payer     account that owed
    /// @param owedMicro what it owed for the row, micro-euro
    event RowSetAside(
        uint24 indexed station,
        uint64 indexed batch,
        uint24 indexed payer,
        uint24 sequence,
        uint256 row,
        uint256 owedMicro
    );

    /// @notice The batch's bytes do not follow the published layout.
    error MalformedBatch(uint256 length, uint256 decoded);
    /// @notice The batch's layout has another version.
    error UnknownVersion(uint8 version);
    /// @notice A batch must settle a statement or anchor evidence.
    error EmptyBatch();
    /// @notice The table of accounts is too small for the accounts of this batch; raise `tableBits`.
    error TableFull(uint256 size);
    /// @notice `tableBits` is above the limit.
    error TableTooLarge(uint8 tableBits);
    /// @notice A statement must have ended before it is settled.
    error StatementFromFuture(uint24 station, uint256 endTime, uint256 blockTime);
    /// @notice A row must lie within its statement.
    error RowOutsideStatement(uint24 station, uint256 row, uint256 rowEnd, uint256 statementEnd);
    /// @notice No tariff has this number.
    error UnknownTariff(uint256 tariff);
    /// @notice The tariff is not valid during the whole row.
    /// @param row    place of the row in the statement, from 0 on
    /// @param offset the tariff, counted from the statement's base tariff
    error TariffNotValid(uint24 station, uint256 row, uint256 offset);
    /// @notice All tariffs of a statement must belong to the operator of its base tariff.
    error MixedTariffs(uint24 station, uint24 payee, uint24 tariffPayee);
    /// @notice More energy than a register can hold.
    error TooMuchEnergy(uint24 station, uint256 importedWh, uint256 exportedWh);
    /// @notice Energy that nobody is billed for belongs to the house account, and nothing else does.
    error HouseRow(uint24 station, uint256 row, uint24 account);
    /// @notice Account 0 does not exist and the house account is never billed.
    error AccountCannotTrade(uint24 account);
    /// @notice The registries and the escrow must be contracts.
    error NotAContract(address account);

    /// @notice All 2^32 - 1 batch numbers are used.
    error NoBatchNumberLeft();

    /// @notice Settles a batch of signed statements. Needs the settler role.
    /// @dev The layout is in BatchDecoder.
    /// @param batch packed statements with their rows and signatures
    /// @return number the batch's number
    function settle(bytes calldata batch) external returns (uint64 number);

    /// @notice Whether these are the digests of the batches on one page of the chain, in their order.
    /// @dev A page is PAGE batches long; page 0 begins with batch 1. The last page may be shorter.
    function isPage(uint64 page, bytes32[] calldata digests) external view returns (bool);

    /// @notice How many batches a page has.
    function PAGE() external view returns (uint64);

    /// @notice The batches' head: how many were settled (32 bits) above a digest of all of them (224 bits).
    function head() external view returns (uint256);

    /// @notice How many batches were settled.
    function batchCount() external view returns (uint64);
}
