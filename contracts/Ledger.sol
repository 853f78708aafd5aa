// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {FirstTable, WordTable, WordTables} from "./BatchDecoder.sol";
import {ACCOUNT_SHIFT, DEBIT_SHIFT, Entry} from "./Entries.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";
import {NamedAccounts} from "./Roles.sol";

/// @title The ledger of a batch: netting an account costs a few memory words and no storage.
/// @notice A hash table with open addressing, in the first table of memory from `START` on. Its words are entries
///         as in Entries.sol; an entry's link is the place of the one entered before it. The first place is taken
///         by the house, which cannot trade: account 0, whose place it is, must not find a word of zeros there.
library Ledgers {
    using WordTables for WordTable;

    /// @notice `mask` makes an offset in the table of 32 times an account; `newest` is the place of the last entry.
    struct Ledger {
        uint256 mask;
        uint256 newest;
        uint256 used;
    }

    /// @notice Where the ledger begins in the first table: behind 256 tariffs.
    uint256 internal constant START = 256 << 5;
    /// @notice Marks, in the second walk, the entry of a payer whose rows move no money, because it cannot pay all
    ///         of them.
    uint256 internal constant ASIDE = 1 << 208;
    uint256 private constant LINK_SHIFT = 192;
    uint256 private constant LINK = 0xffff;
    uint256 private constant AMOUNTS = (1 << LINK_SHIFT) - 1;

    /// @notice An empty ledger with the dust account's entry.
    function open(Ledger memory ledger, uint256 places) internal pure {
        ledger.mask = WordTables.mask(places);
        FirstTable.put(START, uint256(NamedAccounts.HOUSE) << ACCOUNT_SHIFT);
        note(ledger, NamedAccounts.DUST, 0);
    }

    /// @notice Adds to an account's entry; `amounts` is debit above credit, as in an entry, and may have ASIDE.
    function note(Ledger memory ledger, uint256 account, uint256 amounts) internal pure {
        unchecked {
            (uint256 place, uint256 entry) = seek(ledger, account);
            if (entry == 0) _enter(ledger, account, place, amounts);
            else FirstTable.put(place + START, entry + amounts);
        }
    }

    /// @notice Enters the account if its own place is free.
    /// @return whether its entry is there
    function isAtItsPlace(Ledger memory ledger, uint256 account) internal pure returns (bool) {
        unchecked {
            uint256 place = account << 5 & ledger.mask;
            uint256 entry = FirstTable.at(place + START);
            if (entry != 0) return entry >> ACCOUNT_SHIFT == account;
            if (account <= NamedAccounts.HOUSE) revert ISessionSettlement.AccountCannotTrade(uint24(account));
            _enter(ledger, account, place, 0);
            return true;
        }
    }

    /// @return place the account's place, or the free one that it would take
    /// @return entry the account's entry, zero if it has none yet
    function seek(Ledger memory ledger, uint256 account) internal pure returns (uint256 place, uint256 entry) {
        unchecked {
            if (account <= NamedAccounts.HOUSE) revert ISessionSettlement.AccountCannotTrade(uint24(account));
            uint256 mask = ledger.mask;
            place = account << 5 & mask;
            for (uint256 tries; tries <= mask; tries += 32) {
                entry = FirstTable.at(place + START);
                if (entry == 0 || entry >> ACCOUNT_SHIFT == account) return (place, entry);
                place = place + 32 & mask;
            }
            revert ISessionSettlement.TableFull((mask >> 5) + 1);
        }
    }

    function _enter(Ledger memory ledger, uint256 account, uint256 place, uint256 amounts) private pure {
        unchecked {
            FirstTable.put(place + START, account << ACCOUNT_SHIFT | ledger.newest << LINK_SHIFT | amounts);
            ledger.newest = place >> 5;
            ++ledger.used;
        }
    }

    /// @return entries one for each account that the batch touches; the dust account's is the last
    /// @return paidMicro what payers pay
    /// @return dustMicro what rounding leaves, already in the dust account's entry
    function entriesOf(Ledger memory ledger)
        internal
        pure
        returns (Entry[] memory entries, uint256 paidMicro, uint256 dustMicro)
    {
        unchecked {
            entries = new Entry[](ledger.used);
            WordTable list = WordTables.words(entries);
            uint256 last = entries.length - 1 << 5;
            uint256 place = ledger.newest << 5;
            uint256 sums;
            for (uint256 offset; offset < last; offset += 32) {
                uint256 entry = FirstTable.at(START + place);
                list.put(offset, entry);
                // Debits and credits stay below 2^96 each when summed, so they add up side by side.
                sums += entry & AMOUNTS;
                place = entry >> LINK_SHIFT - 5 & LINK << 5;
            }
            uint256 dust = FirstTable.at(START + place);
            sums += dust & AMOUNTS;
            paidMicro = sums >> DEBIT_SHIFT;
            dustMicro = paidMicro - uint96(sums);
            list.put(last, dust + dustMicro);
        }
    }
}
