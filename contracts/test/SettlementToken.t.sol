// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {Roles} from "../Roles.sol";
import {Base, ISettlementToken} from "./Base.sol";

contract SettlementTokenTest is Base {
    function test_oneUnitIsAMicroEuro() public view {
        vm.assertEq(token.decimals(), 6);
    }

    function test_theRegistryMustBeAContract() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAContract.selector, STRANGER));
        _deploy("SettlementToken", abi.encode(STRANGER));
    }

    /* THE ESCROW */

    function test_aGovernorNamesTheEscrow() public {
        ISettlementToken young = _youngToken();
        vm.expectEmit(address(young));
        emit ISettlementToken.EscrowSet(address(escrow));
        vm.prank(GOVERNOR);
        young.setEscrow(address(escrow));
        vm.assertEq(young.escrow(), address(escrow));
    }

    function test_theEscrowIsNamedOnce() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.EscrowAlreadySet.selector, address(escrow)));
        vm.prank(GOVERNOR);
        token.setEscrow(STRANGER);
    }

    function test_anEscrowWithoutCodeIsRefused() public {
        ISettlementToken young = _youngToken();
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAContract.selector, STRANGER));
        vm.prank(GOVERNOR);
        young.setEscrow(STRANGER);
        vm.assertEq(young.escrow(), address(0));
    }

    function testFuzz_nobodyButAGovernorNamesTheEscrow(address caller) public {
        vm.assume(caller != GOVERNOR);
        ISettlementToken young = _youngToken();
        vm.expectRevert(_missingRole(caller, Roles.GOVERNOR));
        vm.prank(caller);
        young.setEscrow(caller);
    }

    function _youngToken() private returns (ISettlementToken) {
        return ISettlementToken(_deploy("SettlementToken", abi.encode(accounts)));
    }

    /* ISSUE AND REDEMPTION */

    function testFuzz_anIssuerMintsToAMember(uint96 amount) public {
        uint256 before = token.totalSupply();
        vm.expectEmit(address(token));
        emit IERC20.Transfer(address(0), BOB_OWNER, amount);
        _mint(BOB_OWNER, amount);
        vm.assertEq(token.balanceOf(BOB_OWNER), amount);
        vm.assertEq(token.totalSupply(), before + amount);
    }

    function testFuzz_anIssuerBurnsItsOwn(uint96 minted, uint96 burned) public {
        _mint(OPERATOR, minted);
        bytes memory why =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, OPERATOR, minted, burned);
        if (burned > minted) vm.expectRevert(why);
        vm.prank(OPERATOR);
        token.burn(burned);
        vm.assertEq(token.balanceOf(OPERATOR), burned > minted ? minted : minted - burned);
    }

    function testFuzz_nobodyElseMintsOrBurns(address caller) public {
        vm.assume(caller != OPERATOR);
        vm.startPrank(caller);
        vm.expectRevert(_missingRole(caller, Roles.ISSUER));
        token.mint(ALICE_OWNER, 1);
        vm.expectRevert(_missingRole(caller, Roles.ISSUER));
        token.burn(0);
    }

    /* WHO CAN HOLD IT */

    function testFuzz_membersAndTheEscrowAloneHoldIt(address to, uint96 amount) public {
        _mint(ALICE_OWNER, amount);
        uint256 before = token.balanceOf(to);
        bool holds = accounts.isMember(to) || to == address(escrow);
        if (to == address(0)) {
            vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        } else if (!holds) {
            vm.expectRevert(_notAParty(to));
        }
        vm.prank(ALICE_OWNER);
        token.transfer(to, amount);
        if (to != ALICE_OWNER) vm.assertEq(token.balanceOf(to), holds ? before + amount : before);
    }

    function testFuzz_aStrangerTakesNoPart(address stranger, uint96 amount) public {
        vm.assume(stranger != address(0) && !accounts.isMember(stranger) && stranger != address(escrow));
        _mint(ALICE_OWNER, amount);
        vm.prank(ALICE_OWNER);
        token.approve(stranger, amount);
        vm.startPrank(stranger);
        vm.expectRevert(_notAParty(stranger));
        token.transfer(BOB_OWNER, 0);
        vm.expectRevert(_notAParty(stranger));
        token.approve(BOB_OWNER, amount);
        vm.expectRevert(_notAParty(stranger));
        token.approve(BOB_OWNER, 0);
        vm.expectRevert(_notAParty(stranger));
        token.transferFrom(ALICE_OWNER, BOB_OWNER, amount);
        vm.expectRevert(_notAParty(stranger));
        token.transferFrom(ALICE_OWNER, BOB_OWNER, 0);
        vm.expectRevert(_missingRole(stranger, Roles.GOVERNOR));
        token.setEscrow(stranger);
        vm.expectRevert(_missingRole(stranger, Roles.ISSUER));
        token.mint(stranger, 0);
        vm.expectRevert(_missingRole(stranger, Roles.ISSUER));
        token.burn(0);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(ALICE_OWNER), amount);
        vm.assertEq(token.allowance(stranger, BOB_OWNER), 0);
    }

    function test_nothingIsTakenFromAStranger() public {
        vm.expectRevert(_notAParty(STRANGER));
        vm.prank(ALICE_OWNER);
        token.transferFrom(STRANGER, BOB_OWNER, 0);
    }

    function testFuzz_aMemberSpendsWhatItWasAllowed(uint96 allowed, uint96 spent) public {
        _mint(ALICE_OWNER, type(uint96).max);
        vm.expectEmit(address(token));
        emit IERC20.Approval(ALICE_OWNER, BOB_OWNER, allowed);
        vm.prank(ALICE_OWNER);
        token.approve(BOB_OWNER, allowed);
        bool refused = spent > allowed;
        bytes memory why =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, BOB_OWNER, allowed, spent);
        if (refused) vm.expectRevert(why);
        vm.prank(BOB_OWNER);
        token.transferFrom(ALICE_OWNER, CAROL_OWNER, spent);
        vm.assertEq(token.balanceOf(CAROL_OWNER), refused ? 0 : spent);
        vm.assertEq(token.allowance(ALICE_OWNER, BOB_OWNER), refused ? allowed : allowed - spent);
    }

    function test_aMemberThatLeftHoldsAndMovesNothing() public {
        vm.startPrank(CAROL_OWNER);
        token.approve(BOB_OWNER, 5);
        accounts.closeAccount(CAROL);
        vm.stopPrank();
        vm.expectRevert(_notAParty(CAROL_OWNER));
        _mint(CAROL_OWNER, 1);
        vm.expectRevert(_notAParty(CAROL_OWNER));
        vm.prank(BOB_OWNER);
        token.transferFrom(CAROL_OWNER, BOB_OWNER, 0);
    }

    function test_aMemberPaysAnotherMember() public {
        _mint(ALICE_OWNER, 5);
        vm.prank(ALICE_OWNER);
        vm.assertTrue(token.transfer(BOB_OWNER, 3));
        vm.assertEq(token.balanceOf(ALICE_OWNER), 2);
        vm.assertEq(token.balanceOf(BOB_OWNER), 3);
    }

    function test_aStrangerIsNotMintedTo() public {
        vm.expectRevert(_notAParty(STRANGER));
        _mint(STRANGER, 1);
    }

    function test_aStrangerDoesNotReceiveItFromAMembersHand() public {
        _mint(ALICE_OWNER, 1);
        vm.prank(ALICE_OWNER);
        token.approve(BOB_OWNER, 1);
        vm.expectRevert(_notAParty(STRANGER));
        vm.prank(BOB_OWNER);
        token.transferFrom(ALICE_OWNER, STRANGER, 1);
    }

    function _notAParty(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISettlementToken.NotAMember.selector, account);
    }
}
