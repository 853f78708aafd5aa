// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {Roles} from "../Roles.sol";
import {AuctionBase} from "./AuctionBase.sol";

/// @title Books: committed, cleared and settled, and all that is refused on the way.
contract AuctionBooksTest is AuctionBase {
    uint24 private constant ONE = FIRST_TRADER;
    uint24 private constant TWO = FIRST_TRADER + 1;
    uint24 private constant THREE = FIRST_TRADER + 2;

    /* COMMITTING */

    function test_commit_onlyTheSettlerInItsWindowOnce() public {
        vm.warp(COMMIT_FROM - 1);
        _commitRefused(SLOT, 1, _outside());
        vm.warp(SLOT);
        _commitRefused(SLOT, 1, _outside());
        vm.warp(SLOT - 1);
        _commitRefused(SLOT, 0, abi.encodeWithSelector(IAuctionHouse.CountRefused.selector, 0));
        _commitRefused(SLOT, 65_536, abi.encodeWithSelector(IAuctionHouse.CountRefused.selector, 65_536));
        _commitRefused(SLOT + 1, 1, abi.encodeWithSelector(IAuctionHouse.NotAnInterval.selector, SLOT + 1));
        vm.expectRevert(_missingRole(STRANGER, Roles.SETTLER));
        vm.prank(STRANGER);
        house.commitBook(ZONE, SLOT, 1, EVIDENCE);
        vm.prank(OPERATOR);
        house.commitBook(ZONE, SLOT, 1, EVIDENCE);
        (IAuctionHouse.BookState state, bytes32 kept) = house.bookOf(ZONE, SLOT);
        vm.assertTrue(state == IAuctionHouse.BookState.Committed && uint256(kept) == uint256(EVIDENCE) & MASK_208);
        _commitRefused(SLOT, 1, abi.encodeWithSelector(IAuctionHouse.AlreadyCommitted.selector, ZONE, SLOT));
    }

    /* CLEARING: ANY BOOK */

    /// @dev The sorted reference's claim is taken, each neighbour of it refused, and the fills are those entered.
    function testFuzz_clear_takesTheReferencesClaimAndNoOther(uint256 seed) public {
        _setZone(9, ALICE, 0, 1, 1);
        Order[] memory orders = _inOrder(_random(seed, 1 + seed % 14));
        IAuctionHouse.Claim memory claim = _claimOf(orders);
        bytes memory lines = _lines(orders);
        _commit(lines);
        for (uint256 i; i < 16; ++i) {
            IAuctionHouse.Claim memory other = _altered(claim, i);
            if (keccak256(abi.encode(other)) == keccak256(abi.encode(claim))) continue;
            vm.assertFalse(_accepts(other, lines));
        }
        _clear(claim, "", lines);
        if (!claim.crosses) {
            vm.assertTrue(positions.resultOf(ZONE, SLOT).concluded && !positions.resultOf(ZONE, SLOT).crossed);
            return;
        }
        _settle(claim, orders);
        uint256[TRADERS] memory bought;
        uint256[TRADERS] memory sold;
        for (uint256 i; i < orders.length; ++i) {
            uint256 wh = _fillOf(orders, i, 0, claim);
            if (orders[i].sell) sold[orders[i].account - ONE] += wh;
            else bought[orders[i].account - ONE] += wh;
        }
        for (uint24 i; i < TRADERS; ++i) {
            IPositionBook.Position memory found = positions.positionOf(ZONE, SLOT, ONE + i);
            vm.assertTrue(found.boughtWh == bought[i] && found.soldWh == sold[i]);
        }
        vm.assertEq(int256(positions.resultOf(ZONE, SLOT).priceMicroPerKwh) == _priceOf(claim), true);
    }

    function _random(uint256 seed, uint256 count) private pure returns (Order[] memory orders) {
        orders = new Order[](count);
        for (uint256 i; i < count; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            uint24 account = ONE + uint24(i % TRADERS);
            int32 limit = (int32(int256(dice % 9)) - 4) * 100;
            orders[i] =
                _buy(account, uint8(dice >> 8) % 64, 1 + uint32((dice >> 16) % (seed % 3 == 0 ? 4 : 900)), limit);
            orders[i].sell = dice >> 128 & 1 == 0;
        }
    }

    function _altered(IAuctionHouse.Claim memory c, uint256 i) private pure returns (IAuctionHouse.Claim memory a) {
        a = abi.decode(abi.encode(c), (IAuctionHouse.Claim));
        unchecked {
            if (i == 0) a.volumeWh += 1;
            if (i == 1) a.volumeWh -= 1;
            if (i == 2) a.lo += 100;
            if (i == 3) a.lo -= 100;
            if (i == 4) a.hi += 100;
            if (i == 5) a.hi -= 100;
            if (i == 6) a.rationed = (a.rationed + 1) % 3;
            if (i == 7) a.rationed = (a.rationed + 2) % 3;
            if (i == 8) a.atWh += 1;
            if (i == 9) a.shareWh += 1;
            if (i == 10) a.remainder += 1;
            if (i == 11) a.remainder -= 1;
            if (i == 12) a.line += 1;
            if (i == 13) a.line -= 1;
            if (i == 14) a.crosses = !a.crosses;
            if (i == 15) (a.lo, a.hi) = (a.lo + 1, a.hi + 1);
        }
        // Where nothing crosses any price below the offers and not below the bids will do.
        if (!c.crosses && (i == 2 || i == 3 || i == 15)) a = c;
    }

    function _accepts(IAuctionHouse.Claim memory claim, bytes memory lines) private returns (bool done) {
        uint256 id = vm.snapshotState();
        uint256 count = lines.length / LINE_BYTES;
        (done,) = address(house).call(abi.encodeCall(house.clear, (ZONE, SLOT, claim, "", lines, count, 0)));
        vm.revertToState(id);
    }

    /* CLEARING: REFUSALS */

    function test_clear_refusesLinesThatNoBookHas() public {
        Order memory bad = _buy(ONE, 1, 5, 300);
        uint32 wh = 5;
        for (uint256 i; i < 6; ++i) {
            Order memory o = abi.decode(abi.encode(bad), (Order));
            if (i == 0) o.wh = 0;
            if (i == 1) o.limit = 301;
            if (i == 2) o.limit = CAP + 100;
            if (i == 3) o.limit = FLOOR - 100;
            if (i == 4) o.forced = true;
            if (i == 5) (o.sell, o.limit) = (true, type(int32).max);
            Order[] memory orders = _orders(_sell(TWO, 1, wh, 100), o);
            uint256 id = vm.snapshotState();
            _commit(_lines(orders));
            bytes memory why = abi.encodeWithSelector(IAuctionHouse.LineRefused.selector, 1, bytes11(_line(o)));
            _clearRefused(IAuctionHouse.Claim(true, 5, 100, 300, 0, 0, 0, 0, 0), "", _lines(orders), why);
            vm.revertToState(id);
        }
    }

    /// @dev Lines are read three at a time.
    function test_clear_refusesAWrongLineWhereverItIs() public {
        for (uint256 i; i < 20; ++i) {
            Order[] memory orders = new Order[](5);
            for (uint256 k; k < 5; ++k) {
                orders[k] = k % 2 == 0 ? _buy(ONE, uint8(k), 5, 300) : _sell(TWO, uint8(k), 5, 100);
            }
            Order memory bad = orders[i % 5];
            if (i / 5 == 0) bad.wh = 0;
            if (i / 5 == 1) (bad.wh, bad.forced) = (0, true);
            if (i / 5 == 2) bad.limit += 50;
            if (i / 5 == 3) bad.limit = bad.sell ? FLOOR - 100 : CAP + 100;
            uint256 id = vm.snapshotState();
            _commit(_lines(orders));
            bytes memory why = abi.encodeWithSelector(IAuctionHouse.LineRefused.selector, i % 5, bytes11(_line(bad)));
            _clearRefused(IAuctionHouse.Claim(true, 5, 200, 200, 0, 0, 0, 0, 0), "", _lines(orders), why);
            vm.revertToState(id);
        }
    }

    function test_clear_refusesAnotherBookOrCut() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _simple();
        bytes memory lines = _lines(orders);
        _clearRefused(claim, "", lines, _wrongState(IAuctionHouse.BookState.Committed, IAuctionHouse.BookState.None));
        _commit(lines);
        _clearRefused(claim, "", bytes.concat(lines, hex"00"), _error(IAuctionHouse.LinesCutWrong.selector, 23));
        orders[0].wh += 1;
        vm.assertFalse(_accepts(claim, _lines(orders)));
        vm.assertFalse(_accepts(claim, bytes.concat(lines, lines)));
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.CountRefused.selector, 65_536));
        house.clear(ZONE, SLOT, claim, "", lines, 65_536, 0);
        _clear(claim, "", lines);
        _clearRefused(claim, "", lines, _wrongState(IAuctionHouse.BookState.Committed, IAuctionHouse.BookState.Cleared));
    }

    function test_clear_refusesClaimsThatHoldForNoBook() public {
        (Order[] memory orders, IAuctionHouse.Claim memory right) = _simple();
        bytes memory lines = _lines(orders);
        _commit(lines);
        bytes memory notPlain = abi.encodeWithSelector(IAuctionHouse.ClaimNotPlain.selector);
        IAuctionHouse.Claim memory c = _copy(right);
        c.rationed = 3;
        _clearRefused(c, "", lines, notPlain);
        c = _copy(right);
        c.line = 1;
        _clearRefused(c, "", lines, notPlain);
        _clearRefused(IAuctionHouse.Claim(false, 1, 0, 0, 0, 0, 0, 0, 0), "", lines, notPlain);
        c = _copy(right);
        (c.lo, c.hi) = (c.hi, c.lo);
        _clearRefused(c, "", lines, abi.encodeWithSelector(IAuctionHouse.PriceNotPossible.selector, c.lo, c.hi));
        c = _copy(right);
        c.volumeWh = 0;
        _clearRefused(c, "", lines, abi.encodeWithSelector(IAuctionHouse.PriceDoesNotClear.selector, c.lo, 0));
        c = IAuctionHouse.Claim(true, 5, 100, 300, 1, 5, 5, 1, 0);
        _clearRefused(c, "", lines, _error(IAuctionHouse.RationingDiffers.selector, 5, 5));
        c = IAuctionHouse.Claim(false, 0, 200, 0, 0, 0, 0, 0, 0);
        _clearRefused(c, "", lines, abi.encodeWithSelector(IAuctionHouse.OrdersCross.selector, 200, 5, 5));
        c = _copy(right);
        (c.lo, c.hi) = (0, 400);
        _clearRefused(c, "", lines, _error(IAuctionHouse.LimitBetween.selector, 0));
        c = _copy(right);
        c.hi = 200;
        _clearRefused(c, "", lines, abi.encodeWithSelector(IAuctionHouse.PriceIntervalTooShort.selector, 300));
        c.volumeWh = 4;
        _clearRefused(c, "", lines, _error(IAuctionHouse.VolumeDiffers.selector, 4, 5));
    }

    function test_clear_holdsTheGridAccountToItsLimits() public {
        _setZone(5, ALICE, 0, 1, 1);
        Order[] memory orders = _orders(_sell(GRID, 1, 1_000_001, 100), _buy(ONE, 1, 1_000_001, 300));
        IAuctionHouse.Claim memory claim = _claimOf(orders);
        bytes memory lines = _lines(orders);
        uint256 id = vm.snapshotState();
        _commit(lines);
        _clearRefused(
            claim, "", lines, abi.encodeWithSelector(IAuctionHouse.GridPastLimit.selector, true, 1_000_000, 1_000_001)
        );
        vm.revertToState(id);
        orders = _orders(_sell(ONE, 1, 500_001, 300), _buy(GRID, 1, 500_001, 300));
        claim = _claimOf(orders);
        lines = _lines(orders);
        _commit(lines);
        _clearRefused(
            claim, "", lines, abi.encodeWithSelector(IAuctionHouse.GridPastLimit.selector, false, 500_000, 500_001)
        );
    }

    /* FORCED ORDERS IN A BOOK */

    function test_clear_refusesForcedOrdersLeftOutAlteredOrMoved() public {
        (Order memory one, Order memory two) = (_buy(ONE, 1, 5, 300), _sell(TWO, 2, 5, 100));
        _force(one);
        _force(two);
        (one.forced, two.forced) = (true, true);
        Order memory more = _buy(THREE, 1, 7, 200);
        Order memory bent = abi.decode(abi.encode(one), (Order));
        bent.wh = 6;
        Order[][] memory wrong = new Order[][](5);
        wrong[0] = _orders(one, more);
        wrong[1] = _orders(two, one, more);
        wrong[2] = _orders(bent, two, more);
        wrong[3] = _orders(more);
        wrong[4] = _orders(more, one, two);
        for (uint256 i; i < wrong.length; ++i) {
            uint256 id = vm.snapshotState();
            _commit(_lines(wrong[i]));
            IAuctionHouse.Claim memory claim = _claimOf(wrong[i]);
            _refusedForForced(claim, hex"0102", _lines(wrong[i]));
            vm.revertToState(id);
        }
        Order[] memory right = _orders(one, two, more);
        _commit(_lines(right));
        _refusedForForced(_claimOf(right), hex"0201", _lines(right));
        _refusedForForced(_claimOf(right), hex"010200", _lines(right));
        _refusedForForced(_claimOf(right), "", _lines(right));
        _clear(_claimOf(right), hex"0102", _lines(right));
        _settle(_claimOf(right), right);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE).boughtWh, 5);
        vm.assertEq(positions.positionOf(ZONE, SLOT, TWO).soldWh, 5);
        // What was held is free money again, and not margin.
        vm.assertEq(escrow.lockedFor(ONE, address(house)), MARGIN - 10_000);
        _assertFree(ONE, MARGIN + 10_000);
    }

    function _refusedForForced(IAuctionHouse.Claim memory claim, bytes memory nonces, bytes memory lines) private {
        uint256 count = lines.length / LINE_BYTES;
        bytes memory call = abi.encodeCall(house.clear, (ZONE, SLOT, claim, nonces, lines, count, 0));
        (bool done, bytes memory why) = address(house).call(call);
        vm.assertFalse(done);
        vm.assertTrue(bytes4(why) == IAuctionHouse.ForcedLinesDiffer.selector);
    }

    function test_clear_nothingCrossesConcludesAndGivesForcedMoneyBack() public {
        Order memory one = _buy(ONE, 1, 1_000, 300);
        _force(one);
        one.forced = true;
        Order[] memory orders = _orders(one, _sell(TWO, 1, 1_000, 400));
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        vm.assertFalse(claim.crosses);
        (, uint96 freeMicro) = house.seatOf(ZONE, _traderOf(ONE));
        vm.assertEq(freeMicro, MARGIN);
        IPositionBook.Result memory result = positions.resultOf(ZONE, SLOT);
        vm.assertTrue(result.concluded && !result.crossed && result.priceMicroPerKwh == 0);
        _settleRefused(claim, orders, "", _wrongState(IAuctionHouse.BookState.Cleared, IAuctionHouse.BookState.Ended));
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NothingForced.selector, ZONE, SLOT));
        house.void(ZONE, SLOT, _line(one), hex"01");
    }

    /* SETTLING: REFUSALS */

    function test_settle_refusesWhatNobodySigned() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _cleared();
        bytes memory first = _proof(orders[0]);
        bytes memory second = _proof(orders[1]);
        _settleRefused(claim, orders, first, _error(IAuctionHouse.ProofsCutWrong.selector, 70, 140));
        bytes memory foreign = _proofBy(_driverKeyOf(THREE), orders[1]);
        _settleRefused(claim, orders, bytes.concat(first, foreign), _notSigned(orders, _driverKeyOf(THREE)));
        Order memory late = abi.decode(abi.encode(orders[1]), (Order));
        late.expiry = GATE - 1;
        _settleRefused(
            claim,
            orders,
            bytes.concat(first, _proof(late)),
            abi.encodeWithSelector(IAuctionHouse.OrderExpired.selector, 1, GATE - 1)
        );
        late = abi.decode(abi.encode(orders[1]), (Order));
        late.nonce = 64;
        _settleRefused(
            claim,
            orders,
            bytes.concat(first, _proof(late)),
            abi.encodeWithSelector(IAuctionHouse.NonceRefused.selector, 64)
        );
        _settle(claim, orders, bytes.concat(first, second));
        _settleRefused(
            claim,
            orders,
            bytes.concat(first, second),
            _wrongState(IAuctionHouse.BookState.Cleared, IAuctionHouse.BookState.Ended)
        );
    }

    function test_settle_refusesTheHighSTwin() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _cleared();
        (bytes32 r, bytes32 vs) = _sign(_orderHash(orders[1]), _driverKeyOf(orders[1].account));
        uint256 twin = CURVE_ORDER - (uint256(vs) & type(uint256).max >> 1);
        for (uint256 bit; bit < 2; ++bit) {
            bytes32 high = bytes32(twin & type(uint256).max >> 1 | bit << 255);
            bytes memory proofs =
                bytes.concat(_proof(orders[0]), abi.encodePacked(r, high, orders[1].expiry, orders[1].nonce));
            (bool done,) = address(house).call(_settleCall(claim, orders, proofs));
            vm.assertFalse(done);
        }
    }

    function test_settle_takesTheKeyOfTheGateAlone() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _simple();
        vm.warp(GATE - 1);
        vm.prank(_traderOf(orders[1].account));
        accounts.setDriverKey(orders[1].account, _fresh(7));
        _commit(_lines(orders));
        _clear(claim, "", _lines(orders));
        _settleRefused(claim, orders, _proofs(orders), _notSigned(orders, _driverKeyOf(orders[1].account)));
    }

    function test_settle_refusesHashesThatDoNotAscend() public {
        (Order[] memory sorted,) = _simple();
        Order[] memory orders = _orders(sorted[1], sorted[0]);
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        bytes32 hash = _orderHash(orders[1]);
        _settleRefused(
            claim, orders, _proofs(orders), abi.encodeWithSelector(IAuctionHouse.NotAscending.selector, 1, hash)
        );
    }

    function test_settle_refusesOneOrderTwice() public {
        Order memory o = _sell(TWO, 1, 5, 100);
        Order[] memory orders = _orders(o, o, _buy(ONE, 1, 10, 300));
        if (_orderHash(orders[2]) < _orderHash(o)) orders = _orders(orders[2], o, o);
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        (bool done, bytes memory why) = address(house).call(_settleCall(claim, orders, _proofs(orders)));
        vm.assertFalse(done);
        vm.assertTrue(bytes4(why) == IAuctionHouse.NotAscending.selector);
    }

    function test_settle_refusesACancelledOrder() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _simple();
        vm.prank(_traderOf(ONE));
        house.cancel(ZONE, SLOT, 1);
        _commit(_lines(orders));
        _clear(claim, "", _lines(orders));
        bytes memory why = abi.encodeWithSelector(IPositionBook.NonceTaken.selector, ZONE, SLOT, ONE, 1);
        _settleRefused(claim, orders, _proofs(orders), why);
    }

    function test_settle_refusesAForcedOrderThatIsSignedAsWell() public {
        Order memory forced = _buy(ONE, 1, 5, 300);
        _force(forced);
        forced.forced = true;
        Order[] memory orders = _inOrder(_orders(forced, _buy(ONE, 1, 5, 300), _sell(TWO, 1, 10, 100)));
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        bytes memory why = abi.encodeWithSelector(IPositionBook.NonceTaken.selector, ZONE, SLOT, ONE, 1);
        _settleRefused(claim, orders, _proofs(orders), why);
    }

    function test_settle_refusesAnAccountThatTradesWithItself() public {
        Order[] memory orders = _inOrder(_orders(_buy(ONE, 1, 5, 300), _sell(ONE, 2, 5, 100)));
        IAuctionHouse.Claim memory claim = _commitAndClear(orders);
        bytes memory why = abi.encodeWithSelector(IPositionBook.SelfTrade.selector, ZONE, SLOT, ONE);
        _settleRefused(claim, orders, _proofs(orders), why);
    }

    function test_settle_refusesAnotherClaimOrBook() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _cleared();
        for (uint256 i; i < 14; ++i) {
            bytes memory call = _settleCall(_altered(claim, i), orders, _proofs(orders));
            (bool refused, bytes memory reason) = address(house).call(call);
            vm.assertFalse(refused);
            vm.assertTrue(bytes4(reason) == IAuctionHouse.OtherBook.selector);
        }
        bytes memory proofs = _proofs(orders);
        orders[0].wh += 1;
        (bool done, bytes memory why) = address(house).call(_settleCall(claim, orders, proofs));
        vm.assertTrue(!done && bytes4(why) == IAuctionHouse.OtherBook.selector);
        orders[0].wh -= 1;
        bytes32[] memory hashes = _chunkHashes(_lines(orders));
        vm.expectRevert(_error(IAuctionHouse.OtherChunk.selector, 1, 0));
        house.settle(ZONE, SLOT, 2, claim, hashes, 1, _lines(orders), "", proofs);
    }

    function test_settle_untilItsTimeIsOver() public {
        (Order[] memory orders, IAuctionHouse.Claim memory claim) = _cleared();
        vm.warp(SETTLE_UNTIL + 1);
        bytes memory why = abi.encodeWithSelector(IPositionBook.TooLate.selector, SLOT, SETTLE_UNTIL);
        _settleRefused(claim, orders, _proofs(orders), why);
        vm.warp(SETTLE_UNTIL);
        _settle(claim, orders);
    }

    function test_trade_isOnlyForModules() public {
        vm.expectRevert(abi.encodeWithSelector(IPositionBook.NotAModule.selector, STRANGER));
        vm.prank(STRANGER);
        positions.trade(ZONE, SLOT, new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(IPositionBook.NotAModule.selector, STRANGER));
        vm.prank(STRANGER);
        positions.spendNonce(ZONE, SLOT, ONE, 1);
    }

    /* LARGE BOOKS */

    function test_orders_cleared_max_tested() public {
        uint256 count = 2_100;
        Order[] memory orders = new Order[](count);
        _openTraders(24);
        for (uint256 i; i < count; ++i) {
            uint24 account = ONE + uint24(i % 48);
            orders[i] = _buy(account, uint8(i / 48), 5, 300);
            if (account % 2 == 0) orders[i] = _sell(account, uint8(i / 48), 3, 100);
        }
        orders = _inOrder(orders);
        bytes memory lines = _lines(orders);
        // Buyers want five where sellers have three: three fifths of each order, all remainders are alike or none.
        IAuctionHouse.Claim memory claim = IAuctionHouse.Claim(true, 3_150, 300, 300, 1, 5_250, 3_150, 5_250, 0);
        _commit(lines);
        _clearInParts(claim, lines, count);
        _settleInParts(claim, orders, lines);
        vm.assertTrue(positions.resultOf(ZONE, SLOT).crossed);
        uint256 bought;
        uint256 sold;
        for (uint24 i; i < 48; ++i) {
            bought += positions.positionOf(ZONE, SLOT, ONE + i).boughtWh;
            sold += positions.positionOf(ZONE, SLOT, ONE + i).soldWh;
        }
        vm.assertTrue(bought == claim.volumeWh && sold == claim.volumeWh);
    }

    function _clearInParts(IAuctionHouse.Claim memory claim, bytes memory lines, uint256 count) private {
        bytes memory first = _slice(lines, 0, CHUNK_BYTES);
        bytes memory rest = _slice(lines, CHUNK_BYTES, lines.length);
        vm.expectRevert(_error(IAuctionHouse.LinesCutWrong.selector, CHUNK_BYTES - LINE_BYTES));
        house.clear(ZONE, SLOT, claim, "", _slice(lines, 0, CHUNK_BYTES - LINE_BYTES), count, 0);
        house.clear(ZONE, SLOT, claim, "", first, count, 0);
        vm.assertEq(house.nextPart(address(this)), 1_024);
        // Nobody goes on with what another one began, or with another claim, or elsewhere.
        vm.expectRevert(_error(IAuctionHouse.OtherPart.selector, 1_024, 0));
        vm.prank(STRANGER);
        house.clear(ZONE, SLOT, claim, "", rest, count, 1_024);
        vm.expectRevert(_error(IAuctionHouse.OtherPart.selector, 1_024, 1_024));
        house.clear(ZONE, SLOT, _altered(claim, 0), "", rest, count, 1_024);
        vm.expectRevert(_error(IAuctionHouse.OtherPart.selector, 2_048, 1_024));
        house.clear(ZONE, SLOT, claim, "", rest, count, 2_048);
        vm.expectRevert(_error(IAuctionHouse.ProofsCutWrong.selector, 1, 0));
        house.clear(ZONE, SLOT, claim, hex"01", rest, count, 1_024);
        // It may begin anew.
        house.clear(ZONE, SLOT, claim, "", first, count, 0);
        house.clear(ZONE, SLOT, claim, "", rest, count, 1_024);
        vm.assertEq(house.nextPart(address(this)), 0);
    }

    function _settleInParts(IAuctionHouse.Claim memory claim, Order[] memory orders, bytes memory lines) private {
        bytes32[] memory hashes = _chunkHashes(lines);
        for (uint256 chunk; chunk < hashes.length; ++chunk) {
            (uint256 from, uint256 to) = (chunk * 1_024, (chunk + 1) * 1_024);
            if (to > orders.length) to = orders.length;
            bytes memory part = _slice(lines, from * LINE_BYTES, to * LINE_BYTES);
            bytes memory proofs = _proofs(orders, from, to);
            vm.assertEq(house.nextChunk(ZONE, SLOT), chunk);
            if (chunk == 1) {
                vm.expectRevert(_error(IAuctionHouse.OtherChunk.selector, 2, 1));
                house.settle(ZONE, SLOT, orders.length, claim, hashes, 2, part, "", proofs);
                vm.expectRevert(_error(IAuctionHouse.ProofsCutWrong.selector, 1, 0));
                house.settle(ZONE, SLOT, orders.length, claim, hashes, 1, part, hex"01", proofs);
            }
            house.settle(ZONE, SLOT, orders.length, claim, hashes, chunk, part, "", proofs);
        }
    }

    /* WHAT THE TESTS SHARE */

    /// @dev One buys 5 Wh up to 300, two sells them from 100 on.
    function _simple() private view returns (Order[] memory orders, IAuctionHouse.Claim memory claim) {
        orders = _inOrder(_orders(_buy(ONE, 1, 5, 300), _sell(TWO, 1, 5, 100)));
        claim = _claimOf(orders);
    }

    function _cleared() private returns (Order[] memory orders, IAuctionHouse.Claim memory claim) {
        (orders, claim) = _simple();
        _commit(_lines(orders));
        _clear(claim, "", _lines(orders));
    }

    function _settleCall(IAuctionHouse.Claim memory claim, Order[] memory orders, bytes memory proofs)
        private
        view
        returns (bytes memory)
    {
        bytes memory lines = _lines(orders);
        bytes32[] memory hashes = _chunkHashes(lines);
        return
            abi.encodeCall(house.settle, (ZONE, SLOT, orders.length, claim, hashes, 0, lines, _nonces(orders), proofs));
    }

    function _notSigned(Order[] memory orders, uint256 key) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuctionHouse.WrongSigner.selector, 1, orders[1].account, vm.addr(key));
    }

    function _copy(IAuctionHouse.Claim memory claim) private pure returns (IAuctionHouse.Claim memory) {
        return abi.decode(abi.encode(claim), (IAuctionHouse.Claim));
    }

    function _error(bytes4 selector, uint256 a) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function _wrongState(IAuctionHouse.BookState needed, IAuctionHouse.BookState found)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IAuctionHouse.WrongState.selector, ZONE, SLOT, needed, found);
    }

    function _outside() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuctionHouse.OutsideWindow.selector, SLOT, COMMIT_FROM, SLOT);
    }

    function _commitRefused(uint40 interval, uint256 count, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(OPERATOR);
        house.commitBook(ZONE, interval, count, EVIDENCE);
    }
}
