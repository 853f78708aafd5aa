// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Vm} from "../Base.sol";
import {Handler} from "./Handler.sol";

/// @title What holds whatever members, operators, governance and strangers do, in whatever order.
/// @notice forge calls the handler's verbs at random and checks all of it in between; `make invariants` does so at
///         length. A check that fails says by its name in the handler what did not hold.
abstract contract PlatformInvariants {
    /// @notice The functions of a contract that forge may call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;
    /// @dev From so many steps on, each verb must have succeeded.
    uint256 private constant LONG = 5000;
    /// @dev From so many tries on, a share of successes says something.
    uint256 private constant ENOUGH = 50;

    Handler internal _handler;

    function setUp() public virtual {
        _handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[61] memory verbs = [
            _handler.openAccount.selector,
            _handler.openAccounts.selector,
            _handler.setDriverKey.selector,
            _handler.closeAccount.selector,
            _handler.leave.selector,
            _handler.reopenAccount.selector,
            _handler.grantRole.selector,
            _handler.revokeRole.selector,
            _handler.mint.selector,
            _handler.burn.selector,
            _handler.transfer.selector,
            _handler.transferFrom.selector,
            _handler.proposeModule.selector,
            _handler.removeModule.selector,
            _handler.replaceModule.selector,
            _handler.sealAgain.selector,
            _handler.deposit.selector,
            _handler.depositAny.selector,
            _handler.requestWithdrawal.selector,
            _handler.cancelWithdrawal.selector,
            _handler.withdraw.selector,
            _handler.withdrawWhilePaused.selector,
            _handler.setDailyCap.selector,
            _handler.collect.selector,
            _handler.pause.selector,
            _handler.unpause.selector,
            _handler.freezeWithdrawals.selector,
            _handler.thawWithdrawals.selector,
            _handler.setBalanceCap.selector,
            _handler.writeOff.selector,
            _handler.lock.selector,
            _handler.release.selector,
            _handler.reclaim.selector,
            _handler.applyBatch.selector,
            _handler.recordDebts.selector,
            _handler.reduceDebt.selector,
            _handler.stranger.selector,
            _handler.registerStation.selector,
            _handler.registerStations.selector,
            _handler.suspendStation.selector,
            _handler.reactivateStation.selector,
            _handler.rotateKey.selector,
            _handler.revokeKey.selector,
            _handler.replaceMeter.selector,
            _handler.publish.selector,
            _handler.settle.selector,
            _handler.settleOne.selector,
            _handler.settleMore.selector,
            _handler.settleNothing.selector,
            _handler.settleShuffled.selector,
            _handler.settleFlawed.selector,
            _handler.replay.selector,
            _handler.dispute.selector,
            _handler.disputeMore.selector,
            _handler.justify.selector,
            _handler.justifyMore.selector,
            _handler.reverse.selector,
            _handler.auction.selector,
            _handler.closePositions.selector,
            _handler.closeMorePositions.selector,
            _handler.reactivateStation.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), new bytes4[](verbs.length));
        for (uint256 i; i < verbs.length; ++i) {
            targets[0].selectors[i] = verbs[i];
        }
    }

    function invariant_whatMustHoldHolds() public view {
        _handler.checkMoney();
        _handler.checkModel();
        _handler.checkDebts();
        _handler.checkHolders();
        _handler.checkCaps();
        _handler.checkRegisters();
        _handler.checkKeys();
        _handler.checkChain();
        _handler.checkDisputes();
        _handler.checkAuthorisations();
        _handler.checkPositions();
    }

    /* A RUN IN WHICH NOTHING SUCCEEDS SHOWS NOTHING */

    function afterInvariant() public {
        _handler.checkHistory();
        bool isLong = _handler.steps() >= LONG;
        Handler.Count[] memory counts = _handler.counts();
        for (uint256 i; i < counts.length; ++i) {
            _say(counts[i].verb, counts[i].successes, counts[i].tries);
            if (isLong) vm.assertTrue(counts[i].successes != 0);
            if (counts[i].share != 0 && counts[i].tries >= ENOUGH) {
                vm.assertTrue(counts[i].successes * 100 >= counts[i].tries * counts[i].share);
            }
        }
        if (!isLong) return;
        vm.assertTrue(_handler.replays() != 0 && _handler.shuffles() != 0 && _handler.rowsAside() != 0);
        vm.assertTrue(_handler.positionsAside() != 0);
        vm.assertTrue(_handler.formerKeys() != 0 && _handler.revokedKeys() != 0);
        vm.assertTrue(_handler.withdrawnWhilePaused() != 0);
    }

    /// @dev What a run did; shown with -vv.
    function _say(string memory verb, uint256 successes, uint256 tries) private view {
        bytes memory line =
            abi.encodeWithSignature("log(string,string,uint256,uint256)", "%s: %d of %d", verb, successes, tries);
        (bool said,) = CONSOLE.staticcall(line);
        vm.assertTrue(said);
    }
}

/// @title From the first day on.
contract FreshPlatformInvariants is PlatformInvariants {}

/// @title With more than a page of batches, debts, disputes and former keys behind it.
contract BusyPlatformInvariants is PlatformInvariants {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 90; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("a day of a busy platform", i)));
            _handler.settle(seed);
            _handler.settleOne(~seed);
            if (i % 3 == 0) _handler.deposit(seed);
            if (i % 4 == 0) _handler.dispute(seed);
            if (i % 8 == 0) _handler.registerStation(seed);
            if (i % 9 == 0) _handler.rotateKey(seed);
            if (i % 10 == 0) _handler.openAccount(seed);
            if (i % 12 == 0) _handler.setDailyCap(seed);
            if (i % 15 == 0) _handler.publish(seed);
        }
        vm.assertTrue(_handler.batches() > 64);
    }
}
