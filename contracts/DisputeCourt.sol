// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {BatchDecoder} from "./BatchDecoder.sol";
import {Entry, entryOf} from "./Entries.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IDisputeCourt} from "./interfaces/IDisputeCourt.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {NamedAccounts} from "./Roles.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title Rows that no driver authorised are reversed. Described in IDisputeCourt.
contract DisputeCourt is IDisputeCourt {
    using BatchDecoder for uint256;

    /* STORAGE */

    struct Used {
        uint40 energyWh;
        uint96 costMicro;
    }

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant AUTHORISATION_TYPEHASH = keccak256(
        "SessionAuthorisation(uint24 account,uint24 station,uint40 maxEnergyWh,int32 maxPriceMicroPerKwh,uint96 maxCostMicro,bool dischargeAllowed,uint40 notBefore,uint40 expiry,uint64 nonce)"
    );
    uint256 private constant WH_PER_KWH = 1000;
    /// @notice The longest that a dispute or an answer can be waited for, s.
    uint40 public constant MAX_WINDOW_S = 366 days;
    /// Stands for the batch of a debt that comes from a reversal.
    uint32 private constant REVERSAL = 0;

    IAccountRegistry public immutable accounts;
    ITariffBook public immutable tariffBook;
    IEscrow public immutable escrow;
    ISessionSettlement public immutable settlement;
    uint96 public immutable bondMicro;
    uint40 public immutable disputeWindowS;
    uint40 public immutable answerWindowS;

    mapping(bytes32 row => Claim) private _claims;
    mapping(bytes32 authorisation => Used) private _used;

    /* CONSTRUCTION */

    /// @param settlement_     the module whose rows are judged here
    /// @param bondMicro_      what a dispute locks, micro-euro
    /// @param disputeWindowS_ how long after its end a row can be disputed, s
    /// @param answerWindowS_  how long a dispute can be answered, s
    constructor(
        IAccountRegistry accounts_,
        ITariffBook tariffBook_,
        IEscrow escrow_,
        ISessionSettlement settlement_,
        uint96 bondMicro_,
        uint40 disputeWindowS_,
        uint40 answerWindowS_
    ) {
        _requireContract(address(accounts_));
        _requireContract(address(tariffBook_));
        _requireContract(address(escrow_));
        _requireContract(address(settlement_));
        if (disputeWindowS_ > MAX_WINDOW_S || answerWindowS_ > MAX_WINDOW_S || answerWindowS_ == 0) {
            revert WindowOutOfRange(disputeWindowS_, answerWindowS_, MAX_WINDOW_S);
        }
        accounts = accounts_;
        tariffBook = tariffBook_;
        escrow = escrow_;
        settlement = settlement_;
        bondMicro = bondMicro_;
        disputeWindowS = disputeWindowS_;
        answerWindowS = answerWindowS_;
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /* DISPUTES */

    /// @inheritdoc IDisputeCourt
    function dispute(Proof calldata proof) external {
        uint24 disputer = accounts.requireMember(msg.sender);
        _requireSettled(proof);
        (uint24 station, uint24 sequence) = (uint24(proof.statement.station), uint24(proof.statement.sequence));
        Claim storage claim = _claims[_key(station, sequence, proof.row)];
        if (claim.status != Status.None) revert AlreadyDisputed(station, sequence, proof.row);
        Claim memory opened = _claimOf(proof);
        if (block.timestamp > opened.end + disputeWindowS) revert TooLate(opened.end, opened.end + disputeWindowS);
        opened.disputer = disputer;
        opened.answerUntil = uint40(block.timestamp) + answerWindowS;
        _claims[_key(station, sequence, proof.row)] = opened;
        emit RowDisputed(station, sequence, opened.payer, proof.row, disputer, opened.answerUntil, bondMicro);
        escrow.lock(disputer, bondMicro);
    }

    /// @inheritdoc IDisputeCourt
    function justify(
        uint24 station,
        uint24 sequence,
        uint256 row,
        SessionAuthorisation calldata authorisation,
        bytes32 r,
        bytes32 vs
    ) external {
        accounts.requireMember(msg.sender);
        Claim storage claim = _open(station, sequence, row);
        Claim memory opened = claim;
        if (block.timestamp > opened.answerUntil) revert AnswerTooLate(opened.answerUntil);
        bytes32 digest = _digest(authorisation);
        _requireDriver(opened, digest, r, vs);
        if (!_covers(authorisation, opened)) revert NotCovered(digest);
        _use(digest, authorisation, opened);
        claim.status = Status.Justified;
        emit RowJustified(station, sequence, digest, row);
        _releaseBond(opened.disputer, opened.payee);
    }

    /// @inheritdoc IDisputeCourt
    function reverse(uint24 station, uint24 sequence, uint256 row, uint32 debt) external {
        accounts.requireMember(msg.sender);
        Claim storage claim = _open(station, sequence, row);
        Claim memory opened = claim;
        if (block.timestamp <= opened.answerUntil) revert AnswerStillPossible(opened.answerUntil);
        claim.status = Status.Reversed;
        bool owed = opened.setAside && _takeOffDebt(opened, debt);
        if (!owed) owed = _payBack(opened);
        emit RowReversed(station, sequence, opened.payer, row, opened.owedMicro, owed);
        _releaseBond(opened.disputer, opened.disputer);
    }

    function _open(uint24 station, uint24 sequence, uint256 row) private view returns (Claim storage claim) {
        claim = _claims[_key(station, sequence, row)];
        if (claim.status != Status.Disputed) revert NotDisputed(station, sequence, row);
    }

    /* WHAT WAS SETTLED */

    function _requireSettled(Proof calldata proof) private view {
        bytes32 digest =
            keccak256(abi.encode(proof.evidence, keccak256(abi.encodePacked(proof.statements)), proof.setAside));
        if (proof.batch == 0) revert NotSettled(0, digest);
        uint64 page = settlement.PAGE();
        uint256 place = (proof.batch - 1) % page;
        if (
            place >= proof.page.length || proof.page[place] != digest
                || !settlement.isPage((proof.batch - 1) / page, proof.page)
        ) revert NotSettled(proof.batch, digest);
        if (
            proof.index >= proof.statements.length || proof.row >= proof.rows.length / BatchDecoder.ROW_BYTES
                || BatchDecoder.structHash(proof.statement, keccak256(proof.rows)) != proof.statements[proof.index]
        ) revert NotInBatch(proof.index, proof.row);
    }

    function _claimOf(Proof calldata proof) private view returns (Claim memory claim) {
        BatchDecoder.Statement calldata statement = proof.statement;
        uint256 row = BatchDecoder.rowOf(proof.rows, proof.row);
        uint256 terms = row.tariff() >= BatchDecoder.UNBILLED_EXPORT
            ? 0
            : tariffBook.termsOf(uint24(statement.tariffBase + row.tariff()));
        if (TariffTerms.isMarket(terms)) {
            revert MeteredInMarket(uint24(statement.station), uint24(statement.sequence), proof.row);
        }
        uint256 product = row.energyWh() * (terms & TariffTerms.PRICE_MASK);
        if (terms & TariffTerms.DRIVER_PAYS == 0 || product == 0) {
            revert NothingToReverse(uint24(statement.station), uint24(statement.sequence), proof.row);
        }
        claim.status = Status.Disputed;
        claim.payer = uint24(row.account());
        claim.payee = uint24(terms >> TariffTerms.PAYEE_SHIFT);
        claim.station = uint24(statement.station);
        claim.discharge = TariffTerms.discharges(terms);
        claim.setAside = _contains(proof.setAside, claim.payer);
        claim.priceMicroPerKwh = int64(uint64(terms & TariffTerms.PRICE_MASK));
        claim.energyWh = uint32(row.energyWh());
        claim.start = uint40(statement.startTime + row.startOffsetS());
        claim.end = uint40(statement.startTime + row.endOffsetS());
        claim.owedMicro = uint64((product + (WH_PER_KWH - 1)) / WH_PER_KWH);
        claim.receivedMicro = uint64(product / WH_PER_KWH);
        claim.batch = proof.batch;
    }

    function _contains(uint24[] calldata list, uint24 account) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }

    /* WHAT WAS AUTHORISED */

    function _digest(SessionAuthorisation calldata authorisation) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Wattledger"), keccak256("1"), block.chainid, address(accounts))
        );
        bytes32 structHash = keccak256(abi.encode(AUTHORISATION_TYPEHASH, authorisation));
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    function _requireDriver(Claim memory claim, bytes32 digest, bytes32 r, bytes32 vs) private view {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, r, vs);
        if (failure != ECDSA.RecoverError.NoError) revert WrongDriverKey(claim.payer, address(0));
        uint40 validUntil = accounts.driverKeyValidUntil(claim.payer, recovered);
        if (validUntil == 0 || claim.start > validUntil) revert WrongDriverKey(claim.payer, recovered);
    }

    /// @dev Energy given back counts against nothing but `dischargeAllowed` and, as the driver pays, the cost.
    function _covers(SessionAuthorisation calldata authorisation, Claim memory claim) private pure returns (bool) {
        return authorisation.account == claim.payer && authorisation.station == claim.station
            && authorisation.notBefore <= claim.start && claim.end <= authorisation.expiry
            && claim.priceMicroPerKwh <= authorisation.maxPriceMicroPerKwh
            && (!claim.discharge || authorisation.dischargeAllowed);
    }

    function _use(bytes32 digest, SessionAuthorisation calldata authorisation, Claim memory claim) private {
        Used memory used = _used[digest];
        uint256 energyWh = uint256(used.energyWh) + (claim.discharge ? 0 : claim.energyWh);
        uint256 costMicro = uint256(used.costMicro) + claim.owedMicro;
        if (energyWh > authorisation.maxEnergyWh || costMicro > authorisation.maxCostMicro) {
            revert LimitPassed(digest, energyWh, costMicro);
        }
        _used[digest] = Used(uint40(energyWh), uint96(costMicro));
    }

    /* MONEY */

    /// @return taken whether the row is off the debt now, or the debt was written off; false if it was collected
    function _takeOffDebt(Claim memory claim, uint32 number) private returns (bool taken) {
        IEscrow.Debt memory debt = escrow.debtOf(claim.payer, number);
        if (debt.batch != claim.batch || debt.creditor != claim.payee) revert WrongDebt(claim.payer, number);
        if (debt.writtenOff) return true;
        if (debt.owedMicro == 0) return false;
        escrow.reduceDebt(claim.payer, number, claim.owedMicro, claim.receivedMicro);
        return true;
    }

    /// @return owed whether the operator could not pay and owes it now
    function _payBack(Claim memory claim) private returns (bool owed) {
        Entry[] memory entries = new Entry[](3);
        entries[0] = entryOf(claim.payee, claim.receivedMicro, 0);
        entries[1] = entryOf(NamedAccounts.DUST, claim.owedMicro - claim.receivedMicro, 0);
        entries[2] = entryOf(claim.payer, 0, claim.owedMicro);
        if (escrow.insolventOf(entries).length == 0) {
            escrow.applyBatch(entries);
            return false;
        }
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](1);
        debts[0] = IEscrow.NewDebt(claim.payee, claim.payer, claim.owedMicro, claim.owedMicro);
        escrow.recordDebts(REVERSAL, debts);
        return true;
    }

    /// @dev A bond that its owner reclaimed, while this court was no module, is gone; the judgement stands.
    function _releaseBond(uint24 disputer, uint24 to) private {
        if (escrow.lockedFor(disputer, address(this)) >= bondMicro) escrow.release(disputer, to, bondMicro);
    }

    /* VIEWS */

    function _key(uint24 station, uint24 sequence, uint256 row) private pure returns (bytes32) {
        return keccak256(abi.encode(station, sequence, row));
    }

    /// @inheritdoc IDisputeCourt
    function claimOf(uint24 station, uint24 sequence, uint256 row) external view returns (Claim memory) {
        return _claims[_key(station, sequence, row)];
    }

    /// @inheritdoc IDisputeCourt
    function usedOf(bytes32 authorisation) external view returns (uint40 energyWh, uint96 costMicro) {
        return (_used[authorisation].energyWh, _used[authorisation].costMicro);
    }
}
