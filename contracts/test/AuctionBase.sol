// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {Base} from "./Base.sol";

/// @title A zone with its grid account and traders, and a builder of books.
/// @notice Lines, chains, hashes and digests are written here once more, from docs/reference/auction.md.
abstract contract AuctionBase is Base {
    /// @dev An order as it is signed; if it is forced nobody signs it.
    struct Order {
        uint24 account;
        bool sell;
        bool forced;
        uint32 wh;
        int32 limit;
        uint40 expiry;
        uint8 nonce;
    }

    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(uint24 account,uint16 zone,uint40 interval,bool sell,uint32 quantityWh,int32 limitMicroPerKwh,uint40 expiry,uint8 nonce)"
    );
    uint16 internal constant ZONE = 3;
    /// @dev The operator's account is the zone's grid account.
    uint24 internal constant GRID = OPERATOR_ACCOUNT;
    uint24 internal constant FIRST_TRADER = ACCOUNTS + 1;
    uint24 internal constant TRADERS = 24;
    uint96 internal constant MARGIN = 10_000_000;
    uint32 internal constant MAX_WH = (1 << 30) - 1;
    int32 internal constant FLOOR = -500_000;
    int32 internal constant CAP = 4_000_000;
    /// @dev The auctioned interval: it is an hour away.
    uint40 internal constant SLOT = NOW + 3600;
    uint40 internal constant GATE = SLOT - 300;
    uint40 internal constant COMMIT_FROM = SLOT - 240;
    uint40 internal constant SETTLE_UNTIL = SLOT + 900 + SETTLE_WITHIN_S;
    uint256 internal constant LINE_BYTES = 11;
    uint256 internal constant CHUNK_BYTES = 1_024 * LINE_BYTES;
    uint256 internal constant MASK_200 = (1 << 200) - 1;
    uint256 internal constant MASK_208 = (1 << 208) - 1;

    IAuctionHouse internal house;

    function setUp() public virtual override {
        super.setUp();
        _openTraders(TRADERS);
        _setZone(ZONE, GRID, 0, 1_000_000, 500_000);
        _join(FIRST_TRADER, MARGIN);
        _join(FIRST_TRADER + 1, MARGIN);
    }

    /// @dev An auction house of this test's own is a module from the start.
    function _proposeOtherModules() internal virtual override {
        house = IAuctionHouse(_deployHouse(abi.encode(accounts, escrow, positions)));
        escrowGate.proposeModule(address(house));
    }

    function _deployHouse(bytes memory arguments) internal virtual returns (address) {
        return _deploy("AuctionHouse", arguments);
    }

    /* MEMBERS */

    function _openTraders(uint24 count) internal {
        address[] memory owners = new address[](count);
        address[] memory keys = new address[](count);
        for (uint24 i; i < count; ++i) {
            uint24 account = accounts.accountCount() + 1 + i;
            (owners[i], keys[i]) = (_traderOf(account), vm.addr(_driverKeyOf(account)));
        }
        vm.prank(GOVERNOR);
        accounts.openAccounts(owners, keys);
    }

    function _traderOf(uint24 account) internal pure returns (address) {
        return address(uint160(0x7000_0000) + account);
    }

    function _driverKeyOf(uint24 account) internal pure returns (uint256) {
        return 0xD00000 + account;
    }

    function _setZone(uint16 zone, uint24 grid, uint32 fee, uint40 importWh, uint40 exportWh) internal {
        vm.prank(GOVERNOR);
        house.setZone(zone, IAuctionHouse.Zone(grid, fee, importWh, exportWh));
    }

    /// @dev A trader with twice the margin takes its seat.
    function _join(uint24 account, uint96 marginMicro) internal {
        if (marginMicro != 0) _fund(_traderOf(account), account, 2 * marginMicro);
        vm.prank(_traderOf(account));
        house.join(ZONE, marginMicro);
    }

    /* ORDERS */

    function _buy(uint24 account, uint8 nonce, uint32 wh, int32 limit) internal pure returns (Order memory) {
        return Order(account, false, false, wh, limit, GATE, nonce);
    }

    function _sell(uint24 account, uint8 nonce, uint32 wh, int32 limit) internal pure returns (Order memory) {
        return Order(account, true, false, wh, limit, GATE, nonce);
    }

    function _offset(int32 limit) internal pure returns (uint32) {
        return uint32(uint256(int256(limit) + 2 ** 31));
    }

    function _amountOf(Order memory o) internal pure returns (uint32) {
        return (o.sell ? uint32(1) << 31 : 0) | (o.forced ? uint32(1) << 30 : 0) | o.wh;
    }

    function _line(Order memory o) internal pure returns (bytes memory) {
        return abi.encodePacked(o.account, _amountOf(o), _offset(o.limit));
    }

    /// @dev The order as `force` takes it.
    function _word(Order memory o) internal pure returns (bytes32) {
        uint32 amount = (o.sell ? uint32(1) << 31 : 0) | o.wh;
        return bytes32(abi.encodePacked(ZONE, SLOT, amount, _offset(o.limit), o.nonce, uint128(0)));
    }

    function _orderHash(Order memory o) internal view returns (bytes32) {
        bytes memory head = abi.encode(ORDER_TYPEHASH, o.account, ZONE, SLOT, o.sell);
        bytes32 structHash = keccak256(bytes.concat(head, abi.encode(o.wh, o.limit, o.expiry, o.nonce)));
        return _digest(_domain(CHAIN_ID, address(house)), structHash);
    }

    function _proof(Order memory o) internal view returns (bytes memory) {
        return _proofBy(_driverKeyOf(o.account), o);
    }

    function _proofBy(uint256 key, Order memory o) internal view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _sign(_orderHash(o), key);
        return abi.encodePacked(r, vs, o.expiry, o.nonce);
    }

    function _force(Order memory o) internal {
        vm.prank(_traderOf(o.account));
        house.force(_word(o));
    }

    /* BOOKS */

    /// @dev Forced orders first, as they come, then the others by ascending hash.
    function _inOrder(Order[] memory orders) internal view returns (Order[] memory sorted) {
        sorted = new Order[](orders.length);
        // Of a hash's bits the highest 240 say where it belongs; the lowest 16 hold the order's place instead.
        uint256[] memory keys = new uint256[](orders.length);
        (uint256 forced, uint256 signed) = (0, 0);
        for (uint256 i; i < orders.length; ++i) {
            if (orders[i].forced) sorted[forced++] = orders[i];
            else keys[signed++] = uint256(_orderHash(orders[i])) >> 16 << 16 | i;
        }
        if (signed != 0) _sort(keys, 0, signed - 1);
        for (uint256 i; i < signed; ++i) {
            sorted[forced + i] = orders[uint16(keys[i])];
        }
    }

    function _sort(uint256[] memory keys, uint256 low, uint256 high) private pure {
        (uint256 i, uint256 j, uint256 middle) = (low, high, keys[(low + high) / 2]);
        while (i <= j) {
            while (keys[i] < middle) ++i;
            while (keys[j] > middle) --j;
            if (i > j) break;
            (keys[i], keys[j]) = (keys[j], keys[i]);
            ++i;
            if (j == 0) break;
            --j;
        }
        if (low < j) _sort(keys, low, j);
        if (i < high) _sort(keys, i, high);
    }

    function _orders(Order memory a) internal pure returns (Order[] memory all) {
        all = new Order[](1);
        all[0] = a;
    }

    function _orders(Order memory a, Order memory b) internal pure returns (Order[] memory all) {
        all = new Order[](2);
        (all[0], all[1]) = (a, b);
    }

    function _orders(Order memory a, Order memory b, Order memory c) internal pure returns (Order[] memory all) {
        all = new Order[](3);
        (all[0], all[1], all[2]) = (a, b, c);
    }

    function _lines(Order[] memory orders) internal pure returns (bytes memory lines) {
        lines = new bytes(orders.length * LINE_BYTES);
        for (uint256 i; i < orders.length; ++i) {
            bytes memory line = _line(orders[i]);
            for (uint256 k; k < LINE_BYTES; ++k) {
                lines[i * LINE_BYTES + k] = line[k];
            }
        }
    }

    function _nonces(Order[] memory orders) internal pure returns (bytes memory nonces) {
        for (uint256 i; i < orders.length && orders[i].forced; ++i) {
            nonces = abi.encodePacked(nonces, orders[i].nonce);
        }
    }

    function _proofs(Order[] memory orders) internal view returns (bytes memory) {
        return _proofs(orders, 0, orders.length);
    }

    function _proofs(Order[] memory orders, uint256 from, uint256 to) internal view returns (bytes memory proofs) {
        bytes[] memory parts = new bytes[](to - from);
        uint256 size;
        for (uint256 i = from; i < to; ++i) {
            if (!orders[i].forced) parts[i - from] = _proof(orders[i]);
            size += parts[i - from].length;
        }
        proofs = new bytes(size);
        uint256 at;
        for (uint256 i; i < parts.length; ++i) {
            for (uint256 k; k < parts[i].length; ++k) {
                proofs[at++] = parts[i][k];
            }
        }
    }

    function _slice(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[from + i];
        }
    }

    function _chunkHashes(bytes memory lines) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[]((lines.length + CHUNK_BYTES - 1) / CHUNK_BYTES);
        for (uint256 i; i < hashes.length; ++i) {
            uint256 to = (i + 1) * CHUNK_BYTES;
            hashes[i] = keccak256(_slice(lines, i * CHUNK_BYTES, to < lines.length ? to : lines.length));
        }
    }

    function _bookDigest(bytes memory lines) internal pure returns (bytes32) {
        return _bookDigest(_chunkHashes(lines), lines.length / LINE_BYTES);
    }

    function _bookDigest(bytes32[] memory hashes, uint256 count) internal pure returns (bytes32 digest) {
        digest = keccak256(abi.encode(uint256(ZONE), uint256(SLOT), count));
        for (uint256 i; i < hashes.length; ++i) {
            digest = keccak256(abi.encodePacked(digest, hashes[i]));
        }
    }

    /* VERBS */

    function _commit(bytes memory lines) internal {
        vm.warp(COMMIT_FROM);
        vm.prank(OPERATOR);
        house.commitBook(ZONE, SLOT, lines.length / LINE_BYTES, _bookDigest(lines));
    }

    function _clear(IAuctionHouse.Claim memory claim, bytes memory nonces, bytes memory lines) internal {
        house.clear(ZONE, SLOT, claim, nonces, lines, lines.length / LINE_BYTES, 0);
    }

    function _clearRefused(IAuctionHouse.Claim memory claim, bytes memory nonces, bytes memory lines, bytes memory why)
        internal
    {
        vm.expectRevert(why);
        _clear(claim, nonces, lines);
    }

    /// @dev Settles a book of one chunk.
    function _settle(IAuctionHouse.Claim memory claim, Order[] memory orders, bytes memory proofs) internal {
        bytes memory lines = _lines(orders);
        bytes32[] memory hashes = _chunkHashes(lines);
        house.settle(ZONE, SLOT, orders.length, claim, hashes, 0, lines, _nonces(orders), proofs);
    }

    function _settle(IAuctionHouse.Claim memory claim, Order[] memory orders) internal {
        _settle(claim, orders, _proofs(orders));
    }

    function _settleRefused(
        IAuctionHouse.Claim memory claim,
        Order[] memory orders,
        bytes memory proofs,
        bytes memory why
    ) internal {
        vm.expectRevert(why);
        _settle(claim, orders, proofs);
    }

    /// @dev Commits and clears orders that are in order, as the reference says.
    function _commitAndClear(Order[] memory orders) internal returns (IAuctionHouse.Claim memory claim) {
        claim = _claimOf(orders);
        _commit(_lines(orders));
        _clear(claim, _nonces(orders), _lines(orders));
    }

    /* THE REFERENCE: WHAT THE RULEBOOK SAYS, BY TRYING ALL LIMITS */

    function _net(Order memory o, int256 fee) internal pure returns (int256) {
        return o.sell ? int256(o.limit) : int256(o.limit) - fee;
    }

    /// @dev Demand from a price on and above it, supply up to it and below it, Wh.
    function _curves(Order[] memory orders, int256 price, int256 fee) internal pure returns (uint256[4] memory sums) {
        for (uint256 i; i < orders.length; ++i) {
            int256 better = _net(orders[i], fee) - price;
            if (orders[i].sell) better = -better;
            uint256 side = orders[i].sell ? 2 : 0;
            if (better >= 0) sums[side] += orders[i].wh;
            if (better > 0) sums[side + 1] += orders[i].wh;
        }
    }

    function _claimOf(Order[] memory orders) internal view returns (IAuctionHouse.Claim memory) {
        return _claimOf(orders, int256(uint256(house.zoneTerms(ZONE, SLOT).feeMicroPerKwh)));
    }

    function _claimOf(Order[] memory orders, int256 fee) internal pure returns (IAuctionHouse.Claim memory claim) {
        int256 highestBid = int256(FLOOR) - fee - 100;
        for (uint256 i; i < orders.length; ++i) {
            int256 net = _net(orders[i], fee);
            uint256[4] memory at = _curves(orders, net, fee);
            uint256 volume = at[0] < at[2] ? at[0] : at[2];
            if (volume > claim.volumeWh) claim.volumeWh = uint64(volume);
            if (!orders[i].sell && net > highestBid) highestBid = net;
        }
        if (claim.volumeWh == 0) {
            claim.lo = int32(highestBid);
            return claim;
        }
        claim.crosses = true;
        (claim.lo, claim.hi) = _interval(orders, fee, claim.volumeWh);
        _ration(orders, fee, claim);
    }

    function _interval(Order[] memory orders, int256 fee, uint256 volume) private pure returns (int32 lo, int32 hi) {
        (lo, hi) = (type(int32).max, type(int32).min);
        for (uint256 i; i < orders.length; ++i) {
            int256 net = _net(orders[i], fee);
            uint256[4] memory at = _curves(orders, net, fee);
            if (at[1] > volume || at[0] < volume || at[3] > volume || at[2] < volume) continue;
            if (net < lo) lo = int32(net);
            if (net > hi) hi = int32(net);
        }
    }

    function _priceOf(IAuctionHouse.Claim memory claim) internal pure returns (int256 price) {
        int256 twice = int256(claim.lo) + claim.hi;
        price = twice / 200 * 100;
        if (twice % 200 < 0) price -= 100;
    }

    function _ration(Order[] memory orders, int256 fee, IAuctionHouse.Claim memory claim) private pure {
        uint256[4] memory at = _curves(orders, _priceOf(claim), fee);
        for (uint8 side = 1; side <= 2; ++side) {
            (uint256 all, uint256 better) = side == 1 ? (at[0], at[1]) : (at[2], at[3]);
            if (all == claim.volumeWh) continue;
            claim.rationed = side;
            claim.atWh = uint64(all - better);
            claim.shareWh = claim.volumeWh - uint64(better);
            _threshold(orders, fee, claim);
        }
    }

    /// @dev Gives Wh that rounding left, one after the other, to the largest remainder.
    function _threshold(Order[] memory orders, int256 fee, IAuctionHouse.Claim memory claim) private pure {
        uint256 left = claim.shareWh;
        uint256[] memory remainders = new uint256[](orders.length);
        for (uint256 i; i < orders.length; ++i) {
            if (!_shares(orders[i], fee, claim)) continue;
            uint256 product = uint256(orders[i].wh) * claim.shareWh;
            left -= product / claim.atWh;
            remainders[i] = product % claim.atWh + 1;
        }
        (claim.remainder, claim.line) = (claim.atWh, 0);
        for (; left != 0; --left) {
            uint256 best;
            for (uint256 i = 1; i < orders.length; ++i) {
                if (remainders[i] > remainders[best]) best = i;
            }
            (claim.remainder, claim.line) = (uint64(remainders[best] - 1), uint16(best));
            remainders[best] = 0;
        }
    }

    function _shares(Order memory o, int256 fee, IAuctionHouse.Claim memory claim) private pure returns (bool) {
        return claim.rationed == (o.sell ? 2 : 1) && _net(o, fee) == _priceOf(claim);
    }

    /// @dev What an order gets, Wh.
    function _fillOf(Order[] memory orders, uint256 i, int256 fee, IAuctionHouse.Claim memory claim)
        internal
        pure
        returns (uint256)
    {
        if (!claim.crosses) return 0;
        Order memory o = orders[i];
        if (_shares(o, fee, claim)) {
            uint256 product = uint256(o.wh) * claim.shareWh;
            uint256 remainder = product % claim.atWh;
            bool one = remainder > claim.remainder || (remainder == claim.remainder && i <= claim.line);
            return product / claim.atWh + (one ? 1 : 0);
        }
        int256 better = _net(o, fee) - _priceOf(claim);
        if (o.sell) better = -better;
        return better < 0 ? 0 : o.wh;
    }

    /* REFUSALS */

    function _error(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _error(bytes4 selector, uint256 a, uint256 b, uint256 c) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b, c);
    }
}
