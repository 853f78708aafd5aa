// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {WordTable, WordTables} from "./BatchDecoder.sol";
import {DEBIT_SHIFT} from "./Entries.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";

/// @title What a batch's rows that are set aside leave owing.
/// @notice A hash table with open addressing; its words are debtor (24 bits) above creditor (24) above owed (96)
///         above share (96), in micro-euro.
library Debts {
    using WordTables for WordTable;

    struct DebtTable {
        WordTable words;
        uint256 mask;
        uint256 used;
    }

    uint256 private constant DEBTOR_SHIFT = 216;
    uint256 private constant CREDITOR_SHIFT = 192;

    /// @notice An empty table.
    function create(uint256 places) internal pure returns (DebtTable memory debts) {
        debts.words = WordTables.create(places);
        debts.mask = WordTables.mask(places);
    }

    /// @notice Adds to what a debtor owes a creditor; `amounts` is owed above share.
    function owe(DebtTable memory debts, uint256 debtor, uint256 creditor, uint256 amounts) internal pure {
        uint256 key = debtor << DEBTOR_SHIFT | creditor << CREDITOR_SHIFT;
        uint256 place = debtor + creditor << 5 & debts.mask;
        for (uint256 tries; tries <= debts.mask; tries += 32) {
            uint256 debt = debts.words.at(place);
            if (debt == 0) ++debts.used;
            if (debt == 0 || debt >> CREDITOR_SHIFT == key >> CREDITOR_SHIFT) {
                debts.words.put(place, (debt == 0 ? key : debt) + amounts);
                return;
            }
            place = place + 32 & debts.mask;
        }
        revert ISessionSettlement.TableFull((debts.mask >> 5) + 1);
    }

    /// @return list one debt for each debtor and creditor
    function listOf(DebtTable memory debts) internal pure returns (IEscrow.NewDebt[] memory list) {
        uint256 found = debts.used;
        list = new IEscrow.NewDebt[](found);
        for (uint256 place; found != 0; place += 32) {
            uint256 debt = debts.words.at(place);
            if (debt == 0) continue;
            list[--found] = IEscrow.NewDebt(
                uint24(debt >> DEBTOR_SHIFT), uint24(debt >> CREDITOR_SHIFT), uint96(debt >> DEBIT_SHIFT), uint96(debt)
            );
        }
    }
}
