// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {BatchDecoder} from "../BatchDecoder.sol";

/// @title Rows that no driver authorised are reversed.
/// @notice Settlement does not see drivers' authorisations: it would have to verify one signature a session.
///         Here any member disputes a settled row that a driver paid, with a bond. Whoever holds an
///         authorisation that covers the row answers with it, as a rule the operator; if nobody does in
///         time, the row is reversed, once and for good. An authorisation covers no more in all answers
///         together than it allows. Amounts are micro-euro, times Unix seconds.
interface IDisputeCourt {
    /// @notice Where a row stands.
    enum Status {
        None,
        Disputed,
        Justified,
        Reversed
    }

    /// @notice What proves that a row was settled.
    /// @param batch      number of the batch
    /// @param page       digests of the batches on the batch's page of the chain of batches
    /// @param evidence   the batch's evidence digest
    /// @param statements EIP-712 hashes of the batch's statements
    /// @param setAside   accounts whose rows were set aside in the batch
    /// @param index      place of the statement in the batch, from 0 on
    /// @param statement  the statement
    /// @param rows       its packed rows
    /// @param row        place of the row in the statement, from 0 on
    struct Proof {
        uint64 batch;
        bytes32[] page;
        bytes32 evidence;
        bytes32[] statements;
        uint24[] setAside;
        uint256 index;
        BatchDecoder.Statement statement;
        bytes rows;
        uint256 row;
    }

    /// @notice What a driver allowed; the EIP-712 struct of this name, signed with its vehicle key.
    struct SessionAuthorisation {
        uint24 account;
        uint24 station;
        uint40 maxEnergyWh;
        int32 maxPriceMicroPerKwh;
        uint96 maxCostMicro;
        bool dischargeAllowed;
        uint40 notBefore;
        uint40 expiry;
        uint64 nonce;
    }

    /// @notice A disputed row.
    /// @param status       where it stands
    /// @param disputer     account whose bond is locked
    /// @param payer        the driver's account
    /// @param payee        the operator's account
    /// @param station      station number
    /// @param answerUntil  until when an authorisation may be shown
    /// @param discharge    whether energy was given back
    /// @param setAside     whether the row was set aside, so that a debt stands for it
    /// @param priceMicroPerKwh what a kWh cost the driver
    /// @param energyWh     the row's energy
    /// @param start        when the row starts
    /// @param end          when it ends
    /// @param owedMicro    what the driver paid or owes for it
    /// @param receivedMicro what of it the operator received or is owed
    /// @param batch        number of the batch
    struct Claim {
        Status status;
        uint24 disputer;
        uint24 payer;
        uint24 payee;
        uint24 station;
        uint40 answerUntil;
        bool discharge;
        bool setAside;
        int64 priceMicroPerKwh;
        uint32 energyWh;
        uint40 start;
        uint40 end;
        uint64 owedMicro;
        uint64 receivedMicro;
        uint64 batch;
    }

    /// @notice A row is disputed; an authorisation may be shown until `answerUntil`.
    event RowDisputed(
        uint24 indexed station,
        uint24 indexed sequence,
        uint24 indexed payer,
        uint256 row,
        uint24 disputer,
        uint40 answerUntil,
        uint96 bondMicro
    );
    /// @notice A driver's authorisation covers the row; the bond went to the operator.
    /// @param authorisation digest that the driver signed, which is the session's id
    event RowJustified(uint24 indexed station, uint24 indexed sequence, bytes32 indexed authorisation, uint256 row);
    /// @notice No authorisation was shown: the payer has its money back, the disputer its bond.
    /// @param debt whether no money moved: the row was on a debt, or the operator owes the money from now on
    event RowReversed(
        uint24 indexed station, uint24 indexed sequence, uint24 indexed payer, uint256 row, uint96 owedMicro, bool debt
    );

    /// @notice The registries, the escrow and the settlement module must be contracts.
    error NotAContract(address account);
    /// @notice Windows are at most `mostS` long, and an answer needs some time, s.
    error WindowOutOfRange(uint40 disputeWindowS, uint40 answerWindowS, uint40 mostS);
    /// @notice The batch's digest is not the one on the chain of batches.
    error NotSettled(uint64 batch, bytes32 digest);
    /// @notice The statement is not at this place in the batch, or has no such row.
    error NotInBatch(uint256 index, uint256 row);
    /// @notice The driver paid nothing for this row.
    error NothingToReverse(uint24 station, uint24 sequence, uint256 row);
    /// @notice The row was metered in the market: no money moved for it, it is a part of a position.
    error MeteredInMarket(uint24 station, uint24 sequence, uint256 row);
    /// @notice The row ended too long ago.
    error TooLate(uint256 end, uint256 latest);
    /// @notice The row was disputed before; each row has one dispute.
    error AlreadyDisputed(uint24 station, uint24 sequence, uint256 row);
    /// @notice The row is not disputed, or the dispute is over.
    error NotDisputed(uint24 station, uint24 sequence, uint256 row);
    /// @notice The time for an answer is over.
    error AnswerTooLate(uint40 answerUntil);
    /// @notice The time for an answer is not over.
    error AnswerStillPossible(uint40 answerUntil);
    /// @notice The authorisation is for another account, station, time or direction, or its price is too low.
    error NotCovered(bytes32 authorisation);
    /// @notice The rows that this authorisation answers for would pass its limits.
    error LimitPassed(bytes32 authorisation, uint256 energyWh, uint256 costMicro);
    /// @notice No vehicle key of the account signed this authorisation, or it was replaced before the row began.
    error WrongDriverKey(uint24 account, address recovered);
    /// @notice The debt is not the one that the row is part of.
    error WrongDebt(uint24 debtor, uint32 number);

    /// @notice Disputes a row that a driver paid or owes. Any member; locks the bond of the caller's account.
    function dispute(Proof calldata proof) external;

    /// @notice Shows an authorisation that covers a disputed row. Any member. The bond goes to the operator.
    /// @param r  first half of the signature of the driver's vehicle key
    /// @param vs second half with the recovery bit on top (EIP-2098)
    function justify(
        uint24 station,
        uint24 sequence,
        uint256 row,
        SessionAuthorisation calldata authorisation,
        bytes32 r,
        bytes32 vs
    ) external;

    /// @notice Reverses a row for which nobody showed an authorisation in time. Any member.
    /// @dev The operator pays the driver what it received, the dust account the rest. An operator that cannot
    ///      pay owes it. A row that was set aside is taken off the driver's debt.
    /// @param debt number of the driver's debt, if the row was set aside
    function reverse(uint24 station, uint24 sequence, uint256 row, uint32 debt) external;

    /// @notice A disputed row.
    function claimOf(uint24 station, uint24 sequence, uint256 row) external view returns (Claim memory);

    /// @notice What an authorisation has answered for.
    function usedOf(bytes32 authorisation) external view returns (uint40 energyWh, uint96 costMicro);

    /// @notice What a dispute locks, micro-euro.
    function bondMicro() external view returns (uint96);

    /// @notice How long after its end a row can be disputed, s.
    function disputeWindowS() external view returns (uint40);

    /// @notice How long a dispute can be answered, s.
    function answerWindowS() external view returns (uint40);
}
