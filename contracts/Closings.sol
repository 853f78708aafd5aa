// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry, entryOf} from "./Entries.sol";
import {Imbalances} from "./Imbalances.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IPositionBook} from "./interfaces/IPositionBook.sol";
import {NamedAccounts} from "./Roles.sol";

/// @title What one call closes, and what it moves: an entry for each account and one for the grid account, netted.
library Closings {
    /// @notice Positions of one zone and interval; `list` has an account in each of its first `count` places, of
    ///         which `aside` are set aside.
    struct Closing {
        uint16 zone;
        uint40 interval;
        uint24 grid;
        Imbalances.Prices prices;
        Closed[] list;
        uint256 count;
        uint256 aside;
    }

    /// @notice One account's position, and what it comes to.
    struct Closed {
        uint24 account;
        bool accountPays;
        bool setAside;
        uint96 owedMicro;
        uint96 receivedMicro;
        IPositionBook.Position position;
    }

    /// @notice Sets all aside that these payers should pay.
    function setAside(Closing memory closing, uint24[] memory payers) internal pure {
        for (uint256 i; i < closing.count; ++i) {
            Closed memory closed = closing.list[i];
            if (closed.setAside || closed.owedMicro == 0 || !_contains(payers, _payerOf(closing, closed))) continue;
            closed.setAside = true;
            ++closing.aside;
        }
    }

    function _contains(uint24[] memory list, uint24 account) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }

    function _payerOf(Closing memory closing, Closed memory closed) private pure returns (uint24) {
        return closed.accountPays ? closed.account : closing.grid;
    }

    /// @return entries one for each account, without money if it is set aside, so that the escrow refuses one that
    ///         does not exist; then the grid account's, netted, and the dust account's
    function entriesOf(Closing memory closing) internal pure returns (Entry[] memory entries) {
        uint256 count = closing.count;
        entries = new Entry[](count + 2);
        (uint96 gridOwesMicro, uint96 gridReceivesMicro, uint96 dustMicro) = (0, 0, 0);
        for (uint256 i; i < count; ++i) {
            Closed memory closed = closing.list[i];
            (uint96 owedMicro, uint96 receivedMicro) =
                closed.setAside ? (0, 0) : (closed.owedMicro, closed.receivedMicro);
            dustMicro += owedMicro - receivedMicro;
            if (closed.accountPays) {
                entries[i] = entryOf(closed.account, owedMicro, 0);
                gridReceivesMicro += receivedMicro;
            } else {
                entries[i] = entryOf(closed.account, 0, receivedMicro);
                gridOwesMicro += owedMicro;
            }
        }
        entries[count] = gridOwesMicro > gridReceivesMicro
            ? entryOf(closing.grid, gridOwesMicro - gridReceivesMicro, 0)
            : entryOf(closing.grid, 0, gridReceivesMicro - gridOwesMicro);
        entries[count + 1] = entryOf(NamedAccounts.DUST, 0, dustMicro);
    }

    /// @notice A debt for each account that is set aside.
    function debtsOf(Closing memory closing) internal pure returns (IEscrow.NewDebt[] memory debts) {
        debts = new IEscrow.NewDebt[](closing.aside);
        uint256 found;
        for (uint256 i; i < closing.count; ++i) {
            Closed memory closed = closing.list[i];
            if (!closed.setAside) continue;
            uint24 creditor = closed.accountPays ? closing.grid : closed.account;
            debts[found++] =
                IEscrow.NewDebt(_payerOf(closing, closed), creditor, closed.owedMicro, closed.receivedMicro);
        }
    }
}
