// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchChain} from "./BatchChain.sol";
import {BatchDecoder, FirstTable as Table, WordTable, WordTables} from "./BatchDecoder.sol";
import {CachedTerms as Terms} from "./CachedTerms.sol";
import {Debts} from "./DebtTable.sol";
import {DEBIT_SHIFT, Entry} from "./Entries.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IPositionBook} from "./interfaces/IPositionBook.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "./interfaces/IStationRegistry.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {Ledgers} from "./Ledger.sol";
import {MarketRows} from "./MarketRows.sol";
import {NamedAccounts, Roles} from "./Roles.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title Settles what stations signed. Described in ISessionSettlement.
contract SessionSettlement is BatchChain {
    using BatchDecoder for bytes;
    using BatchDecoder for uint256;
    using Debts for Debts.DebtTable;
    using Ledgers for Ledgers.Ledger;
    using MarketRows for MarketRows.List;
    using WordTables for WordTable;

    /* TYPES */

    /// What one walk over a batch works on and finds.
    /// The first table of memory begins with 256 words: those tariffs of the 256 that follow `tariffBase` that were
    /// met, all of them the operator `payee`'s, as in CachedTerms.sol; `loaded` is the last of them, `times` are
    /// the times that their windows were set to. The ledger lies behind them.
    /// A copy of the batch lies in memory from `start` to `end`, the present statement's rows from `first` to
    /// `next`; `numbers` are that statement's.
    struct Walk {
        Ledgers.Ledger ledger;
        bool again;
        uint256 tariffBase;
        uint256 loaded;
        uint256 times;
        uint256 payee;
        uint256 payeeAmounts;
        uint256 unbilled;
        uint256 number;
        uint256 start;
        uint256 end;
        uint256 next;
        uint256 first;
        uint256 numbers;
        Debts.DebtTable debts;
        MarketRows.List market;
        uint256[] sums;
        uint256[] statements;
    }

    uint256 private constant WH_PER_KWH = 1000;
    uint256 private constant NO_TARIFF_BASE = type(uint256).max;
    uint256 private constant NOTHING_LOADED = BatchDecoder.UNBILLED_IMPORT;
    uint8 private constant MAX_TABLE_BITS = 12;

    /* STORAGE */

    IAccountRegistry public immutable accounts;
    IStationRegistry public immutable stations;
    ITariffBook public immutable tariffBook;
    IEscrow public immutable escrow;
    IPositionBook public immutable positions;

    /* CONSTRUCTION */

    constructor(
        IAccountRegistry accounts_,
        IStationRegistry stations_,
        ITariffBook tariffBook_,
        IEscrow escrow_,
        IPositionBook positions_
    ) {
        _requireContract(address(accounts_));
        _requireContract(address(stations_));
        _requireContract(address(tariffBook_));
        _requireContract(address(escrow_));
        _requireContract(address(positions_));
        accounts = accounts_;
        stations = stations_;
        tariffBook = tariffBook_;
        escrow = escrow_;
        positions = positions_;
    }

    function _requireContract(address account) private view {
        if (account.code.length == 0) revert NotAContract(account);
    }

    /* SETTLE */

    /// @inheritdoc ISessionSettlement
    function settle(bytes calldata batch) external returns (uint64 number) {
        _reserveTable(batch);
        accounts.requireRole(msg.sender, Roles.SETTLER);
        uint256 chain = head;
        number = _numberOf(chain) + 1;
        Walk memory walk = _walk(batch, number, new uint24[](0));
        bytes32 statements = walk.sums.length == 0 ? bytes32(0) : stations.advance(batch, walk.sums);
        (Entry[] memory entries, uint256 paidMicro, uint256 dustMicro) = walk.ledger.entriesOf();
        uint24[] memory insolvent = _apply(entries);
        if (insolvent.length != 0) {
            walk = _walk(batch, number, insolvent);
            (entries, paidMicro, dustMicro) = walk.ledger.entriesOf();
            escrow.applyBatch(entries);
            escrow.recordDebts(uint32(number), walk.debts.listOf());
        }
        if (walk.market.used != 0) positions.meter(walk.market.rowsOf());
        (,,, bytes32 evidence) = batch.header();
        bytes32 digest = keccak256(abi.encode(evidence, statements, insolvent));
        _push(chain, number, digest);
        uint256 rows = batch.rowsOf(walk.sums.length);
        emit BatchSettled(number, evidence, digest, rows, paidMicro, dustMicro, walk.statements);
    }

    /// @dev Comes before all that takes memory.
    function _reserveTable(bytes calldata batch) private pure {
        (uint8 version, uint8 tableBits,,) = batch.header();
        if (version != BatchDecoder.VERSION) revert UnknownVersion(version);
        if (tableBits > MAX_TABLE_BITS) revert TableTooLarge(tableBits);
        Table.reserve((Ledgers.START >> 5) + (1 << tableBits));
    }

    /// @return insolvent payers that cannot pay; if there are any, nothing was applied
    function _apply(Entry[] memory entries) private returns (uint24[] memory insolvent) {
        try escrow.applyBatch(entries) {}
        catch {
            insolvent = escrow.insolventOf(entries);
            // Something else was wrong: the second call reverts alike, and says what.
            if (insolvent.length == 0) escrow.applyBatch(entries);
        }
    }

    /* THE WALK OVER A BATCH */

    /// @param aside payers whose rows move no money; empty in the first walk
    function _walk(bytes calldata batch, uint64 number, uint24[] memory aside) private returns (Walk memory walk) {
        (, uint8 tableBits, uint256 statements, bytes32 evidence) = batch.header();
        if (statements == 0 && evidence == 0) revert EmptyBatch();
        walk.number = number;
        walk.start = batch.copied();
        walk.next = walk.start + BatchDecoder.HEADER_BYTES;
        walk.end = walk.start + batch.length;
        walk.tariffBase = NO_TARIFF_BASE;
        walk.sums = new uint256[](statements);
        walk.statements = new uint256[](statements);
        walk.again = aside.length != 0;
        if (walk.again) {
            Table.clear((Ledgers.START >> 5) + (1 << tableBits));
            walk.debts = Debts.create(1 << tableBits);
        }
        walk.ledger.open(1 << tableBits);
        for (uint256 i; i < aside.length; ++i) {
            walk.ledger.note(aside[i], Ledgers.ASIDE);
        }
        for (uint256 i; i < walk.sums.length; ++i) {
            _begin(walk);
            WordTables.words(walk.statements).set(i, walk.numbers);
            WordTables.words(walk.sums).set(i, _statement(walk));
        }
        _notePayee(walk);
        if (walk.next != walk.end) revert MalformedBatch(walk.end - walk.start, walk.next - walk.start);
    }

    /// @dev Makes the statement at `next` the present one.
    function _begin(Walk memory walk) private view {
        unchecked {
            uint256 first = walk.next + BatchDecoder.STATEMENT_BYTES;
            uint256 numbers = BatchDecoder.wordAt(walk.next);
            uint256 next = first + numbers.rowBytes();
            if (next > walk.end) revert MalformedBatch(walk.end - walk.start, next - walk.start);
            uint256 endTime = numbers.startTime() + numbers.durationS();
            if (endTime > block.timestamp) revert StatementFromFuture(numbers.station(), endTime, block.timestamp);
            if (numbers.tariffBase() != walk.tariffBase) {
                _notePayee(walk);
                if (walk.tariffBase != NO_TARIFF_BASE) Table.clear(Ledgers.START >> 5);
                walk.tariffBase = numbers.tariffBase();
                walk.loaded = NOTHING_LOADED;
            }
            (walk.numbers, walk.first, walk.next, walk.unbilled) = (numbers, first, next, 0);
            if (numbers.times() != walk.times) _setTimes(walk);
        }
    }

    /// @dev Sets the windows of all cached tariffs to the present statement's times.
    function _setTimes(Walk memory walk) private pure {
        walk.times = walk.numbers.times();
        uint256 offset = walk.loaded;
        while (offset != NOTHING_LOADED) {
            uint256 terms = Table.at(offset << 5);
            Table.put(offset << 5, Terms.windowed(terms, walk.numbers.startTime(), walk.numbers.durationS()));
            offset = Terms.link(terms);
        }
    }

    /// @dev Goes through the present statement. All of its numbers have 40 bits at most.
    /// @return sums what the registry is told of it, as IStationRegistry.advance describes it
    function _statement(Walk memory walk) private returns (uint256 sums) {
        unchecked {
            sums = _rows(walk);
            walk.payeeAmounts += uint72(sums);
            uint256 importedWh = uint48(sums >> TariffTerms.IMPORT_SHIFT);
            uint256 exportedWh = uint48(sums >> TariffTerms.EXPORT_SHIFT);
            if (importedWh | exportedWh > type(uint40).max) {
                revert TooMuchEnergy(walk.numbers.station(), importedWh, exportedWh);
            }
            sums = importedWh << 64 | exportedWh << 24;
            if (walk.unbilled != walk.next - walk.first) sums |= walk.payee;
        }
    }

    /* ROWS */

    /// @dev All sums of a statement are one word, to spare the stack: energy where its tariff says, below it what
    ///      the operator receives from drivers, above it WRONG_TIME. They stay far below their bits: a row is
    ///      below 2^32 Wh and 2^54 micro-euro, and a statement has less than 2^16 rows.
    function _rows(Walk memory walk) private returns (uint256 sums) {
        unchecked {
            uint256 at = walk.first;
            while (true) {
                (at, sums) = _buy(walk, at, sums);
                if (at == walk.next) break;
                uint256 row = BatchDecoder.wordAt(at);
                uint256 terms = row.isBilled() ? _termsOf(walk, row.tariff()) : _unbilled(walk, row, at);
                if (terms & Terms.SHORT_WAY != 0 && walk.ledger.isAtItsPlace(row.account())) {
                    if (terms & Terms.BUY == 0) (at, sums) = _sell(walk, at, sums);
                } else {
                    sums += _longWay(walk, row, terms, at);
                    at += BatchDecoder.ROW_BYTES;
                }
            }
            if (sums & Terms.WRONG_TIME != 0) _refuseTimes(walk);
        }
    }

    /// @dev The hot loop: goes on as long as drivers buy by tariffs that are cached, and their accounts are at their
    ///      places in the ledger. `entry ^ row` is below BUY if both are of one account.
    /// @param at   the row to begin with
    /// @param sums what the rows before it add up to
    /// @return the first other row, or the statement's end
    /// @return the sums up to there
    function _buy(Walk memory walk, uint256 at, uint256 sums) private pure returns (uint256, uint256) {
        unchecked {
            uint256 mask = walk.ledger.mask;
            uint256 last = walk.next;
            while (true) {
                uint256 row = BatchDecoder.wordAt(at);
                uint256 terms = Table.at(row.tariff() << 5);
                uint256 place = (row >> BatchDecoder.PLACE_SHIFT & mask) + Ledgers.START;
                uint256 entry = Table.at(place);
                if (at >= last) break;
                if (entry ^ row >= terms & Terms.BUY) break;
                at += BatchDecoder.ROW_BYTES;
                uint256 product = row.energyWh() * (terms & TariffTerms.PRICE_MASK);
                Table.put(place, entry + ((product + (WH_PER_KWH - 1)) / WH_PER_KWH << DEBIT_SHIFT));
                uint256 begin = Terms.beginOf(row);
                terms = (begin >> Terms.TO_END) + Terms.durationOf(row) - begin + terms;
                sums = terms & Terms.WRONG_TIME | Terms.taken(row) + product / WH_PER_KWH + sums;
            }
            return (at, sums);
        }
    }

    /// @dev The same for drivers who sell.
    function _sell(Walk memory walk, uint256 at, uint256 sums) private pure returns (uint256, uint256) {
        unchecked {
            uint256 mask = walk.ledger.mask;
            uint256 last = walk.next;
            uint256 owed;
            while (true) {
                uint256 row = BatchDecoder.wordAt(at);
                uint256 terms = Table.at(row.tariff() << 5);
                uint256 place = (row >> BatchDecoder.PLACE_SHIFT & mask) + Ledgers.START;
                uint256 entry = Table.at(place);
                if (at >= last) break;
                if (entry ^ row >= terms >> 1 & Terms.BUY) break;
                at += BatchDecoder.ROW_BYTES;
                uint256 product = row.energyWh() * (terms & TariffTerms.PRICE_MASK);
                Table.put(place, entry + product / WH_PER_KWH);
                owed += (product + (WH_PER_KWH - 1)) / WH_PER_KWH;
                uint256 begin = Terms.beginOf(row);
                terms = (begin >> Terms.TO_END) + Terms.durationOf(row) - begin + terms;
                sums = terms & Terms.WRONG_TIME | Terms.given(row) + sums;
            }
            walk.payeeAmounts += owed << DEBIT_SHIFT;
            return (at, sums);
        }
    }

    /// @dev Any row that cannot take a short way: one that is not billed, or is metered in the market, or has a
    ///      negative price, or is of an account that is away from its place; and all of the second walk.
    /// @return sum what the row adds to the statement's sums
    function _longWay(Walk memory walk, uint256 row, uint256 terms, uint256 at) private returns (uint256 sum) {
        unchecked {
            _requireTimes(walk, row, terms, at);
            sum = row.energyWh() << (terms >> TariffTerms.LANE_SHIFT & 0xff);
            if (TariffTerms.isMarket(terms)) {
                _meter(walk, row, terms, at);
                return sum;
            }
            uint256 product = row.energyWh() * (terms & TariffTerms.PRICE_MASK);
            uint256 owed = (product + (WH_PER_KWH - 1)) / WH_PER_KWH << DEBIT_SHIFT;
            product /= WH_PER_KWH;
            if (!row.isBilled() || (walk.again && _setAside(walk, row, terms, at, owed | product))) return sum;
            if (terms & TariffTerms.DRIVER_PAYS == 0) {
                walk.payeeAmounts += owed;
                walk.ledger.note(row.account(), product);
            } else {
                sum += product;
                walk.ledger.note(row.account(), owed);
            }
        }
    }

    /// @dev A row that moves no money here: the positions are told of it.
    function _meter(Walk memory walk, uint256 row, uint256 terms, uint256 at) private pure {
        uint256 begin = walk.numbers.startTime() + row.startOffsetS();
        bool exported = TariffTerms.discharges(terms);
        uint256 word = MarketRows.wordOf(walk.payee, row.account(), begin, exported, row.energyWh());
        walk.market.add(word, (walk.end - at) / BatchDecoder.ROW_BYTES);
        // An entry without money, so that the escrow refuses an account that does not exist.
        walk.ledger.note(row.account(), 0);
    }

    /// @dev Of the second walk.
    /// @param amounts what the payer owes above what the other one would receive, as in an entry
    /// @return aside whether the row is set aside, because its payer is
    function _setAside(Walk memory walk, uint256 row, uint256 terms, uint256 at, uint256 amounts)
        private
        returns (bool aside)
    {
        bool driverPays = terms & TariffTerms.DRIVER_PAYS != 0;
        (uint256 payer, uint256 other) = driverPays ? (row.account(), walk.payee) : (walk.payee, row.account());
        (, uint256 entry) = walk.ledger.seek(payer);
        if (entry & Ledgers.ASIDE == 0) return false;
        emit RowSetAside(
            walk.numbers.station(),
            uint64(walk.number),
            uint24(payer),
            walk.numbers.sequence(),
            _indexOf(walk, at),
            amounts >> DEBIT_SHIFT
        );
        if (amounts != 0) walk.debts.owe(payer, other, amounts);
        // An entry without money, so that the escrow refuses an account that does not exist.
        walk.ledger.note(row.account(), 0);
        return true;
    }

    /// @return terms as of a tariff without a price and without an end
    function _unbilled(Walk memory walk, uint256 row, uint256 at) private pure returns (uint256 terms) {
        if (row.account() != NamedAccounts.HOUSE) {
            revert HouseRow(walk.numbers.station(), _indexOf(walk, at), uint24(row.account()));
        }
        walk.unbilled += BatchDecoder.ROW_BYTES;
        bool exported = row.tariff() == BatchDecoder.UNBILLED_EXPORT;
        terms = uint256(type(uint40).max) << TariffTerms.VALID_TO_SHIFT
            | (exported ? TariffTerms.EXPORT_SHIFT : TariffTerms.IMPORT_SHIFT) << TariffTerms.LANE_SHIFT;
    }

    /// @dev Finds the row that the short way saw to lie outside of the statement or of its tariff, and refuses it.
    function _refuseTimes(Walk memory walk) private pure {
        for (uint256 at = walk.first; at < walk.next; at += BatchDecoder.ROW_BYTES) {
            uint256 row = BatchDecoder.wordAt(at);
            if (row.isBilled()) _requireTimes(walk, row, Table.at(row.tariff() << 5), at);
        }
        assert(false);
    }

    /// @dev A row lies in its statement and in its tariff.
    function _requireTimes(Walk memory walk, uint256 row, uint256 terms, uint256 at) private pure {
        unchecked {
            uint256 startTime = walk.numbers.startTime();
            uint256 end = startTime + row.endOffsetS();
            uint256 last = startTime + walk.numbers.durationS();
            if (end > last) revert RowOutsideStatement(walk.numbers.station(), _indexOf(walk, at), end, last);
            if (startTime + row.startOffsetS() < TariffTerms.validFrom(terms) || end > TariffTerms.validTo(terms)) {
                revert TariffNotValid(walk.numbers.station(), _indexOf(walk, at), row.tariff());
            }
        }
    }

    /// @return place of the row in its statement, from 0 on
    function _indexOf(Walk memory walk, uint256 at) private pure returns (uint256) {
        return (at - walk.first) / BatchDecoder.ROW_BYTES;
    }

    /// @return terms of a tariff that is published and belongs to the one operator of the base's tariffs
    function _termsOf(Walk memory walk, uint256 offset) private view returns (uint256 terms) {
        terms = Table.at(offset << 5);
        if (terms != 0) return terms;
        uint256 number = walk.tariffBase + offset;
        if (number > type(uint24).max) revert UnknownTariff(number);
        terms = tariffBook.termsOf(uint24(number));
        if (terms == 0) revert UnknownTariff(number);
        uint256 payee = terms >> TariffTerms.PAYEE_SHIFT;
        if (walk.payee == 0) walk.payee = payee;
        if (payee != walk.payee) {
            revert MixedTariffs(walk.numbers.station(), uint24(walk.payee), uint24(payee));
        }
        terms = Terms.cached(terms, walk.loaded, !walk.again);
        terms = Terms.windowed(terms, walk.numbers.startTime(), walk.numbers.durationS());
        walk.loaded = offset;
        Table.put(offset << 5, terms);
    }

    /* WHAT A BATCH COMES TO */

    /// @dev Enters what the rows since the last call do to the operator of their tariffs.
    function _notePayee(Walk memory walk) private pure {
        if (walk.payeeAmounts != 0) walk.ledger.note(walk.payee, walk.payeeAmounts);
        walk.payeeAmounts = 0;
        walk.payee = 0;
    }
}
