// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAccountRegistry} from "../interfaces/IAccountRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

contract AccountRegistryTest is Base {
    address private constant DAVE_OWNER = address(0x3001);
    address private constant DAVE_VEHICLE = address(0x4001);
    uint24 private constant DAVE = ACCOUNTS + 1;

    /* CONSTRUCTION */

    function test_theNamedAccountsExistFromTheStart() public view {
        vm.assertEq(accounts.ownerOf(HOUSE), HOUSE_OWNER);
        vm.assertEq(accounts.ownerOf(DUST), DUST_OWNER);
        vm.assertEq(accounts.ownerOf(GOVERNOR_ACCOUNT), GOVERNOR);
        vm.assertEq(accounts.rolesOf(HOUSE), 0);
        vm.assertEq(accounts.rolesOf(DUST), 0);
        vm.assertEq(accounts.rolesOf(GOVERNOR_ACCOUNT), Roles.GOVERNOR);
    }

    /* OPENING */

    function test_anOperatorOpensAnAccount() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.AccountOpened(DAVE, DAVE_OWNER, DAVE_VEHICLE);
        vm.prank(OPERATOR);
        vm.assertEq(accounts.openAccount(DAVE_OWNER, DAVE_VEHICLE), DAVE);
        vm.assertEq(accounts.ownerOf(DAVE), DAVE_OWNER);
        vm.assertEq(accounts.driverKeyOf(DAVE), DAVE_VEHICLE);
        vm.assertEq(accounts.accountOf(DAVE_OWNER), DAVE);
        vm.assertEq(accounts.rolesOf(DAVE), 0);
        vm.assertTrue(accounts.isOpen(DAVE));
        vm.assertTrue(accounts.isMember(DAVE_OWNER));
        vm.assertEq(accounts.accountCount(), DAVE);
    }

    function test_aGovernorOpensAnAccount() public {
        vm.prank(GOVERNOR);
        vm.assertEq(accounts.openAccount(DAVE_OWNER, address(0)), DAVE);
        vm.assertEq(accounts.driverKeyOf(DAVE), address(0));
    }

    function test_aStrangerOpensNoAccount() public {
        vm.expectRevert(_missingRole(STRANGER, Roles.OPERATOR | Roles.GOVERNOR));
        vm.prank(STRANGER);
        accounts.openAccount(DAVE_OWNER, address(0));
    }

    function test_anAddressOwnsOneAccount() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.AlreadyMember.selector, ALICE_OWNER, ALICE));
        vm.prank(OPERATOR);
        accounts.openAccount(ALICE_OWNER, address(0));
    }

    function test_theZeroAddressIsNoMember() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.ZeroAddress.selector));
        vm.prank(OPERATOR);
        accounts.openAccount(address(0), DAVE_VEHICLE);
    }

    function test_aVehicleKeyStandsForOneAccount() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.DriverKeyTaken.selector, ALICE_VEHICLE, ALICE));
        vm.prank(OPERATOR);
        accounts.openAccount(DAVE_OWNER, ALICE_VEHICLE);
    }

    function test_accountNumbersDoNotWrapAround() public {
        // Slot 4 is the count (24 bits) below the number of governors.
        vm.store(address(accounts), bytes32(uint256(4)), bytes32(uint256(1 << 24 | type(uint24).max)));
        vm.assertEq(accounts.accountCount(), type(uint24).max);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.NoAccountNumberLeft.selector));
        vm.prank(OPERATOR);
        accounts.openAccount(DAVE_OWNER, address(0));
    }

    function test_accountsOpenedTogetherFollowEachOther() public {
        (address[] memory owners, address[] memory keys) = _pairs(1, 3);
        keys[1] = address(0);
        for (uint24 i; i < 3; ++i) {
            vm.expectEmit(address(accounts));
            emit IAccountRegistry.AccountOpened(DAVE + i, owners[i], keys[i]);
        }
        vm.prank(OPERATOR);
        vm.assertEq(accounts.openAccounts(owners, keys), DAVE);
        vm.assertEq(accounts.accountCount(), DAVE + 2);
    }

    function test_aStrangerOpensNoAccounts() public {
        (address[] memory owners, address[] memory keys) = _pairs(1, 1);
        vm.expectRevert(_missingRole(STRANGER, Roles.OPERATOR | Roles.GOVERNOR));
        vm.prank(STRANGER);
        accounts.openAccounts(owners, keys);
    }

    function test_oneRefusedAccountRefusesThemAll() public {
        (address[] memory owners, address[] memory keys) = _pairs(1, 2);
        owners[1] = owners[0];
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.AlreadyMember.selector, owners[0], DAVE));
        vm.prank(OPERATOR);
        accounts.openAccounts(owners, keys);
        vm.assertFalse(accounts.isMember(owners[0]));
    }

    function test_anOwnerWithoutItsPlaceInTheVehicleKeysIsRefused() public {
        (address[] memory owners,) = _pairs(1, 2);
        (, address[] memory keys) = _pairs(1, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.LengthMismatch.selector, owners.length, keys.length));
        vm.prank(OPERATOR);
        accounts.openAccounts(owners, keys);
    }

    function test_aVehicleKeyWithoutItsOwnerIsRefused() public {
        (address[] memory owners,) = _pairs(1, 1);
        (, address[] memory keys) = _pairs(1, 2);
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.LengthMismatch.selector, 1, 2));
        vm.prank(OPERATOR);
        accounts.openAccounts(owners, keys);
    }

    function test_aRegistryWithoutAnOwnerOfItsNamedAccountsIsNotMade() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.ZeroAddress.selector));
        _deploy("AccountRegistry", abi.encode(address(0), DUST_OWNER, GOVERNOR));
    }

    function test_aRegistryWhoseNamedAccountsShareAnOwnerIsNotMade() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.AlreadyMember.selector, HOUSE_OWNER, 1));
        _deploy("AccountRegistry", abi.encode(HOUSE_OWNER, HOUSE_OWNER, GOVERNOR));
    }

    function testFuzz_openAccountGivesTheNextNumber(uint256 seed, bool withKey) public {
        address key = withKey ? _fresh(~seed) : address(0);
        vm.prank(OPERATOR);
        uint24 account = accounts.openAccount(_fresh(seed), key);
        vm.assertEq(account, DAVE);
        vm.assertEq(accounts.ownerOf(account), _fresh(seed));
        vm.assertEq(accounts.accountOf(_fresh(seed)), account);
        vm.assertEq(accounts.driverKeyOf(account), key);
    }

    function testFuzz_openAccountsOpensEachPair(uint256 seed, uint256 count) public {
        count = _between(count, 0, 12);
        (address[] memory owners, address[] memory keys) = _pairs(seed, count);
        vm.prank(GOVERNOR);
        uint24 first = accounts.openAccounts(owners, keys);
        vm.assertEq(first, DAVE);
        vm.assertEq(accounts.accountCount(), ACCOUNTS + count);
        for (uint256 i; i < count; ++i) {
            vm.assertEq(accounts.ownerOf(uint24(first + i)), owners[i]);
            vm.assertEq(accounts.driverKeyOf(uint24(first + i)), keys[i]);
        }
    }

    function _pairs(uint256 seed, uint256 count) private pure returns (address[] memory owners, address[] memory keys) {
        owners = new address[](count);
        keys = new address[](count);
        for (uint256 i; i < count; ++i) {
            owners[i] = address(uint160(_fresh(seed)) ^ uint160(i));
            keys[i] = address(uint160(_fresh(~seed)) ^ uint160(i));
        }
    }

    /* VEHICLE KEYS */

    function test_anOwnerReplacesItsVehicleKey() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.DriverKeySet(ALICE, DAVE_VEHICLE, ALICE_VEHICLE);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, DAVE_VEHICLE);
        vm.assertEq(accounts.driverKeyOf(ALICE), DAVE_VEHICLE);
    }

    function test_aVehicleKeyThatWasRemovedIsFreeAgain() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.DriverKeySet(ALICE, address(0), ALICE_VEHICLE);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, address(0));
        vm.assertEq(accounts.driverKeyOf(ALICE), address(0));
        vm.prank(BOB_OWNER);
        accounts.setDriverKey(BOB, ALICE_VEHICLE);
        vm.assertEq(accounts.driverKeyOf(BOB), ALICE_VEHICLE);
    }

    function test_aVehicleKeyIsNotTakenFromAnotherAccount() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.DriverKeyTaken.selector, ALICE_VEHICLE, ALICE));
        vm.prank(BOB_OWNER);
        accounts.setDriverKey(BOB, ALICE_VEHICLE);
    }

    function test_nobodyElseSetsAVehicleKey() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.NotAccountOwner.selector, GOVERNOR, ALICE));
        vm.prank(GOVERNOR);
        accounts.setDriverKey(ALICE, DAVE_VEHICLE);
    }

    function test_anUnknownAccountHasNoVehicleKeyToSet() public {
        vm.expectRevert(_unknownAccount(NOBODY));
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(NOBODY, DAVE_VEHICLE);
    }

    function test_aStrangerSetsNoVehicleKey() public {
        vm.expectRevert(_notAMember(STRANGER));
        vm.prank(STRANGER);
        accounts.setDriverKey(ALICE, DAVE_VEHICLE);
        vm.assertEq(accounts.driverKeyOf(ALICE), ALICE_VEHICLE);
    }

    function test_aReplacedVehicleKeyIsValidUpToItsReplacement() public {
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), type(uint40).max);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, DAVE_VEHICLE), 0);
        vm.assertEq(accounts.driverKeyValidUntil(BOB, ALICE_VEHICLE), 0);
        _setKey(NOW + 5, DAVE_VEHICLE);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), NOW + 5);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, DAVE_VEHICLE), type(uint40).max);
        _setKey(NOW + 9, address(0));
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), NOW + 5);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, DAVE_VEHICLE), NOW + 9);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, address(0)), 0);
    }

    function test_aVehicleKeyThatComesBackIsValidAgain() public {
        _setKey(NOW + 5, DAVE_VEHICLE);
        _setKey(NOW + 9, ALICE_VEHICLE);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), type(uint40).max);
        _setKey(NOW + 20, DAVE_VEHICLE);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), NOW + 20);
    }

    function test_aVehicleKeySetToItselfStaysValid() public {
        _setKey(NOW + 5, ALICE_VEHICLE);
        vm.assertEq(accounts.driverKeyOf(ALICE), ALICE_VEHICLE);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), type(uint40).max);
    }

    function test_aVehicleKeyThatMovesToAnotherAccountKeepsItsWindowWithTheFirst() public {
        _setKey(NOW + 5, address(0));
        vm.prank(BOB_OWNER);
        accounts.setDriverKey(BOB, ALICE_VEHICLE);
        vm.assertEq(accounts.driverKeyValidUntil(ALICE, ALICE_VEHICLE), NOW + 5);
        vm.assertEq(accounts.driverKeyValidUntil(BOB, ALICE_VEHICLE), type(uint40).max);
    }

    function testFuzz_eachVehicleKeyIsValidUpToTheLastTimeItWasReplaced(uint8[10] calldata picks) public {
        uint40[4] memory until;
        uint256 present = 3;
        _setKey(NOW, address(0));
        for (uint40 i; i < picks.length; ++i) {
            uint256 pick = picks[i] % 4;
            if (present < 3) until[present] = NOW + i + 1;
            _setKey(NOW + i + 1, pick == 3 ? address(0) : _fresh(pick));
            present = pick;
        }
        for (uint256 i; i < 3; ++i) {
            vm.assertEq(
                accounts.driverKeyValidUntil(ALICE, _fresh(i)), i == present ? type(uint40).max : uint256(until[i])
            );
        }
    }

    function _setKey(uint40 time, address key) private {
        vm.warp(time);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, key);
    }

    /// @dev Two owners take turns; a key that one holds is refused to the other, and no key is ever lost.
    function testFuzz_setDriverKeyKeepsEachKeyWithOneAccount(uint8[12] calldata picks) public {
        address[2] memory held = [ALICE_VEHICLE, address(0)];
        for (uint256 i; i < picks.length; ++i) {
            uint256 who = picks[i] & 1;
            address key = picks[i] % 5 == 0 ? address(0) : address(uint160(0x4000 + picks[i] % 3));
            bool taken = key != address(0) && key == held[1 - who];
            uint24 account = who == 0 ? ALICE : BOB;
            if (taken) {
                vm.expectRevert(
                    abi.encodeWithSelector(IAccountRegistry.DriverKeyTaken.selector, key, who == 0 ? BOB : ALICE)
                );
            }
            vm.prank(who == 0 ? ALICE_OWNER : BOB_OWNER);
            accounts.setDriverKey(account, key);
            if (!taken) held[who] = key;
            vm.assertEq(accounts.driverKeyOf(account), held[who]);
        }
    }

    /* ROLES */

    function test_aGovernorGrantsARole() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.RoleGranted(ALICE, Roles.AUDITOR, GOVERNOR_ACCOUNT);
        vm.prank(GOVERNOR);
        accounts.grantRole(ALICE, Roles.AUDITOR);
        vm.assertEq(accounts.rolesOf(ALICE), Roles.AUDITOR);
        vm.assertEq(accounts.requireRole(ALICE_OWNER, Roles.AUDITOR | Roles.SETTLER), ALICE);
    }

    function test_aGovernorRevokesARole() public {
        vm.expectEmit(address(accounts));
        emit IAccountRegistry.RoleRevoked(OPERATOR_ACCOUNT, Roles.SETTLER, GOVERNOR_ACCOUNT);
        vm.prank(GOVERNOR);
        accounts.revokeRole(OPERATOR_ACCOUNT, Roles.SETTLER);
        vm.assertEq(accounts.rolesOf(OPERATOR_ACCOUNT), Roles.OPERATOR | Roles.ISSUER);
    }

    function test_aRoleThatIsHeldOrMissingAlreadyChangesNothing() public {
        vm.recordLogs();
        vm.startPrank(GOVERNOR);
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.SETTLER);
        accounts.revokeRole(ALICE, Roles.SETTLER);
        vm.stopPrank();
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertEq(accounts.rolesOf(OPERATOR_ACCOUNT), Roles.OPERATOR | Roles.SETTLER | Roles.ISSUER);
        vm.assertEq(accounts.rolesOf(ALICE), 0);
    }

    function test_anOperatorGrantsNoRole() public {
        vm.expectRevert(_missingRole(OPERATOR, Roles.GOVERNOR));
        vm.prank(OPERATOR);
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.GOVERNOR);
    }

    function test_anOperatorRevokesNoRole() public {
        vm.expectRevert(_missingRole(OPERATOR, Roles.GOVERNOR));
        vm.prank(OPERATOR);
        accounts.revokeRole(RIVAL_ACCOUNT, Roles.OPERATOR);
    }

    function test_anUnknownAccountHoldsNoRole() public {
        vm.startPrank(GOVERNOR);
        vm.expectRevert(_unknownAccount(NOBODY));
        accounts.grantRole(NOBODY, Roles.SETTLER);
        vm.expectRevert(_unknownAccount(NOBODY));
        accounts.revokeRole(NOBODY, Roles.SETTLER);
        vm.stopPrank();
    }

    function test_theLastGovernorStays() public {
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.LastGovernor.selector, GOVERNOR_ACCOUNT));
        vm.prank(GOVERNOR);
        accounts.revokeRole(GOVERNOR_ACCOUNT, Roles.GOVERNOR);
    }

    function test_aGovernorStepsDownOnceThereIsAnother() public {
        vm.startPrank(GOVERNOR);
        accounts.grantRole(ALICE, Roles.GOVERNOR);
        accounts.grantRole(ALICE, Roles.GOVERNOR);
        accounts.revokeRole(GOVERNOR_ACCOUNT, Roles.GOVERNOR);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.LastGovernor.selector, ALICE));
        vm.prank(ALICE_OWNER);
        accounts.revokeRole(ALICE, Roles.GOVERNOR);
    }

    function test_requireRoleRefusesWhoHasNoneOfTheRoles() public {
        vm.expectRevert(_missingRole(RIVAL, Roles.SETTLER | Roles.GOVERNOR));
        accounts.requireRole(RIVAL, Roles.SETTLER | Roles.GOVERNOR);
    }

    function test_theZeroAddressHoldsNoRole() public {
        vm.expectRevert(_missingRole(address(0), Roles.ALL));
        accounts.requireRole(address(0), Roles.ALL);
    }

    function testFuzz_onlySingleBitsOfThePublishedSetAreRoles(uint16 role) public {
        bool known = role == 1 || role == 2 || role == 4 || role == 8 || role == 16;
        vm.startPrank(GOVERNOR);
        if (!known) vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.UnknownRole.selector, role));
        accounts.grantRole(ALICE, role);
        vm.assertEq(accounts.rolesOf(ALICE), known ? role : 0);
        if (!known) vm.expectRevert(abi.encodeWithSelector(IAccountRegistry.UnknownRole.selector, role));
        accounts.revokeRole(ALICE, role);
        vm.assertEq(accounts.rolesOf(ALICE), 0);
    }

    function testFuzz_rolesAreGrantedAndRevokedOneByOne(uint8[16] calldata picks) public {
        uint16 held;
        vm.startPrank(GOVERNOR);
        for (uint256 i; i < picks.length; ++i) {
            uint16 role = uint16(1 << picks[i] % 5);
            if (picks[i] & 0x80 == 0) {
                accounts.grantRole(ALICE, role);
                held |= role;
            } else {
                accounts.revokeRole(ALICE, role);
                held &= ~role;
            }
            vm.assertEq(accounts.rolesOf(ALICE), held);
        }
    }

    function testFuzz_requireMemberNeedsAnOpenAccount(address caller) public {
        uint24 account = accounts.accountOf(caller);
        if (account == 0) vm.expectRevert(_notAMember(caller));
        vm.assertEq(accounts.requireMember(caller), account);
        vm.assertEq(accounts.requireMember(BOB_OWNER), BOB);
    }

    function testFuzz_requireRoleNeedsAnyRoleOfTheMask(uint16 mask) public {
        if (mask & (Roles.OPERATOR | Roles.SETTLER | Roles.ISSUER) == 0) vm.expectRevert(_missingRole(OPERATOR, mask));
        accounts.requireRole(OPERATOR, mask);
    }

    /* STRANGERS */

    function testFuzz_aStrangerChangesNothing(address stranger) public {
        vm.assume(!accounts.isMember(stranger));
        vm.startPrank(stranger);
        bytes memory noOpener = _missingRole(stranger, Roles.OPERATOR | Roles.GOVERNOR);
        bytes memory noGovernor = _missingRole(stranger, Roles.GOVERNOR);
        vm.expectRevert(noOpener);
        accounts.openAccount(DAVE_OWNER, DAVE_VEHICLE);
        vm.expectRevert(noOpener);
        accounts.openAccounts(new address[](0), new address[](0));
        vm.expectRevert(_notAMember(stranger));
        accounts.setDriverKey(ALICE, DAVE_VEHICLE);
        vm.expectRevert(_notAMember(stranger));
        accounts.closeAccount(CAROL);
        vm.expectRevert(noOpener);
        accounts.reopenAccount(CAROL);
        vm.expectRevert(noGovernor);
        accounts.setTreasury(address(escrow));
        vm.expectRevert(noGovernor);
        accounts.grantRole(CAROL, Roles.AUDITOR);
        vm.expectRevert(noGovernor);
        accounts.revokeRole(OPERATOR_ACCOUNT, Roles.SETTLER);
        vm.stopPrank();
    }

    /* VIEWS */

    function testFuzz_whatDoesNotExistReadsAsZero(uint24 account, uint256 seed) public view {
        if (account != 0) account = uint24(_between(account, ACCOUNTS + 1, type(uint24).max));
        vm.assertFalse(accounts.isOpen(account));
        vm.assertEq(accounts.ownerOf(account), address(0));
        vm.assertEq(accounts.driverKeyOf(account), address(0));
        vm.assertEq(accounts.driverKeyValidUntil(account, ALICE_VEHICLE), 0);
        vm.assertEq(accounts.driverKeyValidUntil(account, address(0)), 0);
        vm.assertEq(accounts.rolesOf(account), 0);
        vm.assertFalse(accounts.isMember(_fresh(seed)));
        vm.assertEq(accounts.accountOf(_fresh(seed)), 0);
    }
}
