// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder, WordTable, WordTables} from "./BatchDecoder.sol";
import {Entry} from "./Entries.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "./interfaces/IStationRegistry.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {NamedAccounts, Roles} from "./Roles.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title Settles what stations signed. Described in ISessionSettlement.
contract SessionSettlement is ISessionSettlement {
    using BatchDecoder for bytes;
    using BatchDecoder for uint256;
    using WordTables for WordTable;

    /* TYPES */

    /// What one walk over a batch works on and finds.
    /// `tables` begins with TARIFFS words: the terms of the tariffs that follow `tariffBase`, all of them the
    /// operator `payee`'s. Behind them lies the ledger, a hash table with open addressing, so that netting an
    /// account costs a few memory words and no storage; `mask` makes an offset in it of an account. Its entries
    /// are those of Entries.sol with a flag above; an entry's link is the place of the one entered before it,
    /// `newest` that of the last.
    /// `debts` is a table like the ledger: debtor (24 bits) above creditor (24) above owed (96) above share (96).
    /// A copy of the batch lies in memory from `start` to `end`, the present statement's rows from `first` to
    /// `next`; `numbers` are that statement's.
    struct Walk {
        WordTable tables;
        uint256 mask;
        uint256 newest;
        uint256 used;
        uint256 flag;
        uint256 tariffBase;
        uint256 payee;
        uint256 payeeAmounts;
        uint256 unbilled;
        uint256 number;
        uint256 start;
        uint256 end;
        uint256 next;
        uint256 first;
        uint256 numbers;
        uint256 endTime;
        WordTable debts;
        uint256 debtors;
        uint256[] sums;
        uint256[] statements;
    }

    /* A ledger entry, as in Entries.sol: flags above account (24 bits) above link (16) above debit (96) above credit (96). */

    uint256 private constant ACCOUNT_SHIFT = 208;
    uint256 private constant LINK_SHIFT = 192;
    uint256 private constant DEBIT_SHIFT = 96;
    uint256 private constant ACCOUNT = 0xffffff << ACCOUNT_SHIFT;
    uint256 private constant AMOUNTS = (1 << LINK_SHIFT) - 1;
    /// In every entry of the first walk, so that a free place is never taken for account 0's.
    uint256 private constant ENTERED = 1 << 232;
    /// In every entry of the second walk, which the hot loop therefore leaves to the long way.
    uint256 private constant ENTERED_AGAIN = 1 << 233;
    /// Marks the entry of a payer whose rows move no money, because it cannot pay all of them.
    uint256 private constant ASIDE = 1 << 234;
    /// What an entry's head, its account taken off, and a tariff by which the driver pays have in common. An empty
    /// place and a tariff that is not cached have neither bit, so that not even account 0 finds a short way.
    uint256 private constant SHORT_WAY = ENTERED >> ACCOUNT_SHIFT | TariffTerms.DRIVER_PAYS;
    uint256 private constant TARIFFS = 256;
    uint256 private constant LEDGER = TARIFFS << 5;
    /// Set in the sums of a statement's rows once one of them is outside its statement or its tariff.
    uint256 private constant WRONG_TIME = 1 << 255;

    uint256 private constant DEBTOR_SHIFT = 216;
    uint256 private constant CREDITOR_SHIFT = 192;
    uint256 private constant PARTIES = type(uint256).max << CREDITOR_SHIFT;

    uint256 private constant WH_PER_KWH = 1000;
    uint256 private constant NO_TARIFF_BASE = type(uint256).max;
    uint8 private constant MAX_TABLE_BITS = 12;
    uint256 private constant NUMBER_SHIFT = 224;

    /// @notice How many batches a page of the chain of batches has.
    uint64 public constant PAGE = 64;

    /* STORAGE */

    IAccountRegistry public immutable accounts;
    IStationRegistry public immutable stations;
    ITariffBook public immutable tariffBook;
    IEscrow public immutable escrow;

    uint256 public head;
    /// The head as it was before the first batch of each page.
    mapping(uint64 page => uint256) private _pageHeads;

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
        uint256 chain = head;
        number = uint64(chain >> NUMBER_SHIFT) + 1;
        Walk memory walk = _walk(batch, number, new uint24[](0));
        bytes32 statements = walk.sums.length == 0 ? bytes32(0) : stations.advance(batch, walk.sums);
        (Entry[] memory entries, uint256 paidMicro, uint256 dustMicro) = _entriesOf(walk);
        uint24[] memory insolvent = _apply(entries);
        if (insolvent.length != 0) {
            walk = _walk(batch, number, insolvent);
            (entries, paidMicro, dustMicro) = _entriesOf(walk);
            escrow.applyBatch(entries);
            escrow.recordDebts(uint32(number), _debtsOf(walk));
        }
        (,,, bytes32 evidence) = batch.header();
        bytes32 digest = keccak256(abi.encode(evidence, statements, insolvent));
        _push(chain, number, digest);
        uint256 rows = batch.rowsOf(walk.sums.length);
        emit BatchSettled(number, evidence, digest, rows, paidMicro, dustMicro, walk.statements);
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

    /* THE CHAIN OF BATCHES */

    function _push(uint256 chain, uint64 number, bytes32 digest) private {
        if (number > type(uint32).max) revert NoBatchNumberLeft();
        if (number % PAGE == 1) _pageHeads[number / PAGE] = chain;
        head = _link(chain, digest);
    }

    function _link(uint256 chain, bytes32 digest) private pure returns (uint256) {
        return (chain >> NUMBER_SHIFT) + 1 << NUMBER_SHIFT | uint256(keccak256(abi.encode(chain, digest))) >> 32;
    }

    /// @inheritdoc ISessionSettlement
    function isPage(uint64 page, bytes32[] calldata digests) external view returns (bool) {
        uint256 chain = _pageHeads[page];
        if (digests.length == 0 || digests.length > PAGE || (page != 0 && chain == 0)) return false;
        for (uint256 i; i < digests.length; ++i) {
            chain = _link(chain, digests[i]);
        }
        return chain == (digests.length == PAGE && _pageHeads[page + 1] != 0 ? _pageHeads[page + 1] : head);
    }

    /// @inheritdoc ISessionSettlement
    function batchCount() public view returns (uint64) {
        return uint64(head >> NUMBER_SHIFT);
    }

    /* THE WALK OVER A BATCH */

    /// @param aside payers whose rows move no money; empty in the first walk, which also reports each statement
    function _walk(bytes calldata batch, uint64 number, uint24[] memory aside) private returns (Walk memory walk) {
        (uint8 version, uint8 tableBits, uint256 statements, bytes32 evidence) = batch.header();
        if (version != BatchDecoder.VERSION) revert UnknownVersion(version);
        if (tableBits > MAX_TABLE_BITS) revert TableTooLarge(tableBits);
        if (statements == 0 && evidence == 0) revert EmptyBatch();
        walk.number = number;
        walk.start = batch.copied();
        walk.next = walk.start + BatchDecoder.HEADER_BYTES;
        walk.end = walk.start + batch.length;
        walk.tables = WordTables.create(TARIFFS + (1 << tableBits));
        walk.mask = WordTables.mask(1 << tableBits);
        walk.tariffBase = NO_TARIFF_BASE;
        walk.sums = new uint256[](statements);
        walk.statements = new uint256[](statements);
        walk.flag = ENTERED;
        if (aside.length != 0) {
            walk.flag = ENTERED_AGAIN;
            walk.debts = WordTables.create(1 << tableBits);
        }
        _note(walk, NamedAccounts.DUST, 0);
        for (uint256 i; i < aside.length; ++i) {
            _note(walk, aside[i], ASIDE);
        }
        for (uint256 i; i < walk.sums.length; ++i) {
            _enter(walk);
            WordTables.words(walk.statements).set(i, walk.numbers);
            WordTables.words(walk.sums).set(i, _statement(walk));
        }
        _notePayee(walk);
        if (walk.next != walk.end) revert MalformedBatch(walk.end - walk.start, walk.next - walk.start);
    }

    /// @dev Makes the statement at `next` the present one.
    function _enter(Walk memory walk) private view {
        unchecked {
            uint256 first = walk.next + BatchDecoder.STATEMENT_BYTES;
            uint256 numbers = BatchDecoder.numbersAt(walk.next);
            uint256 next = first + numbers.rowBytes();
            if (next > walk.end) revert MalformedBatch(walk.end - walk.start, next - walk.start);
            uint256 endTime = numbers.startTime() + numbers.durationS();
            if (endTime > block.timestamp) revert StatementFromFuture(numbers.station(), endTime, block.timestamp);
            if (numbers.tariffBase() != walk.tariffBase) {
                _notePayee(walk);
                if (walk.tariffBase != NO_TARIFF_BASE) walk.tables.clear(TARIFFS);
                walk.tariffBase = numbers.tariffBase();
            }
            (walk.numbers, walk.first, walk.next, walk.endTime, walk.unbilled) = (numbers, first, next, endTime, 0);
        }
    }

    /// @dev Goes through the present statement. All of its numbers have 40 bits at most.
    /// @return sums what the registry is told of it, as IStationRegistry.advance describes it
    function _statement(Walk memory walk) private returns (uint256 sums) {
        unchecked {
            sums = _rows(walk);
            walk.payeeAmounts += uint96(sums);
            uint256 importedWh = uint64(sums >> TariffTerms.IMPORT_SHIFT);
            uint256 exportedWh = uint64(sums >> TariffTerms.EXPORT_SHIFT);
            if (importedWh | exportedWh > type(uint40).max) {
                revert TooMuchEnergy(walk.numbers.station(), importedWh, exportedWh);
            }
            sums = importedWh << 64 | exportedWh << 24;
            if (walk.unbilled != walk.next - walk.first) sums |= walk.payee;
        }
    }

    /* ROWS */

    /// @dev The hot loop: a row of a cached tariff whose account is at its place in the ledger costs no call.
    ///      All sums of a statement are one word, to spare the stack: energy where its tariff says, below it
    ///      what the operator receives from drivers, and WRONG_TIME. They stay far below their bits: a row is
    ///      below 2^32 Wh and 2^54 micro-euro, and a statement has less than 2^16 rows.
    function _rows(Walk memory walk) private returns (uint256 sums) {
        unchecked {
            WordTable tables = walk.tables;
            uint256 mask = walk.mask;
            uint256 last = walk.next;
            uint256 endTime = walk.endTime;
            uint256 startTime = walk.numbers.startTime();
            uint256 next = walk.first;
            while (next < last) {
                uint256 row = BatchDecoder.rowAt(next);
                next += BatchDecoder.ROW_BYTES;
                uint256 terms = tables.get(row & 0xff);
                uint256 energyWh = row >> 48 & 0xffffffff;
                uint256 place = (row >> 75 & mask) + LEDGER;
                uint256 entry = tables.at(place);
                if ((entry >> ACCOUNT_SHIFT ^ row >> 80 ^ (terms & TariffTerms.DRIVER_PAYS)) == SHORT_WAY) {
                    uint256 product = energyWh * (terms & TariffTerms.PRICE_MASK);
                    tables.put(place, entry + ((product + (WH_PER_KWH - 1)) / WH_PER_KWH << DEBIT_SHIFT));
                    sums += product / WH_PER_KWH;
                } else {
                    terms = _longWay(walk, row, terms, next - BatchDecoder.ROW_BYTES);
                }
                sums += energyWh << (terms >> TariffTerms.LANE_SHIFT & 0xff);
                uint256 start = startTime + (row >> 24 & 0xffffff);
                uint256 end = start + (row >> 8 & 0xffff);
                // All times are below 2^42: a difference below zero, and nothing else, sets the highest bit.
                sums |= ((start - (terms >> TariffTerms.VALID_FROM_SHIFT))
                        | ((terms >> TariffTerms.VALID_TO_SHIFT & 0xffffffffff) - end)
                        | (endTime - end)) & WRONG_TIME;
            }
            if (sums & WRONG_TIME != 0) _refuseTimes(walk);
        }
    }

    /// @dev Any row that the hot loop leaves: one of a tariff that is not cached, or not billed, or paid by the
    ///      operator; an account's first, or one away from its place; and all of the second walk.
    /// @return terms the row's tariff; for energy that is not billed, one without a price and an end
    function _longWay(Walk memory walk, uint256 row, uint256 terms, uint256 at) private returns (uint256) {
        unchecked {
            if (terms == 0) {
                if (row & 0xff >= BatchDecoder.UNBILLED_EXPORT) return _unbilled(walk, row, at);
                terms = _loadTerms(walk, row & 0xff);
            }
            uint256 amount = (row >> 48 & 0xffffffff) * (terms & TariffTerms.PRICE_MASK);
            uint256 owed = (amount + (WH_PER_KWH - 1)) / WH_PER_KWH << DEBIT_SHIFT;
            amount /= WH_PER_KWH;
            if (walk.flag != ENTERED && _setAside(walk, row, terms, at, owed | amount)) return terms;
            if (terms & TariffTerms.DRIVER_PAYS != 0) (owed, amount) = (amount, owed);
            walk.payeeAmounts += owed;
            _note(walk, row >> 80, amount);
            return terms;
        }
    }

    /// @dev Of the second walk.
    /// @param amounts what the payer owes above what the other one would receive, as in an entry
    /// @return aside whether the row is set aside, because its payer is
    function _setAside(Walk memory walk, uint256 row, uint256 terms, uint256 at, uint256 amounts)
        private
        returns (bool aside)
    {
        bool driverPays = terms & TariffTerms.DRIVER_PAYS != 0;
        (uint256 payer, uint256 other) = driverPays ? (row >> 80, walk.payee) : (walk.payee, row >> 80);
        (, uint256 entry) = _seek(walk, payer);
        if (entry & ASIDE == 0) return false;
        emit RowSetAside(
            walk.numbers.station(),
            uint64(walk.number),
            uint24(payer),
            walk.numbers.sequence(),
            _indexOf(walk, at),
            amounts >> DEBIT_SHIFT
        );
        if (amounts != 0) _owe(walk, payer, other, amounts);
        // An entry without money, so that the escrow refuses an account that does not exist.
        _note(walk, row >> 80, 0);
        return true;
    }

    /// @return terms as of a tariff without a price and without an end
    function _unbilled(Walk memory walk, uint256 row, uint256 at) private pure returns (uint256 terms) {
        if (row >> 80 != NamedAccounts.HOUSE) {
            revert HouseRow(walk.numbers.station(), _indexOf(walk, at), uint24(row >> 80));
        }
        walk.unbilled += BatchDecoder.ROW_BYTES;
        bool exported = row & 0xff == BatchDecoder.UNBILLED_EXPORT;
        terms = uint256(type(uint40).max) << TariffTerms.VALID_TO_SHIFT
            | (exported ? TariffTerms.EXPORT_SHIFT : TariffTerms.IMPORT_SHIFT) << TariffTerms.LANE_SHIFT;
    }

    /// @dev Finds the row that lies outside of the statement or of its tariff, and refuses it.
    function _refuseTimes(Walk memory walk) private pure {
        uint256 startTime = walk.numbers.startTime();
        for (uint256 at = walk.first; at < walk.next; at += BatchDecoder.ROW_BYTES) {
            uint256 row = BatchDecoder.rowAt(at);
            if (_endOf(row) > walk.numbers.durationS()) _refuseOutside(walk, row, at);
            if (row & 0xff >= BatchDecoder.UNBILLED_EXPORT) continue;
            uint256 terms = walk.tables.get(row & 0xff);
            if (
                startTime + (row >> 24 & 0xffffff) < terms >> TariffTerms.VALID_FROM_SHIFT
                    || startTime + _endOf(row) > terms >> TariffTerms.VALID_TO_SHIFT & 0xffffffffff
            ) revert TariffNotValid(walk.numbers.station(), _indexOf(walk, at), row & 0xff);
        }
        assert(false);
    }

    function _refuseOutside(Walk memory walk, uint256 row, uint256 at) private pure {
        revert RowOutsideStatement(
            walk.numbers.station(), _indexOf(walk, at), walk.numbers.startTime() + _endOf(row), walk.endTime
        );
    }

    /// @return place of the row in its statement, from 0 on
    function _indexOf(Walk memory walk, uint256 at) private pure returns (uint256) {
        return (at - walk.first) / BatchDecoder.ROW_BYTES;
    }

    /// @return when the row ends, s after the start of its statement
    function _endOf(uint256 row) private pure returns (uint256) {
        return (row >> 24 & 0xffffff) + (row >> 8 & 0xffff);
    }

    /// @return terms of a tariff that is published and belongs to the one operator of the base's tariffs
    function _loadTerms(Walk memory walk, uint256 offset) private view returns (uint256 terms) {
        uint256 number = walk.tariffBase + offset;
        if (number > type(uint24).max) revert UnknownTariff(number);
        terms = tariffBook.termsOf(uint24(number));
        if (terms == 0) revert UnknownTariff(number);
        uint256 payee = terms >> TariffTerms.PAYEE_SHIFT;
        if (walk.payee == 0) walk.payee = payee;
        if (payee != walk.payee) {
            revert MixedTariffs(walk.numbers.station(), uint24(walk.payee), uint24(payee));
        }
        terms &= TariffTerms.WITHOUT_PAYEE;
        walk.tables.set(offset, terms);
    }

    /* THE LEDGER OF A BATCH */

    /// @dev Adds to an account's entry; `amounts` is debit above credit, as in an entry.
    function _note(Walk memory walk, uint256 account, uint256 amounts) private pure {
        unchecked {
            (uint256 place, uint256 entry) = _seek(walk, account);
            if (entry == 0) {
                entry = walk.flag | account << ACCOUNT_SHIFT | walk.newest << LINK_SHIFT;
                walk.newest = place >> 5;
                ++walk.used;
            }
            walk.tables.put(place + LEDGER, entry + amounts);
        }
    }

    /// @return place the account's place in the ledger, or the free one that it would take
    /// @return entry the account's entry, zero if it has none yet
    function _seek(Walk memory walk, uint256 account) private pure returns (uint256 place, uint256 entry) {
        unchecked {
            if (account <= NamedAccounts.HOUSE) revert AccountCannotTrade(uint24(account));
            place = account << 5 & walk.mask;
            entry = walk.tables.at(place + LEDGER);
            if (entry != 0 && uint24(entry >> ACCOUNT_SHIFT) != account) {
                return _find(walk.tables.behind(LEDGER), walk.mask, place, account << ACCOUNT_SHIFT, ACCOUNT);
            }
        }
    }

    /// @dev Enters what the rows since the last call do to the operator of their tariffs.
    function _notePayee(Walk memory walk) private pure {
        if (walk.payeeAmounts != 0) _note(walk, walk.payee, walk.payeeAmounts);
        walk.payeeAmounts = 0;
        walk.payee = 0;
    }

    /// @dev Adds to what a debtor owes a creditor.
    function _owe(Walk memory walk, uint256 debtor, uint256 creditor, uint256 amounts) private pure {
        uint256 key = debtor << DEBTOR_SHIFT | creditor << CREDITOR_SHIFT;
        (uint256 place, uint256 debt) = _find(walk.debts, walk.mask, debtor + creditor << 5, key, PARTIES);
        if (debt == 0) {
            debt = key;
            ++walk.debtors;
        }
        walk.debts.put(place, debt + amounts);
    }

    /// @return debts one for each debtor and creditor
    function _debtsOf(Walk memory walk) private pure returns (IEscrow.NewDebt[] memory debts) {
        uint256 found = walk.debtors;
        debts = new IEscrow.NewDebt[](found);
        for (uint256 place; found != 0; place += 32) {
            uint256 debt = walk.debts.at(place);
            if (debt == 0) continue;
            debts[--found] = IEscrow.NewDebt(
                uint24(debt >> DEBTOR_SHIFT), uint24(debt >> CREDITOR_SHIFT), uint96(debt >> DEBIT_SHIFT), uint96(debt)
            );
        }
    }

    /// @return entries one for each account that the batch touches; the dust account's is the last
    /// @return paidMicro what payers pay
    /// @return dustMicro what rounding leaves, already in the dust account's entry
    function _entriesOf(Walk memory walk)
        private
        pure
        returns (Entry[] memory entries, uint256 paidMicro, uint256 dustMicro)
    {
        unchecked {
            uint256 sums;
            uint256 count = walk.used;
            uint256 place = walk.newest;
            entries = new Entry[](count);
            for (uint256 i; i < count; ++i) {
                uint256 entry = walk.tables.at(LEDGER + (place << 5));
                entries[i] = Entry.wrap(entry);
                // Debits and credits stay below 2^96 each when summed, so they add up side by side.
                sums += entry & AMOUNTS;
                place = uint16(entry >> LINK_SHIFT);
            }
            paidMicro = sums >> DEBIT_SHIFT;
            dustMicro = paidMicro - uint96(sums);
            entries[count - 1] = Entry.wrap(Entry.unwrap(entries[count - 1]) + dustMicro);
        }
    }

    /// @return place where the word with this key is, or the free place that it would take
    /// @return word  the word, zero if there is none
    function _find(WordTable table, uint256 mask, uint256 start, uint256 key, uint256 keyMask)
        private
        pure
        returns (uint256 place, uint256 word)
    {
        unchecked {
            place = start & mask;
            for (uint256 tries; tries <= mask; tries += 32) {
                word = table.at(place);
                if (word == 0 || word & keyMask == key) return (place, word);
                place = place + 32 & mask;
            }
            revert TableFull((mask >> 5) + 1);
        }
    }
}
