// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder, WordTable, WordTables} from "./BatchDecoder.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "./interfaces/IStationRegistry.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {NamedAccounts, Roles} from "./Roles.sol";

/// @title Settles what stations signed. Described in ISessionSettlement.
contract SessionSettlement is ISessionSettlement {
    using BatchDecoder for bytes;
    using WordTables for WordTable;

    /* TYPES */

    /// What one walk over a batch works on and finds.
    /// `ledger` is a hash table with open addressing and `mask` + 1 places, so that netting an account costs
    /// a few memory words and no storage. An entry is flags above account (24 bits) above debit (112) above
    /// credit (112). `terms` caches the tariffs that follow `tariffBase`, all of them the operator `payee`'s.
    struct Walk {
        uint64 number;
        bool second;
        WordTable ledger;
        uint256 mask;
        uint256 used;
        WordTable terms;
        uint256 tariffBase;
        uint256 payee;
        uint256 rows;
        IStationRegistry.Advance[] advances;
    }

    /// What the rows of one statement sum to. `payeeEntry` is debit (112 bits) above credit (112).
    struct Sums {
        uint256 unbilledRows;
        uint256 payeeEntry;
        uint256 importedWh;
        uint256 exportedWh;
    }

    /// In every entry of the ledger, so that a free place is never taken for account 0's.
    uint256 private constant ENTERED = 1 << 248;
    /// Marks the entry of a payer whose rows move no money, because it cannot pay all of them.
    uint256 private constant ASIDE = 1 << 249;

    /* Terms of a tariff in one word: validFrom (40 bits) above validTo (40) above flags (16) and |price| (32). */

    uint256 private constant VALID_FROM_SHIFT = 88;
    uint256 private constant VALID_TO_SHIFT = 48;
    uint256 private constant DRIVER_PAYS = 1 << 40;
    /// Set for energy given back. It lies so that `terms >> 32 & 128` is how far left to add the energy in `moved`.
    uint256 private constant DISCHARGE = 128 << 32;

    bytes32 private constant STATEMENT_TYPEHASH = keccak256(
        "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
    );
    uint256 private constant WH_PER_KWH = 1000;
    uint256 private constant NO_TARIFF_BASE = type(uint256).max;
    uint8 private constant MAX_TABLE_BITS = 12;

    /* STORAGE */

    IAccountRegistry public immutable accounts;
    IStationRegistry public immutable stations;
    ITariffBook public immutable tariffBook;
    IEscrow public immutable escrow;

    uint64 public batchCount;

    /* CONSTRUCTION */

    constructor(IAccountRegistry accounts_, IStationRegistry stations_, ITariffBook tariffBook_, IEscrow escrow_) {
        _requireContract(address(accounts_));
        _requireContract(address(stations_));
        _requireContract(address(tariffBook_));
        _requireContract(address(escrow_));
        accounts = accounts_;
        stations = stations_;
        tariffBook = tariffBook_;
        escrow = escrow_;
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /* SETTLE */

    /// @inheritdoc ISessionSettlement
    function settle(bytes calldata batch) external returns (uint64 number) {
        accounts.requireRole(msg.sender, Roles.SETTLER);
        number = ++batchCount;
        Walk memory walk = _walk(batch, number, new uint24[](0));
        stations.advance(walk.advances);
        (uint256[] memory entries, uint256 paidMicro, uint256 dustMicro) = _entriesOf(walk);
        uint24[] memory insolvent = escrow.applyBatch(entries);
        if (insolvent.length != 0) {
            walk = _walk(batch, number, insolvent);
            (entries, paidMicro, dustMicro) = _entriesOf(walk);
            insolvent = escrow.applyBatch(entries);
            assert(insolvent.length == 0);
        }
        (,, uint256 statements, bytes32 evidence) = batch.header();
        emit BatchSettled(number, evidence, statements, walk.rows, paidMicro, dustMicro);
    }

    /* THE WALK OVER A BATCH */

    /// @param aside payers whose rows move no money; empty in the first walk, which also reports each statement
    function _walk(bytes calldata batch, uint64 number, uint24[] memory aside) private returns (Walk memory walk) {
        (uint8 version, uint8 tableBits, uint256 statements, bytes32 evidence) = batch.header();
        if (version != BatchDecoder.VERSION) revert UnknownVersion(version);
        if (tableBits > MAX_TABLE_BITS) revert TableTooLarge(tableBits);
        if (statements == 0 && evidence == 0) revert EmptyBatch();
        walk.number = number;
        walk.second = aside.length != 0;
        walk.ledger = WordTables.create(1 << tableBits);
        walk.mask = (1 << tableBits) - 1;
        for (uint256 i; i < aside.length; ++i) {
            _note(walk, aside[i], ASIDE);
        }
        walk.tariffBase = NO_TARIFF_BASE;
        walk.advances = new IStationRegistry.Advance[](statements);
        uint256 at = BatchDecoder.HEADER_BYTES;
        for (uint256 i; i < statements; ++i) {
            at = _statement(batch, at, walk, i);
        }
        if (at != batch.length) revert MalformedBatch(batch.length, at);
    }

    /// @return next where the following statement starts
    function _statement(bytes calldata batch, uint256 at, Walk memory walk, uint256 index)
        private
        returns (uint256 next)
    {
        BatchDecoder.Statement memory statement = batch.statementAt(at);
        next = at + BatchDecoder.STATEMENT_BYTES + statement.rows * BatchDecoder.ROW_BYTES;
        if (next > batch.length) revert MalformedBatch(batch.length, next);
        bytes calldata rows = batch[at + BatchDecoder.STATEMENT_BYTES:next];
        uint256 endTime = statement.startTime + statement.durationS;
        if (endTime > block.timestamp) {
            revert StatementFromFuture(uint24(statement.station), endTime, block.timestamp);
        }
        if (statement.tariffBase != walk.tariffBase) {
            walk.terms = WordTables.create(256);
            walk.tariffBase = statement.tariffBase;
            walk.payee = tariffBook.tariffOf(uint24(statement.tariffBase)).payee;
        }
        Sums memory sums =
            _rows(batch.position(at + BatchDecoder.STATEMENT_BYTES), batch.position(next), walk, statement);
        if (sums.payeeEntry != 0) _note(walk, walk.payee, sums.payeeEntry);
        walk.rows += statement.rows;
        walk.advances[index] = IStationRegistry.Advance({
            station: uint24(statement.station),
            sequence: uint24(statement.sequence),
            endTime: uint40(endTime),
            importWh: uint40(statement.importWh),
            exportWh: uint40(statement.exportWh),
            importedWh: uint40(sums.importedWh),
            exportedWh: uint40(sums.exportedWh),
            payee: sums.unbilledRows == statement.rows ? 0 : uint24(walk.payee),
            structHash: _structHash(statement, rows),
            r: statement.r,
            vs: statement.vs
        });
        if (!walk.second) _emitSettled(walk, statement);
    }

    function _emitSettled(Walk memory walk, BatchDecoder.Statement memory statement) private {
        emit StationSettled(
            uint24(statement.station),
            walk.number,
            uint24(statement.sequence),
            uint40(statement.startTime),
            uint40(statement.importWh),
            uint40(statement.exportWh),
            statement.telemetryRoot
        );
    }

    function _structHash(BatchDecoder.Statement memory statement, bytes calldata rows) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                STATEMENT_TYPEHASH,
                statement.station,
                statement.sequence,
                statement.startTime,
                statement.durationS,
                statement.importWh,
                statement.exportWh,
                statement.tariffBase,
                statement.telemetryRoot,
                keccak256(rows)
            )
        );
    }

    /// @dev The hot loop: a row of a cached tariff whose account is at its place in the ledger costs no call.
    ///      Sums stay far below 2^112: a row is below 2^32 Wh and 2^31 micro-euro per kWh, and a batch
    ///      has at most 2^32 rows. The energy is checked against the registers' 40 bits at the end.
    function _rows(uint256 first, uint256 last, Walk memory walk, BatchDecoder.Statement memory statement)
        private
        returns (Sums memory sums)
    {
        unchecked {
            uint256 startTime = statement.startTime;
            uint256 endTime = startTime + statement.durationS;
            WordTable cache = walk.terms;
            WordTable ledger = walk.ledger;
            uint256 mask = walk.mask;
            uint256 moved;
            uint256 payeeCredit;
            for (uint256 at = first; at < last; at += BatchDecoder.ROW_BYTES) {
                uint256 row = BatchDecoder.rowAt(at);
                uint256 terms = cache.get(row & 0xff);
                if (terms == 0) {
                    if (row & 0xff >= BatchDecoder.UNBILLED_EXPORT) {
                        moved += _unbilled(statement, row, at - first);
                        ++sums.unbilledRows;
                        continue;
                    }
                    terms = _loadTerms(walk, statement, row & 0xff);
                }
                uint256 start = startTime + (row >> 24 & 0xffffff);
                uint256 end = start + (row >> 8 & 0xffff);
                // All times are below 2^42, so a difference below zero, and nothing else, sets the highest bit.
                if (
                    ((start - (terms >> VALID_FROM_SHIFT))
                                | ((terms >> VALID_TO_SHIFT & 0xffffffffff) - end)
                                | (endTime - end)) >> 255 != 0
                ) _refuseTimes(statement, row, end > endTime, at - first);
                uint256 energyWh = row >> 48 & 0xffffffff;
                moved += energyWh << (terms >> 32 & 128);
                uint256 place = row >> 80 & mask;
                uint256 entry = ledger.get(place);
                if ((entry >> 224 ^ row >> 80 ^ (terms & DRIVER_PAYS)) != (ENTERED >> 224 | DRIVER_PAYS)) {
                    payeeCredit += _payElsewhere(walk, statement, row, terms, at - first);
                    continue;
                }
                energyWh *= terms & 0xffffffff;
                ledger.set(place, entry + ((energyWh + (WH_PER_KWH - 1)) / WH_PER_KWH << 112));
                payeeCredit += energyWh / WH_PER_KWH;
            }
            sums.payeeEntry = payeeCredit;
            sums.importedWh = uint128(moved);
            sums.exportedWh = moved >> 128;
            if (sums.importedWh | sums.exportedWh > type(uint40).max) {
                revert TooMuchEnergy(uint24(statement.station), sums.importedWh, sums.exportedWh);
            }
        }
    }

    /// @dev Any row that the hot loop leaves: the account's first, or one that the operator pays, or set aside.
    /// @return payeeEntry what the row does to the operator: debit (112 bits) above credit (112)
    function _payElsewhere(
        Walk memory walk,
        BatchDecoder.Statement memory statement,
        uint256 row,
        uint256 terms,
        uint256 at
    ) private returns (uint256 payeeEntry) {
        uint256 product = (row >> 48 & 0xffffffff) * (terms & 0xffffffff);
        uint256 owed = (product + (WH_PER_KWH - 1)) / WH_PER_KWH;
        uint256 received = product / WH_PER_KWH;
        bool driverPays = terms & DRIVER_PAYS != 0;
        uint256 payer = driverPays ? row >> 80 : walk.payee;
        if (walk.second && _isAside(walk, payer)) {
            emit RowSetAside(
                uint24(statement.station),
                walk.number,
                uint24(payer),
                uint24(statement.sequence),
                at / BatchDecoder.ROW_BYTES,
                owed
            );
            // An entry without money, so that the escrow refuses an account that does not exist.
            _note(walk, row >> 80, 0);
            return 0;
        }
        _note(walk, row >> 80, driverPays ? owed << 112 : received);
        return driverPays ? received : owed << 112;
    }

    function _isAside(Walk memory walk, uint256 account) private pure returns (bool) {
        (, uint256 entry) = _seek(walk, account);
        return entry & ASIDE != 0;
    }

    function _refuseTimes(BatchDecoder.Statement memory statement, uint256 row, bool outside, uint256 at) private pure {
        if (outside) _refuseOutside(statement, row, at);
        revert TariffNotValid(uint24(statement.station), at / BatchDecoder.ROW_BYTES, row & 0xff);
    }

    /// @return moved imported energy, or exported energy above 128 bits, Wh
    function _unbilled(BatchDecoder.Statement memory statement, uint256 row, uint256 at)
        private
        pure
        returns (uint256 moved)
    {
        if (row >> 80 != NamedAccounts.HOUSE) {
            revert HouseRow(uint24(statement.station), at / BatchDecoder.ROW_BYTES, uint24(row >> 80));
        }
        if ((row >> 24 & 0xffffff) + (row >> 8 & 0xffff) > statement.durationS) _refuseOutside(statement, row, at);
        moved = row >> 48 & 0xffffffff;
        if (row & 0xff == BatchDecoder.UNBILLED_EXPORT) moved <<= 128;
    }

    function _refuseOutside(BatchDecoder.Statement memory statement, uint256 row, uint256 at) private pure {
        revert RowOutsideStatement(
            uint24(statement.station),
            at / BatchDecoder.ROW_BYTES,
            statement.startTime + (row >> 24 & 0xffffff) + (row >> 8 & 0xffff),
            statement.startTime + statement.durationS
        );
    }

    /// @return terms of a tariff that is published and belongs to the operator of the statement's base tariff
    function _loadTerms(Walk memory walk, BatchDecoder.Statement memory statement, uint256 offset)
        private
        view
        returns (uint256 terms)
    {
        uint256 number = statement.tariffBase + offset;
        if (number > type(uint24).max) revert UnknownTariff(number);
        ITariffBook.Tariff memory tariff = tariffBook.tariffOf(uint24(number));
        if (tariff.validTo == 0) revert UnknownTariff(number);
        if (tariff.payee != walk.payee) {
            revert MixedTariffs(uint24(statement.station), uint24(walk.payee), tariff.payee);
        }
        int256 price = tariff.priceMicroPerKwh;
        bool charge = tariff.direction == ITariffBook.Direction.Charge;
        terms = uint256(tariff.validFrom) << VALID_FROM_SHIFT | uint256(tariff.validTo) << VALID_TO_SHIFT
            | uint256(price < 0 ? -price : price);
        if (!charge) terms |= DISCHARGE;
        if (charge == (price >= 0)) terms |= DRIVER_PAYS;
        walk.terms.set(offset, terms);
    }

    /* THE LEDGER OF A BATCH */

    /// @dev Adds to an account's entry; `amounts` is debit (112 bits) above credit (112 bits).
    function _note(Walk memory walk, uint256 account, uint256 amounts) private pure {
        (uint256 place, uint256 entry) = _seek(walk, account);
        if (walk.ledger.get(place) == 0) ++walk.used;
        walk.ledger.set(place, entry + amounts);
    }

    /// @return place the account's place, or the free one that it would take
    /// @return entry the account's entry, empty but for its number if it has none yet
    function _seek(Walk memory walk, uint256 account) private pure returns (uint256 place, uint256 entry) {
        unchecked {
            if (account <= NamedAccounts.HOUSE) revert AccountCannotTrade(uint24(account));
            place = account & walk.mask;
            for (uint256 tries; tries <= walk.mask; ++tries) {
                entry = walk.ledger.get(place);
                if (entry == 0) return (place, ENTERED | account << 224);
                if (uint24(entry >> 224) == account) return (place, entry);
                place = (place + 1) & walk.mask;
            }
            revert TableFull(walk.mask + 1);
        }
    }

    /// @return entries one for each account that the batch touches
    /// @return paidMicro what payers pay
    /// @return dustMicro what rounding leaves, already in the dust account's entry
    function _entriesOf(Walk memory walk)
        private
        pure
        returns (uint256[] memory entries, uint256 paidMicro, uint256 dustMicro)
    {
        unchecked {
            WordTable ledger = walk.ledger;
            uint256 mask = walk.mask;
            uint256 receivedMicro;
            uint256 dustAt;
            _note(walk, NamedAccounts.DUST, 0);
            uint256 found = walk.used;
            entries = new uint256[](found);
            for (uint256 i; i <= mask; ++i) {
                uint256 entry = ledger.get(i);
                if (entry == 0) continue;
                entries[--found] = entry;
                paidMicro += uint112(entry >> 112);
                receivedMicro += uint112(entry);
                if (uint24(entry >> 224) == NamedAccounts.DUST) dustAt = found;
            }
            dustMicro = paidMicro - receivedMicro;
            entries[dustAt] += dustMicro;
        }
    }
}
