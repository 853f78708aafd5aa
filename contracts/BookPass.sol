// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BookLines, MarketDesign} from "./BookLines.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";

/// @dev How many words BookPass.Sums are.
uint256 constant SUMS_WORDS = 13;

/// @title One pass over the lines of a book, which a claim is held against. Neither sorts nor searches.
/// @notice The checks are those of domain/auction/check.py.
library BookPass {
    using BookLines for uint256;

    /// @notice A claim in the numbers of lines: limits with their offset, for buyers with the fee in it.
    struct Frame {
        uint256 buyLo;
        uint256 buyHi;
        uint256 buyPrice;
        uint256 sellLo;
        uint256 sellHi;
        uint256 sellPrice;
        uint256 grid;
        uint256 rationed;
        uint256 atWh;
        uint256 shareWh;
        uint256 remainder;
        uint256 line;
    }

    /// @notice What a pass adds up, Wh. A side's better lines are those that trade at every price of the claim.
    /// @param what   hash of what is cleared, where that is done in parts
    /// @param digest of the lines so far
    /// @param next   number of the next line
    struct Sums {
        bytes32 what;
        bytes32 digest;
        uint256 next;
        uint256 buyBetter;
        uint256 buyAtHi;
        uint256 buyAtLo;
        uint256 sellBetter;
        uint256 sellAtLo;
        uint256 sellAtHi;
        uint256 sharedWh;
        uint256 gridBought;
        uint256 gridSold;
        bool thresholdMet;
    }

    uint256 private constant BUYERS = 1;
    uint256 private constant SELLERS = 2;
    /// Three lines are in one word, each in a lane of its own: a line's bit is that of its number, which LANES repeats.
    uint256 private constant LANE_BITS = 88;
    uint256 private constant LANES = 0x1_0000000000000000000001_0000000000000000000001;
    /// A hundredth of 2^80 and a little more: of its products with a distance from the lowest limit, in ticks, 45,000
    /// are below 2^62 in their lowest 80 bits, 45,001 not; nor is one with a distance off the tick.
    uint256 private constant STEPS =
        ((1 << 80) + (1 << 63) / (2 * (BookLines.RANGE / BookLines.TICK) + 1)) / BookLines.TICK;
    uint256 private constant WRONG = LANES * ((1 << 80) - (1 << 62));
    int256 private constant TICK = MarketDesign.TICK;
    /// A multiple of two ticks, far above all prices: division rounds down above zero.
    int256 private constant LIFT = 2 * TICK << 40;

    /* CLAIMS */

    /// @notice The price that a claim comes to: the middle, rounded down to the tick.
    function priceOf(IAuctionHouse.Claim memory claim) internal pure returns (int32) {
        unchecked {
            int256 twice = int256(claim.lo) + claim.hi + LIFT;
            return claim.crosses ? int32(twice / (2 * TICK) * TICK - LIFT / 2) : int32(0);
        }
    }

    /// @notice The claim as a pass needs it. Without a crossing, buyers at the price are not better, sellers are.
    function frameOf(IAuctionHouse.Claim memory claim, uint256 fee, uint256 grid)
        internal
        pure
        returns (Frame memory frame)
    {
        unchecked {
            frame.sellLo = uint256(claim.lo + BookLines.OFFSET);
            frame.sellHi = uint256((claim.crosses ? claim.hi : claim.lo) + BookLines.OFFSET);
            frame.sellPrice = claim.crosses ? uint256(priceOf(claim) + BookLines.OFFSET) : frame.sellLo;
            frame.buyLo = frame.sellLo + fee;
            frame.buyHi = frame.sellHi + fee;
            frame.buyPrice = frame.sellPrice + fee;
            frame.grid = grid;
            frame.rationed = claim.rationed;
            frame.atWh = claim.atWh;
            frame.shareWh = claim.shareWh;
            frame.remainder = claim.remainder;
            frame.line = claim.line;
        }
    }

    /// @notice Refuses claims that hold for no book.
    function requirePossible(IAuctionHouse.Claim memory claim, uint256 fee) internal pure {
        bool shares = claim.atWh | claim.shareWh | claim.remainder | claim.line != 0;
        if (!claim.crosses) {
            if (shares || claim.volumeWh != 0 || claim.hi != 0 || claim.rationed != 0) {
                revert IAuctionHouse.ClaimNotPlain();
            }
            return;
        }
        if (claim.rationed == 0 ? shares : claim.rationed > SELLERS) revert IAuctionHouse.ClaimNotPlain();
        if (claim.volumeWh == 0) revert IAuctionHouse.PriceDoesNotClear(claim.lo, 0);
        int256 lowest = MarketDesign.FLOOR - int256(fee);
        bool ordered = lowest <= claim.lo && claim.lo <= claim.hi && claim.hi <= MarketDesign.CAP;
        if (!ordered || claim.lo % TICK != 0 || claim.hi % TICK != 0) {
            revert IAuctionHouse.PriceNotPossible(claim.lo, claim.hi);
        }
        if (claim.rationed != 0 && claim.shareWh >= claim.atWh) {
            revert IAuctionHouse.RationingDiffers(claim.shareWh, claim.atWh);
        }
    }

    /* LINES */

    /// @notice Adds a chunk of lines in calldata, or a part of one, to the digest and the sums.
    /// @param forced how many of the lines, which come first, are forced
    function add(Frame memory frame, Sums memory sums, uint256 at, uint256 size, uint256 forced) internal pure {
        unchecked {
            (uint256 copy, bytes32 hash) = _copy(frame, at, size, forced);
            sums.digest = BookLines.chained(sums.digest, hash);
            (uint256 marked, uint256 end, uint256 wrong) = _addThrees(frame, sums, copy, size);
            for (; marked < end; marked += 32) {
                _addMarked(frame, sums, copy, size, marked);
            }
            if (wrong & WRONG != 0) _refuse(at, sums.next, forced);
            sums.next += size / BookLines.LINE_BYTES;
            BookLines.forget(copy);
        }
    }

    /// @dev Copies lines to new memory, forced ones as if they were not, and the other way round. Behind them go two
    ///      lines that count for nothing: of a buyer at the lowest limit or, if that is a good one, a seller at the
    ///      highest. Behind those is room for a word for each three lines.
    function _copy(Frame memory frame, uint256 at, uint256 size, uint256 forced)
        private
        pure
        returns (uint256 copy, bytes32 hash)
    {
        (uint256 lowest, uint256 range) = (BookLines.LOWEST, BookLines.RANGE);
        assembly ("memory-safe") {
            copy := mload(0x40)
            calldatacopy(copy, at, size)
            hash := keccak256(copy, size)
            let end := add(copy, size)
            mstore(0x40, add(end, add(size, 96)))
            let none := or(shl(200, 1), shl(168, lowest))
            if lt(mload(add(frame, 32)), lowest) { none := add(none, or(shl(231, 1), shl(168, range))) }
            mstore(end, none)
            mstore(add(end, 11), none)
            end := add(copy, mul(forced, 11))
            for { let line := copy } lt(line, end) { line := add(line, 11) } {
                mstore(line, xor(mload(line), shl(230, 1)))
            }
        }
    }

    /// @dev Adds what is better than all prices of the claim, and marks what is at one, or perhaps the grid account's.
    ///      Three lines at a time: all of them but the first byte, which is an account's highest. A bit above the side
    ///      is a comparison's: it is set in x + 2^64 - y if x >= y. Amounts and those less one have no bit set
    ///      of WRONG, nor has a right limit's product with STEPS; a line before changes its lowest 18 bits, which
    ///      does not matter.
    /// @return marked where words begin that have a bit for each line of three that was marked, above their place
    /// @return end    where they end
    /// @return wrong  has a bit of WRONG set if a line is none
    function _addThrees(Frame memory frame, Sums memory sums, uint256 copy, uint256 size)
        private
        pure
        returns (uint256 marked, uint256 end, uint256 wrong)
    {
        unchecked {
            uint256 steps = STEPS;
            uint256 lowest = LANES * (0 - BookLines.LOWEST * steps & (1 << 80) - 1);
            uint256 all;
            uint256 sold;
            assembly ("memory-safe") {
                let bits := shl(64, LANES)
                let fromLo := mul(sub(shl(64, 1), mload(frame)), LANES)
                let aboveHi := mul(sub(sub(shl(64, 1), 1), mload(add(frame, 32))), LANES)
                let belowLo := mul(add(mload(add(frame, 96)), sub(shl(63, 3), 1)), LANES)
                let toHi := mul(add(mload(add(frame, 128)), shl(63, 3)), LANES)
                let grid := mul(mload(add(frame, 192)), bits)
                copy := add(copy, 1)
                let last := add(copy, size)
                marked := add(last, 63)
                mstore(0, marked)
                for {} lt(copy, last) {} {
                    let word := mload(copy)
                    copy := add(copy, 33)
                    let key := and(word, mul(LANES, 0x80000000ffffffff))
                    let better := and(add(key, aboveHi), sub(belowLo, key))
                    let mark := xor(and(add(key, fromLo), sub(toHi, key)), better)
                    mark := and(or(mark, sub(bits, and(shr(15, xor(word, grid)), mul(LANES, shl(49, 0x7fff))))), bits)
                    better := shr(32, and(better, bits))
                    let wh := and(word, mul(LANES, shl(32, 0x7fffffff)))
                    wrong := or(
                        wrong,
                        or(or(wh, sub(wh, shl(32, LANES))), add(mul(and(word, mul(LANES, 0xffffffff)), steps), lowest))
                    )
                    all := add(all, and(word, mul(better, 0x3fffffff)))
                    sold := add(sold, and(word, mul(and(better, shr(31, word)), 0x3fffffff)))
                    if mark {
                        end := mload(0)
                        mstore(end, or(mark, copy))
                        mstore(0, add(end, 32))
                    }
                }
                end := mload(0)
            }
            sold = (sold >> BookLines.WH_SHIFT) % ((1 << LANE_BITS) - 1);
            sums.sellBetter += sold;
            sums.buyBetter += (all >> BookLines.WH_SHIFT) % ((1 << LANE_BITS) - 1) - sold;
        }
    }

    /// @dev Adds the lines of three that are marked and not behind the last one.
    function _addMarked(Frame memory frame, Sums memory sums, uint256 copy, uint256 size, uint256 marked) private pure {
        unchecked {
            uint256 marks = BookLines.memoryAt(marked);
            uint256 at = uint32(marks) - 34 - copy;
            for (marks >>= 64; marks != 0; at += BookLines.LINE_BYTES) {
                if (marks >> 2 * LANE_BITS != 0 && at < size) {
                    uint256 line = BookLines.memoryAt(copy + at) >> 168;
                    _addSlowly(frame, sums, line, sums.next + at / BookLines.LINE_BYTES);
                }
                marks = uint256(uint176(marks)) << LANE_BITS;
            }
        }
    }

    /// @dev Names the first line that is wrong: there is one.
    function _refuse(uint256 at, uint256 number, uint256 forced) private pure {
        unchecked {
            for (uint256 i;; ++i) {
                uint256 line = BookLines.lineAt(at + i * BookLines.LINE_BYTES);
                uint256 flag = i < forced ? BookLines.FORCED : 0;
                uint256 wh = (line >> BookLines.WH_SHIFT & type(uint32).max >> 1) ^ flag;
                if (!BookLines.isPossible(wh, line.limit())) {
                    revert IAuctionHouse.LineRefused(number + i, bytes11(uint88(line)));
                }
            }
        }
    }

    /// @dev Any line, but that it was added where it is better.
    function _addSlowly(Frame memory frame, Sums memory sums, uint256 line, uint256 number) private pure {
        unchecked {
            uint256 limit = line.limit();
            uint256 wh = line.quantity();
            (bool sell, uint256 filledWh) = (line.sells(), _fillMarginal(frame, sums, line, number));
            (uint256 lo, uint256 hi) = sell ? (frame.sellLo, frame.sellHi) : (frame.buyLo, frame.buyHi);
            if (lo < limit && limit < hi) revert IAuctionHouse.LimitBetween(number);
            if (sell) {
                if (limit == lo) sums.sellAtLo += wh;
                if (limit == hi) sums.sellAtHi += wh;
            } else {
                if (limit == lo) sums.buyAtLo += wh;
                if (limit == hi) sums.buyAtHi += wh;
            }
            if (line.account() != frame.grid) return;
            if (sell) sums.gridSold += filledWh;
            else sums.gridBought += filledWh;
        }
    }

    /// @return filledWh what the line gets, of which the sums note what is shared
    function _fillMarginal(Frame memory frame, Sums memory sums, uint256 line, uint256 number)
        private
        pure
        returns (uint256 filledWh)
    {
        unchecked {
            uint256 remainder;
            bool shares;
            (filledWh, remainder, shares) = _fill(frame, line, number);
            if (!shares) return filledWh;
            sums.sharedWh += filledWh;
            if (number == frame.line && remainder == frame.remainder) sums.thresholdMet = true;
        }
    }

    /// @notice What a line of a cleared book gets, Wh.
    function fillOf(Frame memory frame, uint256 line, uint256 number) internal pure returns (uint256 filledWh) {
        (filledWh,,) = _fill(frame, line, number);
    }

    /// @return filledWh  what the line gets, Wh
    /// @return remainder of its share, if it has one
    /// @return shares    whether it is at the price and of the rationed side
    function _fill(Frame memory frame, uint256 line, uint256 number)
        private
        pure
        returns (uint256 filledWh, uint256 remainder, bool shares)
    {
        uint256 limit = line.limit();
        (uint256 high, uint256 low, uint256 side) =
            line.sells() ? (frame.sellPrice, limit, SELLERS) : (limit, frame.buyPrice, BUYERS);
        if (high < low) return (0, 0, false);
        if (high > low || frame.rationed != side) return (line.quantity(), 0, false);
        (filledWh, remainder) = _share(frame, line.quantity(), number);
        shares = true;
    }

    /// @dev Largest remainders first, at equal ones the earlier line. Quantities have 30 bits, shares 64.
    function _share(Frame memory frame, uint256 wh, uint256 number)
        private
        pure
        returns (uint256 filledWh, uint256 remainder)
    {
        unchecked {
            uint256 product = wh * frame.shareWh;
            filledWh = product / frame.atWh;
            remainder = product % frame.atWh;
            bool one = remainder > frame.remainder || (remainder == frame.remainder && number <= frame.line);
            if (one) ++filledWh;
        }
    }

    /* SUMS */

    /// @notice Keeps sums.
    function store(Sums memory sums, uint256[SUMS_WORDS] storage slots) internal {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, SUMS_WORDS) { i := add(i, 1) } {
                sstore(add(slots.slot, i), mload(add(sums, shl(5, i))))
            }
        }
    }

    /// @notice Sums that were kept.
    function load(uint256[SUMS_WORDS] storage slots) internal view returns (Sums memory sums) {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, SUMS_WORDS) { i := add(i, 1) } {
                mstore(add(sums, shl(5, i)), sload(add(slots.slot, i)))
            }
        }
    }

    /// @notice Refuses sums that are not those of the claim.
    function check(IAuctionHouse.Claim memory claim, Sums memory sums, uint256 importLimitWh, uint256 exportLimitWh)
        internal
        pure
    {
        if (!claim.crosses) {
            if (sums.buyBetter != 0 || sums.sellBetter != 0 || sums.sellAtLo != 0) {
                revert IAuctionHouse.OrdersCross(claim.lo, sums.buyBetter, sums.sellBetter + sums.sellAtLo);
            }
            return;
        }
        _checkPrices(claim, sums);
        if (sums.gridSold > importLimitWh) revert IAuctionHouse.GridPastLimit(true, importLimitWh, sums.gridSold);
        if (sums.gridBought > exportLimitWh) {
            revert IAuctionHouse.GridPastLimit(false, exportLimitWh, sums.gridBought);
        }
    }

    /// @dev No limit is between lo and hi, so that the sums at each tell of all prices.
    function _checkPrices(IAuctionHouse.Claim memory claim, Sums memory sums) private pure {
        unchecked {
            bool one = claim.lo == claim.hi;
            // Demand above and from hi on, above and from lo on; supply likewise below and up to.
            uint256 aboveHi = sums.buyBetter;
            uint256 fromHi = aboveHi + sums.buyAtHi;
            (uint256 aboveLo, uint256 fromLo) = one ? (aboveHi, fromHi) : (fromHi, fromHi + sums.buyAtLo);
            uint256 belowLo = sums.sellBetter;
            uint256 toLo = belowLo + sums.sellAtLo;
            (uint256 belowHi, uint256 toHi) = one ? (belowLo, toLo) : (toLo, toLo + sums.sellAtHi);
            bool atLo = priceOf(claim) == claim.lo;
            _checkShares(claim, sums, aboveLo, atLo ? fromLo : aboveLo, atLo ? belowLo : toLo, toLo);
            uint256 volumeWh = claim.volumeWh;
            if (aboveLo > volumeWh || toLo < volumeWh) revert IAuctionHouse.PriceDoesNotClear(claim.lo, volumeWh);
            if (fromHi < volumeWh || belowHi > volumeWh) revert IAuctionHouse.PriceDoesNotClear(claim.hi, volumeWh);
            if (aboveHi >= volumeWh && toHi <= volumeWh) {
                revert IAuctionHouse.PriceIntervalTooShort(claim.hi + int32(TICK));
            }
            if (fromLo <= volumeWh && belowLo >= volumeWh) {
                revert IAuctionHouse.PriceIntervalTooShort(claim.lo - int32(TICK));
            }
        }
    }

    /// @dev Volume, rationing and fills.
    /// @param above  demand above the price, Wh
    /// @param from   demand from it on
    /// @param below  supply below it
    /// @param upTo   supply up to it
    function _checkShares(
        IAuctionHouse.Claim memory claim,
        Sums memory sums,
        uint256 above,
        uint256 from,
        uint256 below,
        uint256 upTo
    ) private pure {
        unchecked {
            uint256 volumeWh = claim.volumeWh;
            uint256 mostWh = from < upTo ? from : upTo;
            if (volumeWh != mostWh) revert IAuctionHouse.VolumeDiffers(volumeWh, mostWh);
            if (claim.rationed != 0) {
                (uint256 better, uint256 all) = claim.rationed == BUYERS ? (above, from) : (below, upTo);
                if (claim.atWh != all - better) revert IAuctionHouse.RationingDiffers(claim.atWh, all - better);
                if (better + claim.shareWh != volumeWh) {
                    revert IAuctionHouse.RationingDiffers(claim.shareWh, volumeWh - better);
                }
                bool nobody = claim.remainder == claim.atWh && claim.line == 0;
                if (!nobody && !sums.thresholdMet) revert IAuctionHouse.ThresholdNotMet(claim.line, claim.remainder);
            }
            uint256 bought = claim.rationed == BUYERS ? above + sums.sharedWh : from;
            uint256 sold = claim.rationed == SELLERS ? below + sums.sharedWh : upTo;
            if (bought != volumeWh) revert IAuctionHouse.FillsDiffer(false, volumeWh, bought);
            if (sold != volumeWh) revert IAuctionHouse.FillsDiffer(true, volumeWh, sold);
        }
    }
}
