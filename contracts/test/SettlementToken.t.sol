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
            vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAMember.selector, to));
        }
        vm.prank(ALICE_OWNER);
        token.transfer(to, amount);
        if (to != ALICE_OWNER) vm.assertEq(token.balanceOf(to), holds ? before + amount : before);
    }

    function test_aMemberPaysAnotherMember() public {
        _mint(ALICE_OWNER, 5);
        vm.prank(ALICE_OWNER);
        vm.assertTrue(token.transfer(BOB_OWNER, 3));
        vm.assertEq(token.balanceOf(ALICE_OWNER), 2);
        vm.assertEq(token.balanceOf(BOB_OWNER), 3);
    }

    function test_aStrangerIsNotMintedTo() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAMember.selector, STRANGER));
        _mint(STRANGER, 1);
    }

    function test_aStrangerDoesNotReceiveItThroughAnAllowance() public {
        _mint(ALICE_OWNER, 1);
        vm.prank(ALICE_OWNER);
        token.approve(STRANGER, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementToken.NotAMember.selector, STRANGER));
        vm.prank(STRANGER);
        token.transferFrom(ALICE_OWNER, STRANGER, 1);
    }
}
