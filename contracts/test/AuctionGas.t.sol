// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {AuctionBase} from "./AuctionBase.sol";

/// @title Notes what a call cost, or compares it with what was noted.
interface GasMeter {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gasUsed);
}

/// @title What the auction house's verbs cost, kept in snapshots/ as those of Gas.t.sol.
/// forge-config: default.isolate = true
contract AuctionGasTest is AuctionBase {
    GasMeter private constant METER = GasMeter(address(vm));
    uint256 private constant ORDERS = 256;

    /* ZONES, SEATS, ORDERS THAT ARE SENT TO THE CHAIN */

    function test_setZone() public {
        _setZone(9, ALICE, 0, 1, 1);
        _note("setZone, first");
        _setZone(9, ALICE, 100, 1, 1);
        _note("setZone");
    }

    function test_join_addMargin_withdrawMargin() public {
        uint24 account = FIRST_TRADER + 2;
        _join(account, MARGIN);
        _note("join");
        vm.prank(_traderOf(account));
        house.addMargin(ZONE, 1_000);
        _note("addMargin");
        vm.prank(_traderOf(account));
        house.withdrawMargin(ZONE, 1_000);
        _note("withdrawMargin");
    }

    function test_force_reveal() public {
        Order memory o = _buy(FIRST_TRADER, 3, 5_000, 250_000);
        _force(o);
        _note("force, first turn of the ring");
        _force(o);
        vm.assertTrue(_note("force") <= 35_000);
        bytes32 salt = keccak256("salt");
        bytes32 commitment = keccak256(abi.encode(o.account, _word(o), salt));
        vm.prank(_traderOf(FIRST_TRADER));
        house.seal(ZONE, SLOT, commitment);
        _note("seal");
        vm.prank(_traderOf(FIRST_TRADER + 1));
        house.seal(ZONE, SLOT, commitment);
        vm.warp(GATE);
        vm.prank(_traderOf(FIRST_TRADER));
        house.reveal(_word(o), salt);
        _note("reveal");
        vm.warp(COMMIT_FROM);
        house.forfeit(ZONE, SLOT, FIRST_TRADER + 1, commitment);
        _note("forfeit");
    }

    function test_cancel() public {
        vm.prank(_traderOf(FIRST_TRADER));
        house.cancel(ZONE, SLOT, 3);
        _note("cancel");
    }

    function test_void() public {
        Order memory o = _buy(FIRST_TRADER, 3, 5_000, 250_000);
        _force(o);
        o.forced = true;
        vm.warp(SETTLE_UNTIL + 1);
        house.void(ZONE, SLOT, _line(o), hex"03");
        _note("void, 1 order");
    }

    /* BOOKS */

    function test_clear_256() public {
        Order[] memory orders = _inOrder(_random(20));
        IAuctionHouse.Claim memory claim = _claimOf(orders);
        vm.assertTrue(claim.rationed != 0);
        _commit(_lines(orders));
        _note("commitBook, first turn of the ring");
        _clear(claim, "", _lines(orders));
        _note("clear, 256 orders");
        _settle(claim, orders);
        vm.assertTrue(_note("settle, 256 orders of 20 accounts") / ORDERS <= 9_500);
    }

    function _random(uint24 traders) private pure returns (Order[] memory orders) {
        orders = new Order[](ORDERS);
        for (uint256 i; i < ORDERS; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("book", i)));
            uint24 account = FIRST_TRADER + uint24(i % traders);
            uint8 nonce = uint8(i / traders);
            uint32 wh = 500 + uint32(seed % 20_000);
            int32 limit = 100_000 + int32(int256((seed >> 64) % 40)) * 5_000;
            // Each account trades on one side.
            orders[i] = account % 2 == 0 ? _buy(account, nonce, wh, limit) : _sell(account, nonce, wh, limit);
        }
    }

    function _note(string memory name) private returns (uint256 gasUsed) {
        gasUsed = METER.snapshotGasLastCall("AuctionHouse", name);
        vm.assertTrue(gasUsed > 21_000);
    }
}
