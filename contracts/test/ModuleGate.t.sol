// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Entry} from "../Entries.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IModuleGate} from "../interfaces/IModuleGate.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title The gates in front of the escrow and the stations, which are one and the same code.
contract ModuleGateTest is Base {
    uint40 private constant LATER = NOW + MODULE_DELAY;

    IModuleGate[2] private _gates;

    function setUp() public override {
        super.setUp();
        _gates = [escrowGate, stationGate];
    }

    /* CONSTRUCTION */

    function test_theRegistryMustBeAContract() public {
        bytes memory why = abi.encodeWithSelector(IModuleGate.NotAContract.selector, STRANGER);
        vm.expectRevert(why);
        _deploy("StationRegistry", abi.encode(STRANGER, MODULE_DELAY));
        vm.expectRevert(why);
        _deploy("Escrow", abi.encode(STRANGER, token, WITHDRAWAL_DELAY, MODULE_DELAY));
    }

    function test_whatWasDeployedIsSealedAndHasItsModules() public view {
        for (uint256 i; i < 2; ++i) {
            vm.assertTrue(_gates[i].sealedModules());
            vm.assertEq(_gates[i].moduleDelay(), MODULE_DELAY);
            vm.assertTrue(_gates[i].isModule(address(settlement)));
            vm.assertEq(_gates[i].moduleActiveFrom(address(settlement)), NOW);
            vm.assertFalse(_gates[i].isModule(address(this)));
            vm.assertFalse(_gates[i].isModule(address(0)));
        }
        vm.assertTrue(escrowGate.isModule(address(court)));
        vm.assertFalse(stationGate.isModule(address(court)));
    }

    /* BEFORE THE SEAL */

    function test_beforeTheSealAModuleIsActiveAtOnceAndNothingComesIn() public {
        IModuleGate[2] memory young = _youngGates();
        vm.startPrank(GOVERNOR);
        for (uint256 i; i < 2; ++i) {
            vm.assertFalse(young[i].sealedModules());
            vm.expectEmit(address(young[i]));
            emit IModuleGate.ModuleProposed(address(this), NOW);
            young[i].proposeModule(address(this));
            vm.assertTrue(young[i].isModule(address(this)));
        }
        vm.stopPrank();
        bytes memory notSealed = abi.encodeWithSelector(IModuleGate.NotSealed.selector);
        vm.startPrank(OPERATOR);
        vm.expectRevert(notSealed);
        IEscrow(address(young[0])).deposit(ALICE, 1);
        vm.expectRevert(notSealed);
        IStationRegistry(address(young[1])).registerStation(_fresh(1), RATED_POWER_W, true, 0, 0);
        address[] memory signers = new address[](1);
        signers[0] = _fresh(1);
        vm.expectRevert(notSealed);
        IStationRegistry(address(young[1])).registerStations(signers, RATED_POWER_W, true);
        vm.stopPrank();
    }

    function test_theSealIsSetOnce() public {
        IModuleGate[2] memory young = _youngGates();
        vm.startPrank(GOVERNOR);
        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(young[i]));
            emit IModuleGate.ModulesSealed(MODULE_DELAY);
            young[i].sealModules();
            vm.assertTrue(young[i].sealedModules());
            vm.expectRevert(abi.encodeWithSelector(IModuleGate.AlreadySealed.selector));
            young[i].sealModules();
        }
        vm.stopPrank();
    }

    function _youngGates() private returns (IModuleGate[2] memory) {
        address stationsGate = _deploy("StationRegistry", abi.encode(accounts, MODULE_DELAY));
        address escrowsGate = _deploy("Escrow", abi.encode(accounts, token, WITHDRAWAL_DELAY, MODULE_DELAY));
        return [IModuleGate(escrowsGate), IModuleGate(stationsGate)];
    }

    /* PROPOSALS AND REMOVALS */

    function test_aProposedModuleIsActiveAfterTheDelayAndNoSecondBefore() public {
        for (uint256 i; i < 2; ++i) {
            vm.warp(NOW);
            vm.expectEmit(address(_gates[i]));
            emit IModuleGate.ModuleProposed(address(this), LATER);
            _propose(_gates[i], address(this));
            vm.assertEq(_gates[i].moduleActiveFrom(address(this)), LATER);
            vm.warp(LATER - 1);
            vm.assertFalse(_gates[i].isModule(address(this)));
            vm.warp(LATER);
            vm.assertTrue(_gates[i].isModule(address(this)));
        }
    }

    function test_aModuleThatWaitsMovesNothing() public {
        _propose(escrowGate, address(this));
        _propose(stationGate, address(this));
        vm.warp(LATER - 1);
        vm.expectRevert(_notAModule(address(this)));
        escrow.applyBatch(new Entry[](0));
        vm.expectRevert(_notAModule(address(this)));
        stations.advance("", new uint256[](0));
        vm.warp(LATER);
        escrow.applyBatch(new Entry[](0));
        stations.advance("", new uint256[](0));
    }

    function test_aModuleIsNotProposedTwice() public {
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IModuleGate.ModuleKnown.selector, address(settlement), NOW));
            _propose(_gates[i], address(settlement));
            _propose(_gates[i], address(this));
            vm.expectRevert(abi.encodeWithSelector(IModuleGate.ModuleKnown.selector, address(this), LATER));
            _propose(_gates[i], address(this));
        }
    }

    function test_aModuleIsAContract() public {
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IModuleGate.NotAContract.selector, STRANGER));
            _propose(_gates[i], STRANGER);
        }
    }

    function test_aModuleIsRemovedAtOnce() public {
        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(_gates[i]));
            emit IModuleGate.ModuleRemoved(address(settlement));
            vm.prank(GOVERNOR);
            _gates[i].removeModule(address(settlement));
            vm.assertFalse(_gates[i].isModule(address(settlement)));
            vm.assertEq(_gates[i].moduleActiveFrom(address(settlement)), 0);
        }
        vm.assertTrue(escrowGate.isModule(address(court)));
        _settleRefused(_batchOf(_aliceCharges(1)), _notAModule(address(settlement)));
    }

    function test_aProposalIsTakenBack() public {
        for (uint256 i; i < 2; ++i) {
            vm.warp(NOW);
            _propose(_gates[i], address(this));
            vm.prank(GOVERNOR);
            _gates[i].removeModule(address(this));
            vm.warp(LATER);
            vm.assertFalse(_gates[i].isModule(address(this)));
        }
    }

    function test_whatIsNoModuleIsNotRemoved() public {
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(_notAModule(STRANGER));
            vm.prank(GOVERNOR);
            _gates[i].removeModule(STRANGER);
        }
    }

    function test_aModuleThatWasRemovedWaitsAgain() public {
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(GOVERNOR);
            _gates[i].removeModule(address(settlement));
            _gates[i].proposeModule(address(settlement));
            vm.stopPrank();
            vm.assertEq(_gates[i].moduleActiveFrom(address(settlement)), LATER);
            vm.assertFalse(_gates[i].isModule(address(settlement)));
        }
    }

    function testFuzz_nobodyButAGovernorTouchesAGate(address caller) public {
        vm.assume(caller != GOVERNOR);
        bytes memory why = _missingRole(caller, Roles.GOVERNOR);
        vm.startPrank(caller);
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(why);
            _gates[i].proposeModule(address(this));
            vm.expectRevert(why);
            _gates[i].removeModule(address(settlement));
            vm.expectRevert(why);
            _gates[i].sealModules();
        }
    }

    function testFuzz_aModuleActsFromItsTimeOn(uint40 proposed, uint40 asked) public {
        proposed = uint40(_between(proposed, NOW, NOW + 1000 days));
        asked = uint40(_between(asked, proposed, proposed + 2 * MODULE_DELAY));
        vm.warp(proposed);
        _propose(escrowGate, address(this));
        vm.warp(asked);
        bool active = asked >= proposed + MODULE_DELAY;
        vm.assertEq(escrowGate.isModule(address(this)), active);
        if (!active) vm.expectRevert(_notAModule(address(this)));
        escrow.lock(ALICE, 1);
        vm.assertEq(escrow.lockedOf(ALICE), active ? 1 : 0);
    }

    function _propose(IModuleGate gate, address module) private {
        vm.prank(GOVERNOR);
        gate.proposeModule(module);
    }

    /* A REHEARSAL */

    function test_settlementModuleIsReplacedBehindTheTimelockWithLiveBalances() public {
        _settle(_batchOf(_aliceCharges(1000)));
        _settle(_batchOf(_statement(V2G_STATION, 2, 2000, 0, _row(CAROL, 1000, CHARGE))));
        bytes memory arguments = abi.encode(accounts, stations, tariffBook, escrow, positions);
        ISessionSettlement next = ISessionSettlement(_deploy("SessionSettlement", arguments));
        _propose(escrowGate, address(next));
        _propose(stationGate, address(next));
        _everybodyRequestsAndLeavesInTime();

        // The old one goes on until it is removed, the new one does nothing yet.
        _settle(_batchOf(_statement(V2G_STATION, 3, 3000, 0, _row(BOB, 1000, CHARGE))));
        bytes memory fourth = _batchOf(_statement(V2G_STATION, 4, 4000, 0, _row(BOB, 1000, CHARGE)));
        vm.expectRevert(_notAModule(address(next)));
        vm.prank(OPERATOR);
        next.settle(fourth);
        vm.warp(LATER);
        vm.startPrank(GOVERNOR);
        escrowGate.removeModule(address(settlement));
        stationGate.removeModule(address(settlement));
        vm.stopPrank();
        _settleRefused(fourth, _notAModule(address(settlement)));

        uint256 total = _totalHeld();
        uint256 bobs = _free(BOB);
        uint256 operators = _free(OPERATOR_ACCOUNT);
        vm.prank(OPERATOR);
        vm.assertEq(next.settle(fourth), 1);
        _assertFree(BOB, bobs - 300_001);
        _assertFree(OPERATOR_ACCOUNT, operators + 300_001);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 4);
        vm.assertEq(stations.stationOf(V2G_STATION).importWh, 4000);
        vm.assertEq(settlement.batchCount(), 3);
        vm.assertEq(_totalHeld(), total);
        // Debts were carried over too.
        _fund(CAROL_OWNER, CAROL, 300_001);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, operators + 600_002);
    }

    /// @dev All ask for their money at the proposal; governance freezes payouts as long as it can, as late as hurts.
    function _everybodyRequestsAndLeavesInTime() private {
        address[4] memory owners = [OPERATOR, RIVAL, ALICE_OWNER, BOB_OWNER];
        uint24[4] memory members = [OPERATOR_ACCOUNT, RIVAL_ACCOUNT, ALICE, BOB];
        uint96 half = RICH / 2;
        for (uint256 i; i < 4; ++i) {
            _request(owners[i], members[i], half);
        }
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.prank(GOVERNOR);
        escrow.freezeWithdrawals(MAX_FREEZE_S);
        uint40 thaw = NOW + WITHDRAWAL_DELAY + MAX_FREEZE_S;
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IEscrow.Frozen.selector, thaw));
            vm.prank(owners[i]);
            escrow.withdraw(members[i]);
        }
        vm.assertTrue(thaw < LATER);
        vm.warp(thaw);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.FreezeTooSoon.selector, thaw + MODULE_DELAY));
        vm.prank(GOVERNOR);
        escrow.freezeWithdrawals(1);
        for (uint256 i; i < 4; ++i) {
            vm.prank(owners[i]);
            escrow.withdraw(members[i]);
            vm.assertEq(token.balanceOf(owners[i]), half);
        }
    }

    /// @dev Whenever a freeze begins, who asks at the proposal is paid before the module acts.
    function testFuzz_whoeverAsksAtTheProposalIsPaidBeforeTheModuleActs(uint40 frozenAt, uint40 frozenForS) public {
        frozenAt = uint40(_between(frozenAt, NOW - 4 days, LATER));
        frozenForS = uint40(_between(frozenForS, 0, MAX_FREEZE_S));
        if (frozenAt < NOW) {
            vm.warp(frozenAt);
            vm.prank(GOVERNOR);
            escrow.freezeWithdrawals(frozenForS);
            vm.warp(NOW);
        }
        _propose(escrowGate, address(this));
        _request(ALICE_OWNER, ALICE, RICH);
        bool paid;
        for (uint40 time = NOW; time < LATER && !paid; time += 1 hours) {
            vm.warp(time);
            if (time >= frozenAt && time < frozenAt + 1 hours && frozenAt >= NOW) {
                vm.prank(GOVERNOR);
                escrow.freezeWithdrawals(frozenForS);
            }
            vm.prank(ALICE_OWNER);
            try escrow.withdraw(ALICE) {
                paid = true;
            } catch {
                vm.assertFalse(escrowGate.isModule(address(this)));
            }
        }
        vm.assertTrue(paid);
        vm.assertEq(token.balanceOf(ALICE_OWNER), RICH);
    }
}
