// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {Roles} from "../Roles.sol";
import {AuctionBase} from "./AuctionBase.sol";

/// @title Zones, seats, and orders that their owners send to the chain.
contract AuctionForcedTest is AuctionBase {
    uint24 private constant ONE = FIRST_TRADER;
    uint24 private constant TWO = FIRST_TRADER + 1;
    bytes32 private constant SALT = keccak256("salt");

    /* ZONES */

    function test_setZone_onlyTheGovernorWithAFeeOnTheTick() public {
        vm.expectRevert(_missingRole(STRANGER, Roles.GOVERNOR));
        vm.prank(STRANGER);
        house.setZone(7, IAuctionHouse.Zone(ALICE, 0, 1, 1));
        uint32[2] memory wrong = [uint32(150), 2_146_983_600];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.FeeRefused.selector, wrong[i], 2_146_983_500));
            vm.prank(GOVERNOR);
            house.setZone(7, IAuctionHouse.Zone(ALICE, wrong[i], 1, 1));
        }
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.UnknownZone.selector, 7));
        house.zoneTerms(7, SLOT);
        _setZone(7, ALICE, 2_146_983_500, 1, 2);
        vm.assertEq(positions.gridOf(7), ALICE);
    }

    function test_setZone_laterTermsHoldADayLaterAndOlderOnesAreKept() public {
        _setZone(ZONE, GRID, 700, 5, 6);
        vm.assertEq(house.zoneTerms(ZONE, NOW + 1 days - 1).feeMicroPerKwh, 0);
        IAuctionHouse.Zone memory next = house.zoneTerms(ZONE, NOW + 1 days);
        vm.assertEq(abi.encode(next), abi.encode(IAuctionHouse.Zone(GRID, 700, 5, 6)));
        uint40 until = NOW + 1 days + 64 * 900;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.TermsPending.selector, ZONE, until));
        vm.prank(GOVERNOR);
        house.setZone(ZONE, IAuctionHouse.Zone(GRID, 800, 5, 6));
        vm.warp(until);
        _setZone(ZONE, GRID, 800, 5, 6);
        vm.assertEq(house.zoneTerms(ZONE, until + 1 days - 1).feeMicroPerKwh, 700);
        vm.assertEq(house.zoneTerms(ZONE, until + 1 days).feeMicroPerKwh, 800);
    }

    function test_setZone_theGridAccountStays() public {
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.GridIsFixed.selector, ZONE, GRID));
        vm.prank(GOVERNOR);
        house.setZone(ZONE, IAuctionHouse.Zone(ALICE, 0, 1, 1));
    }

    /* SEATS */

    function test_join_onceAndNotTheGridAccount() public {
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.AlreadyJoined.selector, ZONE, ONE));
        vm.prank(_traderOf(ONE));
        house.join(ZONE, 1);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.GridCannotJoin.selector, ZONE, GRID));
        vm.prank(OPERATOR);
        house.join(ZONE, 0);
        vm.expectRevert(_notAMember(STRANGER));
        vm.prank(STRANGER);
        house.join(ZONE, 0);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.UnknownZone.selector, 8));
        vm.prank(_traderOf(ONE));
        house.join(8, 0);
        _join(FIRST_TRADER + 2, 0);
        (uint24 account, uint96 freeMicro) = house.seatOf(ZONE, _traderOf(FIRST_TRADER + 2));
        vm.assertTrue(account == FIRST_TRADER + 2 && freeMicro == 0);
    }

    function test_margin_isLockedInTheEscrowAndComesBack() public {
        vm.assertEq(escrow.lockedFor(ONE, address(house)), MARGIN);
        vm.startPrank(_traderOf(ONE));
        house.addMargin(ZONE, 5);
        vm.assertEq(escrow.lockedFor(ONE, address(house)), MARGIN + 5);
        vm.expectRevert(
            abi.encodeWithSelector(IAuctionHouse.InsufficientMargin.selector, ZONE, ONE, MARGIN + 5, MARGIN + 6)
        );
        house.withdrawMargin(ZONE, MARGIN + 6);
        house.withdrawMargin(ZONE, MARGIN + 5);
        vm.stopPrank();
        _assertFree(ONE, 2 * MARGIN);
        _assertMargin(ONE, 0);
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotJoined.selector, ZONE, STRANGER));
            vm.prank(STRANGER);
            if (i == 0) house.addMargin(ZONE, 1);
            else house.withdrawMargin(ZONE, 0);
        }
    }

    /* FORCED */

    function test_force_holdsWhatTheOrderCanOweAtWorst() public {
        _force(_buy(ONE, 1, 1_001, 250_100));
        _assertMargin(ONE, MARGIN - 250_351);
        _force(_sell(ONE, 2, 1_001, -100_100));
        _assertMargin(ONE, MARGIN - 250_351 - 100_201);
    }

    /// @dev Otherwise one seat could fill all places of an interval for nothing.
    function test_force_holdsSomethingOfOrdersThatOweNothing() public {
        _force(_sell(ONE, 1, MAX_WH, CAP));
        _assertMargin(ONE, MARGIN - 10_000);
        _force(_buy(ONE, 2, MAX_WH, FLOOR));
        _assertMargin(ONE, MARGIN - 20_000);
        _force(_buy(ONE, 3, 100, 100_000));
        _force(_sell(ONE, 4, 1, -100));
        _assertMargin(ONE, MARGIN - 40_000);
        _force(_buy(ONE, 5, 100, 100_100));
        _assertMargin(ONE, MARGIN - 50_010);
    }

    function test_void_givesBackWhatWasHeldOfAnOrderThatOwesNothing() public {
        Order memory o = _sell(ONE, 1, 5, 100);
        _force(o);
        o.forced = true;
        vm.warp(SETTLE_UNTIL + 1);
        house.void(ZONE, SLOT, _line(o), hex"01");
        _assertMargin(ONE, MARGIN);
    }

    function test_force_chainsLinesWithTheirNonces() public {
        Order memory one = _buy(ONE, 63, 1_001, 250_100);
        Order memory two = _sell(TWO, 0, MAX_WH, CAP);
        vm.expectEmit(address(house));
        emit IAuctionHouse.BidForced(ONE, _word(one));
        _force(one);
        _force(two);
        (one.forced, two.forced) = (true, true);
        uint256 chain = uint256(keccak256(abi.encodePacked(uint256(0), _line(one), uint8(63)))) & MASK_200;
        chain = uint256(keccak256(abi.encodePacked(chain, _line(two), uint8(0)))) & MASK_200;
        (uint256 count, bytes32 found, bool held) = house.forcedOf(ZONE, SLOT);
        vm.assertTrue(count == 2 && found == bytes32(chain) && held);
        (count, found, held) = house.forcedOf(ZONE, SLOT + 900);
        vm.assertTrue(count == 0 && found == 0 && !held);
    }

    function test_force_refusesOrdersThatNobodyCanHave() public {
        bytes32 right = _word(_buy(ONE, 1, 1_001, 250_100));
        _forceRefused(_word(_buy(ONE, 64, 1, 0)));
        _forceRefused(_word(_buy(ONE, 1, 0, 0)));
        _forceRefused(_word(_buy(ONE, 1, MAX_WH + 1, 0)));
        _forceRefused(_word(_buy(ONE, 1, 1, 150)));
        _forceRefused(_word(_buy(ONE, 1, 1, CAP + 100)));
        _forceRefused(_word(_sell(ONE, 1, 1, FLOOR - 100)));
        _forceRefused(right | bytes32(uint256(1)));
        _forceRefused(right | bytes32(uint256(1) << 127));
    }

    function test_force_needsASeatAndAMargin() public {
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotJoined.selector, ZONE, STRANGER));
        vm.prank(STRANGER);
        house.force(_word(_buy(ONE, 1, 1, 100)));
        Order memory o = _buy(ONE, 1, 100_001, 100_000);
        vm.expectRevert(
            abi.encodeWithSelector(IAuctionHouse.InsufficientMargin.selector, ZONE, ONE, MARGIN, 10_000_100)
        );
        _force(o);
    }

    function test_force_beforeTheGateAndAtMost64IntervalsAhead() public {
        bytes32 order = _word(_buy(ONE, 1, 1, 100));
        vm.warp(GATE - 1);
        _force(_buy(ONE, 1, 1, 100));
        vm.warp(GATE);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.GateClosed.selector, SLOT, GATE));
        vm.prank(_traderOf(ONE));
        house.force(order);
        vm.warp(SLOT - 64 * 900 - 1);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.TooFarAhead.selector, SLOT, SLOT - 1));
        vm.prank(_traderOf(ONE));
        house.force(order);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotAnInterval.selector, SLOT + 1));
        vm.prank(_traderOf(ONE));
        house.force(bytes32(uint256(order) + (1 << 200)));
    }

    function test_force_noMoreThan896() public {
        for (uint256 i; i < 896; ++i) {
            _force(_sell(i % 2 == 0 ? ONE : TWO, 1, 1, 0));
        }
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.TooManyForced.selector, ZONE, SLOT));
        _force(_sell(ONE, 1, 1, 0));
    }

    function test_ring_isNotWrittenOverBeforeTheMoneyWentBack() public {
        _force(_buy(ONE, 1, 1_001, 250_100));
        Order memory o = _buy(ONE, 1, 1_001, 250_100);
        o.forced = true;
        uint40 later = SLOT + 128 * 900;
        bytes32 next = bytes32(uint256(_word(o)) + (uint256(128 * 900) << 200));
        vm.warp(later - 64 * 900);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotVoided.selector, ZONE, SLOT));
        vm.prank(_traderOf(ONE));
        house.force(next);
        house.void(ZONE, SLOT, _line(o), hex"01");
        vm.prank(_traderOf(ONE));
        house.force(next);
        (uint256 count,, bool held) = house.forcedOf(ZONE, later);
        vm.assertTrue(count == 1 && held);
        (count,,) = house.forcedOf(ZONE, SLOT);
        vm.assertEq(count, 0);
    }

    /* VOID */

    function test_void_givesTheMarginBackOnceAndNotBeforeItsTime() public {
        Order memory o = _buy(ONE, 1, 1_001, 250_100);
        _force(o);
        o.forced = true;
        vm.warp(SETTLE_UNTIL);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.TooEarly.selector, SLOT, SETTLE_UNTIL + 1));
        house.void(ZONE, SLOT, _line(o), hex"01");
        vm.warp(SETTLE_UNTIL + 1);
        bytes memory wrong = abi.encodePacked(_line(o), _line(o));
        for (uint256 i; i < 3; ++i) {
            bytes memory nonces = i == 0 ? bytes(hex"02") : i == 1 ? bytes(hex"0101") : bytes("");
            (bool done,) = address(house).call(abi.encodeCall(house.void, (ZONE, SLOT, wrong, nonces)));
            vm.assertFalse(done);
        }
        house.void(ZONE, SLOT, _line(o), hex"01");
        _assertMargin(ONE, MARGIN);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NothingForced.selector, ZONE, SLOT));
        house.void(ZONE, SLOT, _line(o), hex"01");
    }

    /* CANCELLED */

    function test_cancel_usesANonceUpBeforeTheGate() public {
        vm.expectEmit(address(house));
        emit IAuctionHouse.OrderCancelled(ZONE, SLOT, ONE, 63);
        vm.prank(_traderOf(ONE));
        house.cancel(ZONE, SLOT, 63);
        vm.assertEq(positions.positionOf(ZONE, SLOT, ONE).nonces, uint256(1) << 63);
        _cancelRefused(ZONE, SLOT, 63, abi.encodeWithSelector(IPositionBook.NonceTaken.selector, ZONE, SLOT, ONE, 63));
        _cancelRefused(ZONE, SLOT, 64, abi.encodeWithSelector(IAuctionHouse.NonceRefused.selector, 64));
        _cancelRefused(ZONE, SLOT + 1, 1, abi.encodeWithSelector(IAuctionHouse.NotAnInterval.selector, SLOT + 1));
        _cancelRefused(9, SLOT, 1, abi.encodeWithSelector(IAuctionHouse.UnknownZone.selector, 9));
        vm.warp(GATE);
        _cancelRefused(ZONE, SLOT, 1, abi.encodeWithSelector(IAuctionHouse.GateClosed.selector, SLOT, GATE));
    }

    /* SEALED */

    function test_seal_revealedInItsTimeIsForcedAndTheBondComesBack() public {
        Order memory o = _buy(ONE, 1, 1_001, 250_100);
        bytes32 commitment = _seal(ONE, o);
        _assertMargin(ONE, MARGIN - BOND_MICRO);
        vm.assertTrue(house.isSealed(ZONE, SLOT, ONE, commitment));
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.AlreadySealed.selector, ONE, commitment));
        vm.prank(_traderOf(ONE));
        house.seal(ZONE, SLOT, commitment);
        vm.warp(GATE - 1);
        _revealRefused(ONE, o, SALT, _outside());
        vm.warp(GATE + 60);
        _revealRefused(ONE, o, SALT, _outside());
        vm.warp(GATE + 59);
        bytes32 guessed = keccak256(abi.encode(ONE, _word(o), bytes32(0)));
        _revealRefused(ONE, o, 0, abi.encodeWithSelector(IAuctionHouse.NotSealed.selector, ONE, guessed));
        bytes32 copied = keccak256(abi.encode(TWO, _word(o), SALT));
        _revealRefused(TWO, o, SALT, abi.encodeWithSelector(IAuctionHouse.NotSealed.selector, TWO, copied));
        vm.prank(_traderOf(ONE));
        house.reveal(_word(o), SALT);
        _assertMargin(ONE, MARGIN - 250_351);
        (uint256 count,,) = house.forcedOf(ZONE, SLOT);
        vm.assertEq(count, 1);
        _revealRefused(ONE, o, SALT, abi.encodeWithSelector(IAuctionHouse.NotSealed.selector, ONE, commitment));
    }

    function test_seal_thatIsNotRevealedIsTheGridAccounts() public {
        bytes32 commitment = _seal(ONE, _buy(ONE, 1, 1_001, 250_100));
        vm.warp(COMMIT_FROM - 1);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.TooEarly.selector, SLOT, COMMIT_FROM));
        house.forfeit(ZONE, SLOT, ONE, commitment);
        vm.warp(COMMIT_FROM);
        house.forfeit(ZONE, SLOT, ONE, commitment);
        _assertFree(GRID, RICH + BOND_MICRO);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotSealed.selector, ONE, commitment));
        house.forfeit(ZONE, SLOT, ONE, commitment);
    }

    function test_seal_needsABondASeatAndTheTimeBeforeTheGate() public {
        _join(FIRST_TRADER + 2, BOND_MICRO - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAuctionHouse.InsufficientMargin.selector, ZONE, FIRST_TRADER + 2, BOND_MICRO - 1, BOND_MICRO
            )
        );
        vm.prank(_traderOf(FIRST_TRADER + 2));
        house.seal(ZONE, SLOT, SALT);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.NotJoined.selector, ZONE, STRANGER));
        vm.prank(STRANGER);
        house.seal(ZONE, SLOT, SALT);
        vm.warp(GATE);
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.GateClosed.selector, SLOT, GATE));
        vm.prank(_traderOf(ONE));
        house.seal(ZONE, SLOT, SALT);
    }

    /* WHAT THE TESTS SHARE */

    function _seal(uint24 account, Order memory o) private returns (bytes32 commitment) {
        commitment = keccak256(abi.encode(account, _word(o), SALT));
        vm.prank(_traderOf(account));
        house.seal(ZONE, SLOT, commitment);
    }

    function _outside() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAuctionHouse.OutsideWindow.selector, SLOT, GATE, GATE + 60);
    }

    function _revealRefused(uint24 account, Order memory o, bytes32 salt, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(_traderOf(account));
        house.reveal(_word(o), salt);
    }

    function _forceRefused(bytes32 order) private {
        vm.expectRevert(abi.encodeWithSelector(IAuctionHouse.OrderRefused.selector, order));
        vm.prank(_traderOf(ONE));
        house.force(order);
    }

    function _cancelRefused(uint16 zone, uint40 interval, uint8 nonce, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(_traderOf(ONE));
        house.cancel(zone, interval, nonce);
    }

    function _assertMargin(uint24 account, uint256 micro) private view {
        (, uint96 freeMicro) = house.seatOf(ZONE, _traderOf(account));
        vm.assertEq(freeMicro, micro, "free margin");
    }
}
