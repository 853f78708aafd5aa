// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {IModuleGate} from "../../interfaces/IModuleGate.sol";
import {IStationRegistry} from "../../interfaces/IStationRegistry.sol";
import {CourtVerbs} from "./CourtVerbs.sol";
import {MemberVerbs} from "./MemberVerbs.sol";
import {MoneyVerbs} from "./MoneyVerbs.sol";
import {PositionVerbs} from "./PositionVerbs.sol";
import {StationVerbs} from "./StationVerbs.sol";
import {World} from "./World.sol";

/// @title All verbs of all contracts, and the comparison of what they left with the model.
contract Handler is MemberVerbs, MoneyVerbs, StationVerbs, CourtVerbs {
    /// @notice The platform is set up when it is constructed: none of that is a step.
    constructor() {
        super.setUp();
    }

    function setUp() public pure override(World, PositionVerbs) {
        revert("once is enough");
    }

    function _mostlyUnpausedForBatches() internal override {
        _mostlyUnpaused();
    }

    /* WHAT MUST HOLD */

    function checkMoney() external view {
        uint256 members;
        for (uint24 account = 1; account <= accounts.accountCount(); ++account) {
            (uint96 requested,) = escrow.withdrawalOf(account);
            members += uint256(escrow.freeOf(account)) + requested + escrow.lockedOf(account);
        }
        uint256 held = token.balanceOf(address(escrow));
        vm.assertTrue(held >= members);
        // It holds nothing else but what it was given.
        vm.assertEq(held, members + _donated, "what the escrow holds");
    }

    function checkModel() external view {
        vm.assertEq(uint256(accounts.accountCount()), _memberCount, "accounts");
        for (uint24 account = 1; account <= _memberCount; ++account) {
            Member storage member = _members[account];
            vm.assertEq(uint256(escrow.freeOf(account)), member.free, "free");
            vm.assertEq(escrow.spendableOf(account), _spendable(account), "spendable");
            (uint96 requested, uint40 availableAt) = escrow.withdrawalOf(account);
            vm.assertEq(uint256(requested), member.requested, "requested");
            if (requested != 0) vm.assertEq(uint256(availableAt), member.availableAt, "available at");
            vm.assertEq(uint256(escrow.lockedOf(account)), member.locked, "locked");
            vm.assertEq(token.balanceOf(member.owner), member.wallet, "wallet");
            vm.assertEq(uint256(accounts.rolesOf(account)), member.roles, "roles");
            vm.assertEq(accounts.isOpen(account), !member.closed);
            vm.assertEq(accounts.ownerOf(account), member.owner);
        }
        vm.assertEq(escrow.paused(), _paused);
        vm.assertEq(uint256(escrow.frozenUntil()), _frozenUntil, "frozen until");
    }

    function checkDebts() external view {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            (uint96 owed, uint32 first, uint32 next) = escrow.debtsOf(account);
            vm.assertEq(uint256(first), _members[account].firstDebt, "first debt");
            vm.assertEq(uint256(next), _debts[account].length, "debts");
            uint256 sum;
            for (uint32 number = first; number < next; ++number) {
                IEscrow.Debt memory debt = escrow.debtOf(account, number);
                sum += debt.owedMicro;
                vm.assertEq(uint256(debt.owedMicro), _debts[account][number].owedMicro, "owed");
                vm.assertEq(uint256(debt.shareMicro), _debts[account][number].shareMicro, "share");
                vm.assertEq(uint256(debt.creditor), _debts[account][number].creditor, "creditor");
            }
            vm.assertEq(uint256(owed), sum, "a queue's total");
        }
    }

    function checkRegisters() external view {
        vm.assertEq(uint256(stations.stationCount()), _poleCount, "stations");
        for (uint24 station = 1; station <= _poleCount; ++station) {
            Pole storage pole = _poles[station];
            IStationRegistry.Station memory known = stations.stationOf(station);
            vm.assertEq(uint256(known.importWh), pole.openingImport + pole.importedWh, "import register");
            vm.assertEq(uint256(known.exportWh), pole.openingExport + pole.exportedWh, "export register");
            vm.assertEq(uint256(known.sequence), uint256(pole.settled) + pole.meters, "sequence");
            vm.assertEq(known.suspendedByOperator, pole.byOperator);
            vm.assertEq(known.suspendedByGovernance, pole.byGovernance);
        }
    }

    function checkKeys() external view {
        for (uint24 station = 1; station <= _poleCount; ++station) {
            uint256 present = _poles[station].key;
            vm.assertEq(stations.stationOf(station).signer, _signerAt[present]);
            for (uint256 i; i < _keysOfPole[station].length; ++i) {
                uint256 key = _keysOfPole[station][i];
                uint256 end = key == present ? type(uint40).max : _poleKeyEnd[key];
                vm.assertEq(uint256(stations.keyValidUntil(station, _signerAt[key])), end, "key valid until");
            }
        }
    }

    function checkHolders() external view {
        uint256 held = token.balanceOf(address(escrow));
        for (uint24 account = 1; account <= accounts.accountCount(); ++account) {
            uint256 wallet = token.balanceOf(accounts.ownerOf(account));
            held += wallet;
            if (!accounts.isOpen(account)) vm.assertEq(wallet, 0, "somebody who left holds tokens");
        }
        vm.assertEq(held, token.totalSupply(), "somebody else holds tokens");
    }

    function checkChain() external view {
        vm.assertEq(settlement.head() >> 224, _digests.length, "batches in the head");
        vm.assertEq(uint256(settlement.batchCount()), _digests.length, "batches");
        if (_digests.length == 0) return;
        uint64 last = uint64((_digests.length - 1) / settlement.PAGE());
        bytes32[] memory page = _page(last);
        vm.assertTrue(settlement.isPage(last, page));
        page[page.length - 1] ^= bytes32(uint256(1));
        vm.assertFalse(settlement.isPage(last, page));
    }

    function checkDisputes() external view {
        uint256 first = _disputes.length < 12 ? 0 : _disputes.length - 12;
        for (uint256 i = first; i < _disputes.length; ++i) {
            _checkDispute(_disputes[i]);
        }
    }

    function _checkDispute(Dispute storage disputed) private view {
        IDisputeCourt.Claim memory claim = court.claimOf(disputed.station, disputed.sequence, disputed.row);
        vm.assertEq(keccak256(abi.encode(claim)), keccak256(abi.encode(disputed.claim)));
        bool over = claim.status != IDisputeCourt.Status.Disputed;
        vm.assertEq(disputed.reversals + disputed.answers, over ? 1 : 0, "how often a dispute ended");
        vm.assertEq(disputed.reversals, claim.status == IDisputeCourt.Status.Reversed ? 1 : 0, "reversals");
    }

    function checkAuthorisations() external view {
        uint256 first = _authorisations.length < 12 ? 0 : _authorisations.length - 12;
        for (uint256 i = first; i < _authorisations.length; ++i) {
            bytes32 digest = _authorisationDigest(_authorisations[i]);
            (uint40 energyWh, uint96 costMicro) = court.usedOf(digest);
            vm.assertTrue(energyWh <= _authorisations[i].maxEnergyWh && costMicro <= _authorisations[i].maxCostMicro);
            vm.assertEq(uint256(energyWh), _usedWh[digest], "energy answered for");
            vm.assertEq(uint256(costMicro), _usedMicro[digest], "cost answered for");
        }
    }

    function checkCaps() external view {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            Member storage member = _members[account];
            (uint64 cap, uint64 spent, uint24 day) = escrow.dailyCapOf(account);
            vm.assertEq(uint256(cap), member.cap, "cap");
            vm.assertEq(uint256(spent), member.spent, "spent");
            vm.assertEq(uint256(day), member.spentDay, "day");
            if (member.capDay == member.settledDay) vm.assertTrue(member.settledUnderCap <= member.highestCap);
        }
    }

    /// @dev All disputes and all pages, not only the last ones.
    function checkHistory() external view {
        for (uint256 i; i < _disputes.length; ++i) {
            _checkDispute(_disputes[i]);
        }
        for (uint64 page; page * settlement.PAGE() < _digests.length; ++page) {
            vm.assertTrue(settlement.isPage(page, _page(page)));
        }
    }

    /* WHAT WAS DONE */

    /// @notice How many batches were settled.
    function batches() external view returns (uint256) {
        return _batches.length;
    }

    /// `share` is how many of a hundred tries must succeed at least; 0 where a try says little.
    struct Count {
        string verb;
        uint256 successes;
        uint256 tries;
        uint256 share;
    }

    Count[] private _counts;

    /// @notice Each verb of each contract: how often it succeeded, how often it was tried.
    function counts() external returns (Count[] memory) {
        delete _counts;
        address at = address(accounts);
        _count("openAccount", at, accounts.openAccount.selector);
        _count("openAccounts", at, accounts.openAccounts.selector);
        _count("setDriverKey", at, accounts.setDriverKey.selector);
        _count("closeAccount", at, accounts.closeAccount.selector);
        _count("reopenAccount", at, accounts.reopenAccount.selector);
        _count("setTreasury", at, accounts.setTreasury.selector);
        _count("grantRole", at, accounts.grantRole.selector);
        _count("revokeRole", at, accounts.revokeRole.selector);
        at = address(token);
        _count("setEscrow", at, token.setEscrow.selector);
        _count("mint", at, token.mint.selector);
        _count("burn", at, token.burn.selector);
        _count("transfer", at, token.transfer.selector);
        _count("transferFrom", at, token.transferFrom.selector);
        _count("approve", at, token.approve.selector);
        at = address(stations);
        _count("registerStation", at, stations.registerStation.selector);
        _count("registerStations", at, stations.registerStations.selector);
        _count("rotateKey", at, stations.rotateKey.selector);
        _count("revokeKey", at, stations.revokeKey.selector);
        _count("suspendStation", at, stations.suspendStation.selector);
        _count("reactivateStation", at, stations.reactivateStation.selector);
        _count("replaceMeter", at, stations.replaceMeter.selector);
        _count("advance", at, stations.advance.selector);
        _countGate(at);
        at = address(tariffBook);
        _count("publish", at, tariffBook.publish.selector);
        at = address(escrow);
        _countGate(at);
        _count("deposit", at, escrow.deposit.selector, 25);
        _count("requestWithdrawal", at, escrow.requestWithdrawal.selector, 25);
        _count("cancelWithdrawal", at, escrow.cancelWithdrawal.selector);
        _count("withdraw", at, escrow.withdraw.selector, 25);
        _count("setDailyCap", at, escrow.setDailyCap.selector);
        _count("collect", at, escrow.collect.selector, 25);
        _count("reclaim", at, escrow.reclaim.selector);
        _count("pause", at, escrow.pause.selector);
        _count("unpause", at, escrow.unpause.selector);
        _count("freezeWithdrawals", at, escrow.freezeWithdrawals.selector);
        _count("thawWithdrawals", at, escrow.thawWithdrawals.selector);
        _count("setBalanceCap", at, escrow.setBalanceCap.selector);
        _count("writeOff", at, escrow.writeOff.selector);
        _count("applyBatch", at, escrow.applyBatch.selector);
        _count("recordDebts", at, escrow.recordDebts.selector);
        _count("reduceDebt", at, escrow.reduceDebt.selector);
        _count("lock", at, escrow.lock.selector);
        _count("release", at, escrow.release.selector);
        _count("settle", address(settlement), settlement.settle.selector, 40);
        at = address(court);
        _count("dispute", at, court.dispute.selector, 25);
        _count("justify", at, court.justify.selector, 20);
        _count("reverse", at, court.reverse.selector, 25);
        at = address(positions);
        _count("openZone", at, positions.openZone.selector);
        _count("trade", at, positions.trade.selector);
        _count("conclude", at, positions.conclude.selector);
        _count("close", at, positions.close.selector, 25);
        return _counts;
    }

    function _countGate(address gate) private {
        _count("proposeModule", gate, IModuleGate.proposeModule.selector);
        _count("removeModule", gate, IModuleGate.removeModule.selector);
        _count("sealModules", gate, IModuleGate.sealModules.selector);
    }

    function _count(string memory verb, address target, bytes4 selector) private {
        _count(verb, target, selector, 0);
    }

    function _count(string memory verb, address target, bytes4 selector, uint256 share) private {
        (uint256 successes, uint256 tries) = countsOf(target, selector);
        _counts.push(Count(verb, successes, tries, share));
    }
}
