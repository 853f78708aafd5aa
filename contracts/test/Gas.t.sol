// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry, entryOf} from "../Entries.sol";
import {IAccountRegistry} from "../interfaces/IAccountRegistry.sol";
import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IModuleGate} from "../interfaces/IModuleGate.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Roles} from "../Roles.sol";
import {Base, ISettlementToken} from "./Base.sol";

/// @title Notes what a call cost, or compares it with what was noted.
interface GasMeter {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gasUsed);
}

/// @title What each verb of each contract costs, kept in snapshots/: one file a contract, one entry a verb.
/// @notice Each call is a transaction of its own: its intrinsic gas, its calldata and cold storage are counted.
///         `make gas` writes the files anew; all other runs fail if a figure differs.
/// forge-config: default.isolate = true
contract GasTest is Base {
    GasMeter private constant METER = GasMeter(address(vm));
    uint256 private constant NEW_KEY = 0xBEEF;
    uint32 private constant ENERGY_WH = 10_000;
    uint96 private constant PRICE = 3_000_010;
    uint96 private constant AMOUNT = 5_000_000;

    /* ACCOUNT REGISTRY */

    function test_openAccount() public {
        vm.prank(OPERATOR);
        accounts.openAccount(_fresh(1), _fresh(2));
        _note("AccountRegistry", "openAccount");
    }

    function test_openAccounts() public {
        (address[] memory owners, address[] memory keys) = (new address[](10), new address[](10));
        for (uint256 i; i < 10; ++i) {
            (owners[i], keys[i]) = (_fresh(2 * i), _fresh(2 * i + 1));
        }
        vm.prank(OPERATOR);
        accounts.openAccounts(owners, keys);
        _note("AccountRegistry", "openAccounts, 10");
    }

    function test_setDriverKey() public {
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, _fresh(1));
        _note("AccountRegistry", "setDriverKey");
    }

    function test_closeAccount_reopenAccount() public {
        vm.prank(CAROL_OWNER);
        accounts.closeAccount(CAROL);
        _note("AccountRegistry", "closeAccount");
        vm.prank(OPERATOR);
        accounts.reopenAccount(CAROL);
        _note("AccountRegistry", "reopenAccount");
    }

    function test_setTreasury() public {
        bytes memory arguments = abi.encode(HOUSE_OWNER, DUST_OWNER, GOVERNOR);
        IAccountRegistry registry = IAccountRegistry(_deploy("AccountRegistry", arguments));
        vm.prank(GOVERNOR);
        registry.setTreasury(address(escrow));
        _note("AccountRegistry", "setTreasury");
    }

    function test_grantRole_revokeRole() public {
        vm.prank(GOVERNOR);
        accounts.grantRole(BOB, Roles.AUDITOR);
        _note("AccountRegistry", "grantRole");
        vm.prank(GOVERNOR);
        accounts.revokeRole(BOB, Roles.AUDITOR);
        _note("AccountRegistry", "revokeRole");
    }

    /* MODULE GATES */

    function test_proposeModule_removeModule_ofTheStationRegistry() public {
        _gate("StationRegistry", stationGate);
    }

    function test_proposeModule_removeModule_ofTheEscrow() public {
        _gate("Escrow", escrowGate);
    }

    function _gate(string memory name, IModuleGate gate) private {
        vm.prank(GOVERNOR);
        gate.proposeModule(address(tariffBook));
        _note(name, "proposeModule");
        vm.prank(GOVERNOR);
        gate.removeModule(address(tariffBook));
        _note(name, "removeModule");
    }

    function test_sealModules_ofTheStationRegistry() public {
        IModuleGate gate = IModuleGate(_deploy("StationRegistry", abi.encode(accounts, MODULE_DELAY)));
        vm.prank(GOVERNOR);
        gate.sealModules();
        _note("StationRegistry", "sealModules");
    }

    function test_sealModules_ofTheEscrow() public {
        bytes memory arguments = abi.encode(accounts, token, WITHDRAWAL_DELAY, MODULE_DELAY);
        IModuleGate gate = IModuleGate(_deploy("Escrow", arguments));
        vm.prank(GOVERNOR);
        gate.sealModules();
        _note("Escrow", "sealModules");
    }

    /* STATION REGISTRY */

    function test_registerStation() public {
        vm.prank(OPERATOR);
        stations.registerStation(_fresh(1), RATED_POWER_W, true, 1234, 567);
        _note("StationRegistry", "registerStation");
    }

    function test_registerStations() public {
        address[] memory signers = new address[](10);
        for (uint256 i; i < 10; ++i) {
            signers[i] = _fresh(i);
        }
        vm.prank(OPERATOR);
        stations.registerStations(signers, RATED_POWER_W, false);
        _note("StationRegistry", "registerStations, 10");
    }

    function test_rotateKey_revokeKey() public {
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(NEW_KEY));
        _note("StationRegistry", "rotateKey");
        vm.prank(OPERATOR);
        stations.revokeKey(V2G_STATION, vm.addr(NEW_KEY), NOW - 1);
        _note("StationRegistry", "revokeKey");
    }

    function test_suspendStation_reactivateStation() public {
        vm.prank(GOVERNOR);
        stations.suspendStation(V2G_STATION);
        _note("StationRegistry", "suspendStation");
        vm.prank(GOVERNOR);
        stations.reactivateStation(V2G_STATION);
        _note("StationRegistry", "reactivateStation");
    }

    function test_replaceMeter() public {
        _settle(_batchOf(_first(ENERGY_WH, ENERGY_WH, _bothWays())));
        IStationRegistry.MeterReplacement memory m =
            IStationRegistry.MeterReplacement(V2G_STATION, 2, NOW, ENERGY_WH, ENERGY_WH, 17, 18);
        (bytes32 r, bytes32 vs) = _sign(_replacementDigest(m), _keyOf(V2G_STATION));
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        _note("StationRegistry", "replaceMeter");
    }

    function test_advance() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        Statement memory next = _statement(V2G_STATION, 2, 2 * ENERGY_WH, 0, _row(ALICE, ENERGY_WH, CHARGE));
        uint256[] memory sums = new uint256[](1);
        sums[0] = uint256(ENERGY_WH) << 64 | OPERATOR_ACCOUNT;
        bytes memory batch = _batchOf(next);
        vm.prank(address(settlement));
        stations.advance(batch, sums);
        _note("StationRegistry", "advance");
    }

    /* TARIFF BOOK */

    function test_publish() public {
        ITariffBook.Tariff[] memory day = new ITariffBook.Tariff[](24);
        for (uint256 i; i < day.length; ++i) {
            day[i] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, int32(int256(250_000 + i)));
        }
        vm.prank(OPERATOR);
        tariffBook.publish(day);
        _note("TariffBook", "publish, 24");
    }

    /* SETTLEMENT TOKEN */

    function test_setEscrow() public {
        ISettlementToken second = ISettlementToken(_deploy("SettlementToken", abi.encode(accounts)));
        vm.prank(GOVERNOR);
        second.setEscrow(address(escrow));
        _note("SettlementToken", "setEscrow");
    }

    function test_mint_burn() public {
        _mint(OPERATOR, AMOUNT);
        vm.prank(OPERATOR);
        token.mint(OPERATOR, AMOUNT);
        _note("SettlementToken", "mint");
        vm.prank(OPERATOR);
        token.burn(AMOUNT);
        _note("SettlementToken", "burn");
    }

    function test_approve_transfer_transferFrom() public {
        _mint(ALICE_OWNER, 3 * AMOUNT);
        _mint(BOB_OWNER, AMOUNT);
        vm.prank(ALICE_OWNER);
        token.transfer(BOB_OWNER, AMOUNT);
        _note("SettlementToken", "transfer");
        vm.prank(ALICE_OWNER);
        token.approve(BOB_OWNER, 2 * AMOUNT);
        _note("SettlementToken", "approve");
        vm.prank(BOB_OWNER);
        token.transferFrom(ALICE_OWNER, BOB_OWNER, AMOUNT);
        _note("SettlementToken", "transferFrom");
    }

    /* ESCROW: MEMBERS */

    function test_deposit() public {
        _mint(ALICE_OWNER, 2 * AMOUNT);
        vm.prank(ALICE_OWNER);
        token.approve(address(escrow), 2 * AMOUNT);
        vm.prank(ALICE_OWNER);
        escrow.deposit(ALICE, AMOUNT);
        _note("Escrow", "deposit");
    }

    function test_deposit_thatPaysADebt() public {
        _owe(CAROL, AMOUNT);
        _mint(CAROL_OWNER, 3 * AMOUNT);
        vm.prank(CAROL_OWNER);
        token.approve(address(escrow), 3 * AMOUNT);
        vm.prank(CAROL_OWNER);
        escrow.deposit(CAROL, 2 * AMOUNT);
        _note("Escrow", "deposit, one debt");
    }

    function test_requestWithdrawal_cancelWithdrawal() public {
        vm.prank(ALICE_OWNER);
        escrow.requestWithdrawal(ALICE, AMOUNT);
        _note("Escrow", "requestWithdrawal");
        vm.prank(ALICE_OWNER);
        escrow.cancelWithdrawal(ALICE);
        _note("Escrow", "cancelWithdrawal");
    }

    function test_withdraw() public {
        _mint(ALICE_OWNER, AMOUNT);
        vm.prank(ALICE_OWNER);
        escrow.requestWithdrawal(ALICE, AMOUNT);
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.prank(ALICE_OWNER);
        escrow.withdraw(ALICE);
        _note("Escrow", "withdraw");
    }

    function test_setDailyCap() public {
        vm.prank(ALICE_OWNER);
        escrow.setDailyCap(ALICE, uint64(AMOUNT));
        _note("Escrow", "setDailyCap");
    }

    function test_collect() public {
        _owe(ALICE, AMOUNT);
        vm.prank(OPERATOR);
        escrow.collect(ALICE, 1);
        _note("Escrow", "collect");
    }

    function test_reclaim() public {
        vm.prank(address(court));
        escrow.lock(ALICE, AMOUNT);
        vm.prank(GOVERNOR);
        escrowGate.removeModule(address(court));
        vm.prank(ALICE_OWNER);
        escrow.reclaim(ALICE, address(court));
        _note("Escrow", "reclaim");
    }

    /* ESCROW: GOVERNANCE */

    function test_pause_unpause() public {
        vm.prank(GOVERNOR);
        escrow.pause();
        _note("Escrow", "pause");
        vm.prank(GOVERNOR);
        escrow.unpause();
        _note("Escrow", "unpause");
    }

    function test_freezeWithdrawals_thawWithdrawals() public {
        vm.prank(GOVERNOR);
        escrow.freezeWithdrawals(1 days);
        _note("Escrow", "freezeWithdrawals");
        vm.prank(GOVERNOR);
        escrow.thawWithdrawals();
        _note("Escrow", "thawWithdrawals");
    }

    function test_setBalanceCap() public {
        vm.prank(GOVERNOR);
        escrow.setBalanceCap(RICH);
        _note("Escrow", "setBalanceCap");
    }

    function test_writeOff() public {
        _owe(CAROL, AMOUNT);
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, 0);
        _note("Escrow", "writeOff");
    }

    /* ESCROW: MODULES */

    function test_applyBatch() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        Entry[] memory entries = new Entry[](3);
        entries[0] = entryOf(ALICE, PRICE, 0);
        entries[1] = entryOf(OPERATOR_ACCOUNT, 0, PRICE - 1);
        entries[2] = entryOf(DUST, 0, 1);
        vm.prank(address(settlement));
        escrow.applyBatch(entries);
        _note("Escrow", "applyBatch, 3");
    }

    function test_recordDebts_reduceDebt() public {
        _owe(CAROL, AMOUNT);
        _note("Escrow", "recordDebts, 1");
        vm.prank(address(court));
        escrow.reduceDebt(CAROL, 0, 10, 9);
        _note("Escrow", "reduceDebt");
    }

    function test_lock_release() public {
        vm.prank(address(court));
        escrow.lock(ALICE, BOND_MICRO);
        _note("Escrow", "lock");
        vm.prank(address(court));
        escrow.release(ALICE, BOB, BOND_MICRO);
        _note("Escrow", "release");
    }

    /* SETTLEMENT */

    function test_settle_oneRow() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        Statement memory next = _statement(V2G_STATION, 2, 2 * ENERGY_WH, 0, _row(ALICE, ENERGY_WH, CHARGE));
        _settle(_batchOf(next));
        _note("SessionSettlement", "settle, 1 row");
    }

    function test_settle_twoStationsBothWays() public {
        for (uint24 sequence = 1; sequence <= 2; ++sequence) {
            bytes memory rows;
            for (uint256 i; i < 16; ++i) {
                rows = bytes.concat(rows, _row(i % 2 == 0 ? ALICE : BOB, ENERGY_WH, i % 4 < 2 ? CHARGE : DISCHARGE));
            }
            uint40 registers = 8 * uint40(ENERGY_WH) * sequence;
            bytes memory one = _signed(_statement(V2G_STATION, sequence, registers, registers, rows));
            Statement memory two = _statement(RIVAL_STATION, sequence, registers, registers, rows);
            two.tariffBase = RIVAL_CHARGE;
            _settle(_batch(one, _signed(two)));
        }
        _note("SessionSettlement", "settle, 2 stations, 32 rows");
    }

    function test_settle_withARowSetAside() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        bytes memory rows = bytes.concat(_row(ALICE, ENERGY_WH, CHARGE), _row(CAROL, ENERGY_WH, CHARGE));
        _settle(_batchOf(_statement(V2G_STATION, 2, 3 * ENERGY_WH, 0, rows)));
        _note("SessionSettlement", "settle, 2 rows, 1 set aside");
    }

    function test_settle_evidenceAlone() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _settle(_header(1, 0));
        _note("SessionSettlement", "settle, evidence alone");
    }

    /* DISPUTE COURT */

    function test_dispute_justify() public {
        _dispute();
        _note("DisputeCourt", "dispute");
        IDisputeCourt.SessionAuthorisation memory allowed = _authorisation();
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(allowed), ALICE_VEHICLE_KEY);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, allowed, r, vs);
        _note("DisputeCourt", "justify");
    }

    function test_dispute_reverse() public {
        _dispute();
        vm.warp(NOW + ANSWER_WINDOW_S + 1);
        vm.prank(BOB_OWNER);
        court.reverse(V2G_STATION, 1, 0, 0);
        _note("DisputeCourt", "reverse");
    }

    /// @dev Bob disputes the first row of batch 1.
    function _dispute() private {
        Statement memory s = _aliceCharges(ENERGY_WH);
        _settle(_batchOf(s));
        IDisputeCourt.Proof memory proof = _proofOf(s, 0);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
    }

    /* WHAT THE TESTS SHARE */

    /// @dev Notes what the last call cost.
    function _note(string memory group, string memory name) private {
        vm.assertTrue(METER.snapshotGasLastCall(group, name) > 21_000);
    }

    function _owe(uint24 debtor, uint96 owedMicro) private {
        IEscrow.NewDebt[] memory debts = new IEscrow.NewDebt[](1);
        debts[0] = IEscrow.NewDebt(debtor, OPERATOR_ACCOUNT, owedMicro, owedMicro - 1);
        vm.prank(address(settlement));
        escrow.recordDebts(1, debts);
    }

    function _bothWays() private pure returns (bytes memory) {
        return bytes.concat(_row(ALICE, ENERGY_WH, CHARGE), _row(ALICE, ENERGY_WH, DISCHARGE));
    }
}
