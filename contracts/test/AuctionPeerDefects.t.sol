// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {AuctionBase} from "./AuctionBase.sol";

/// @title Defects that published markets have, by name: the contract takes none of them.
contract AuctionPeerDefectsTest is AuctionBase {
    uint24 private constant ONE = FIRST_TRADER;

    function test_gsyFramework_aPriceThatRefusesAnOfferOfTheEquilibriumIsRefused() public {
        // Bids 5 at 30 and 10 at 20, offers 5 at 10 and 5 at 25: gsy-framework says 30. Right is the middle of 20 to 25.
        Order[] memory orders = new Order[](4);
        orders[0] = _buy(ONE, 1, 5_000, 300_000);
        orders[1] = _buy(ONE + 1, 1, 10_000, 200_000);
        orders[2] = _sell(ONE + 2, 1, 5_000, 100_000);
        orders[3] = _sell(ONE + 3, 1, 5_000, 250_000);
        orders = _inOrder(orders);
        bytes memory lines = _lines(orders);
        _commit(lines);
        bytes memory why = abi.encodeWithSelector(IAuctionHouse.FillsDiffer.selector, true, 5_000, 10_000);
        _clearRefused(IAuctionHouse.Claim(true, 5_000, 300_000, 300_000, 0, 0, 0, 0, 0), "", lines, why);
        IAuctionHouse.Claim memory claim = IAuctionHouse.Claim(true, 5_000, 200_000, 250_000, 0, 0, 0, 0, 0);
        _clear(claim, "", lines);
        _settle(claim, orders);
        vm.assertTrue(positions.resultOf(ZONE, SLOT).priceMicroPerKwh == 225_000);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE + 3).soldWh, 0);
    }

    function test_gridLabD_noTradeHasNoPriceInsteadOfZero() public {
        Order[] memory orders = _inOrder(_orders(_buy(ONE, 1, 5_000, 100_000), _sell(ONE + 1, 1, 5_000, 200_000)));
        bytes memory lines = _lines(orders);
        _commit(lines);
        (bool done,) = address(house)
            .call(
                abi.encodeCall(
                    house.clear, (ZONE, SLOT, IAuctionHouse.Claim(true, 0, 0, 0, 0, 0, 0, 0, 0), "", lines, 2, 0)
                )
            );
        vm.assertFalse(done);
        _clear(IAuctionHouse.Claim(false, 0, 100_000, 0, 0, 0, 0, 0, 0), "", lines);
        vm.assertFalse(positions.resultOf(ZONE, SLOT).crossed);
    }

    function test_doubleAuction_siems_moreThan340And125PriceLevelsAreAllThere() public {
        _openTraders(24);
        Order[] memory orders = new Order[](720);
        for (uint256 i; i < 720; ++i) {
            uint24 account = ONE + uint24(i % 48);
            int32 limit = int32(int256(i / 2)) * 100;
            orders[i] =
                i % 2 == 0 ? _buy(account, uint8(i / 48), 10, CAP - limit) : _sell(account, uint8(i / 48), 10, limit);
        }
        orders = _inOrder(orders);
        _commit(_lines(orders));
        // The worst bid is at 3,964,100, the worst offer at 35,900: all of them trade.
        IAuctionHouse.Claim memory claim = IAuctionHouse.Claim(true, 3_600, 35_900, 3_964_100, 0, 0, 0, 0, 0);
        _clear(claim, "", _lines(orders));
        _settle(claim, orders);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE).boughtWh, 150);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE + 1).soldWh, 150);
    }

    function test_lasla_aStrangerSettlesNoAuctionASecondTime() public {
        Order[] memory orders = _inOrder(_orders(_buy(ONE, 1, 5, 300), _sell(ONE + 1, 1, 5, 100)));
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        _settle(claim, orders);
        bytes memory ended = abi.encodeWithSelector(
            IAuctionHouse.WrongState.selector,
            ZONE,
            SLOT,
            IAuctionHouse.BookState.Cleared,
            IAuctionHouse.BookState.Ended
        );
        bytes memory proofs = _proofs(orders);
        vm.expectRevert(ended);
        vm.prank(STRANGER);
        house.settle(ZONE, SLOT, 2, claim, _chunkHashes(_lines(orders)), 0, _lines(orders), "", proofs);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE).boughtWh, 5);
    }

    function test_lasla_aSealedBidIsSaltedAndIsNobodyElses() public {
        Order memory o = _buy(ONE, 1, 5, 300);
        bytes32 salted = keccak256(abi.encode(ONE, _word(o), keccak256("salt")));
        vm.prank(_traderOf(ONE));
        house.seal(ZONE, SLOT, salted);
        // Who knows the order but not the salt can neither find it in the commitment nor reveal it.
        vm.assertTrue(salted != keccak256(abi.encode(ONE, _word(o), bytes32(0))));
        // Who copies the commitment loses a bond.
        vm.prank(_traderOf(ONE + 1));
        house.seal(ZONE, SLOT, salted);
        vm.warp(GATE);
        bytes32 copied = keccak256(abi.encode(ONE + 1, _word(o), keccak256("salt")));
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotSealed.selector, ONE + 1, copied));
        vm.prank(_traderOf(ONE + 1));
        house.reveal(_word(o), keccak256("salt"));
        vm.prank(_traderOf(ONE));
        house.reveal(_word(o), keccak256("salt"));
    }

    function test_gsyDex_theResultIsCheckedAndNotEachMatchAlone() public {
        // Each match of the dearer offer would be within its limits; the auction with it is none.
        Order[] memory orders =
            _inOrder(_orders(_buy(ONE, 1, 5, 300), _sell(ONE + 1, 1, 5, 100), _sell(ONE + 2, 1, 5, 300)));
        IAuctionHouse.Claim memory right = _claimOf(orders);
        bytes memory lines = _lines(orders);
        _commit(lines);
        (bool done,) = address(house)
            .call(
                abi.encodeCall(
                    house.clear, (ZONE, SLOT, IAuctionHouse.Claim(true, 5, 300, 300, 0, 0, 0, 0, 0), "", lines, 3, 0)
                )
            );
        vm.assertFalse(done);
        _clear(right, "", lines);
        _settle(right, orders);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE + 1).soldWh, 5);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE + 2).soldWh, 0);
    }
}
