// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {MarketBase} from "./MarketBase.sol";

/// @title Notes what a call cost, or compares it with what was noted.
interface GasMeter {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gasUsed);
}

/// @title What the verbs of the book of positions cost, kept in snapshots/ as those of Gas.t.sol.
/// forge-config: default.isolate = true
contract PositionGasTest is MarketBase {
    GasMeter private constant METER = GasMeter(address(vm));
    uint24 private constant MEMBERS = 20;

    function test_openZone() public {
        positions.openZone(ZONE + 1, RIVAL_ACCOUNT);
        _note("openZone");
    }

    function test_trade_conclude() public {
        _bought(ALICE, 1000);
        _note("trade");
        _conclude(300_001, 20_003);
        _note("conclude");
    }

    function test_spendNonce() public {
        positions.spendNonce(ZONE, INTERVAL, ALICE, 1);
        _note("spendNonce");
    }

    function test_meter_close() public {
        uint24 first = _openMembers();
        uint256[] memory rows = new uint256[](MEMBERS);
        uint24[] memory list = new uint24[](MEMBERS);
        for (uint24 i; i < MEMBERS; ++i) {
            list[i] = first + i;
            _bought(list[i], 1000);
            rows[i] = _meterWord(GRID, list[i], INTERVAL, false, 1000 + i);
        }
        positions.meter(rows);
        _note("meter, 20 rows of 20 accounts");
        _conclude(300_001, 20_003);
        vm.warp(CLOSABLE);
        _close(list);
        _note("close, 20 accounts");
        _metered(list[0], 1, 0);
        _close(list[0]);
        _note("close, 1 account");
        _metered(CAROL, 1, 0);
        _close(CAROL);
        _note("close, 1 account that cannot pay");
    }

    /// @dev Members with money.
    function _openMembers() private returns (uint24 first) {
        address[] memory owners = new address[](MEMBERS);
        for (uint256 i; i < MEMBERS; ++i) {
            owners[i] = _fresh(i);
        }
        vm.prank(OPERATOR);
        first = accounts.openAccounts(owners, new address[](MEMBERS));
        for (uint24 i; i < MEMBERS; ++i) {
            _fund(owners[i], first + i, RICH);
        }
    }

    function _note(string memory name) private {
        vm.assertTrue(METER.snapshotGasLastCall("PositionBook", name) > 21_000);
    }
}
