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
        Lines lines;
    }

    /// @notice Lines in calldata: the place of the first one, its number in the book, and where lines end.
    struct Lines {
        uint256 first;
        uint256 number;
        uint256 end;
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
    /// Where a line's amount, its side and whether it is forced are in a word that has the line at its top.
    uint256 private constant AMOUNT_SHIFT = 200;
    uint256 private constant FORCED_BIT = 1 << 230;
    uint256 private constant SELL_SHIFT = 231;
    /// How far below the buyers' sum the sellers' is.
    uint256 private constant SELLERS_SHIFT = 100;
    /// A hundredth of 2^256 and a little more: times 100 it is a number of which 45,000 are below WRONG, 45,001 not.
    uint256 private constant STEPS = 0x28f5c28f5c37df6c82c849a4fa3f1321084947c5d8e1bd3c022bbba15349721;
    uint256 private constant WRONG = 1 << 230;
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

    /// @notice Adds lines to the sums.
    /// @param forced how many of the lines, which come first, are forced
    function add(Frame memory frame, Sums memory sums, uint256 forced) internal pure {
        unchecked {
            Lines memory lines = frame.lines;
            uint256 wrong;
            uint256 unforced = lines.first + forced * BookLines.LINE_BYTES;
            wrong = _addRun(frame, sums, lines.first, unforced, FORCED_BIT);
            wrong |= _addRun(frame, sums, unforced, lines.end, 0);
            if (wrong >= WRONG) _refuse(lines, forced);
        }
    }

    /// @dev Lines that are all forced, or all not.
    /// @param flag what is set in the forced bit of their words
    function _addRun(Frame memory frame, Sums memory sums, uint256 at, uint256 end, uint256 flag)
        private
        pure
        returns (uint256 wrong)
    {
        unchecked {
            // A function that returns early is never copied to where it is called.
            if (at == end) return 0;
            uint256 better;
            while (true) {
                (at, better, wrong) = _addFast(frame, at, end, flag, better, wrong);
                if (at >= end) break;
                _addSlowly(frame, sums, BookLines.lineAt(at), at);
                at += BookLines.LINE_BYTES;
            }
            sums.buyBetter += better >> AMOUNT_SHIFT;
            sums.sellBetter += better << 256 - AMOUNT_SHIFT >> 256 - AMOUNT_SHIFT + SELLERS_SHIFT;
        }
    }

    /// @dev The lines up to one that is at a price of the claim, or better than it and the grid account's. Amounts stay
    ///      where they are in a line's word: the buyers' better Wh are counted from that place on, the sellers' from
    ///      AMOUNT_SHIFT less SELLERS_SHIFT on. A line is right if what it adds to `wrong` is below WRONG:
    ///      its amount and that less one are, and so is its distance from the lowest limit times STEPS, which is
    ///      a small number for each tick, and for all that is off the tick a huge one.
    function _addFast(Frame memory frame, uint256 at, uint256 end, uint256 flag, uint256 better, uint256 wrong)
        private
        pure
        returns (uint256, uint256, uint256)
    {
        uint256 lowest = BookLines.LOWEST;
        assembly ("memory-safe") {
            let buyLo := mload(frame)
            let buyHi := mload(add(frame, 32))
            let sellLo := mload(add(frame, 96))
            let sellHi := mload(add(frame, 128))
            for {} lt(at, end) { at := add(at, 11) } {
                let word := calldataload(at)
                let limit := and(shr(168, word), 0xffffffff)
                let amount := xor(and(word, shl(AMOUNT_SHIFT, 0x7fffffff)), flag)
                wrong := or(wrong, or(mul(sub(limit, lowest), STEPS), or(amount, sub(amount, shl(AMOUNT_SHIFT, 1)))))
                switch and(word, shl(SELL_SHIFT, 1))
                case 0 {
                    if gt(limit, buyHi) {
                        if eq(shr(232, word), mload(add(frame, 192))) { break }
                        better := add(better, amount)
                        continue
                    }
                    if iszero(lt(limit, buyLo)) { break }
                }
                default {
                    if lt(limit, sellLo) {
                        if eq(shr(232, word), mload(add(frame, 192))) { break }
                        better := add(better, shr(SELLERS_SHIFT, amount))
                        continue
                    }
                    if iszero(gt(limit, sellHi)) { break }
                }
            }
        }
        return (at, better, wrong);
    }

    /// @dev Names the first line that is wrong: there is one.
    function _refuse(Lines memory lines, uint256 forced) private pure {
        unchecked {
            for (uint256 i;; ++i) {
                uint256 line = BookLines.lineAt(lines.first + i * BookLines.LINE_BYTES);
                uint256 flag = i < forced ? BookLines.FORCED : 0;
                uint256 wh = (line >> BookLines.WH_SHIFT & type(uint32).max >> 1) ^ flag;
                if (!BookLines.isPossible(wh, line.limit())) {
                    revert IAuctionHouse.LineRefused(lines.number + i, bytes11(uint88(line)));
                }
            }
        }
    }

    /// @dev Any line.
    function _addSlowly(Frame memory frame, Sums memory sums, uint256 line, uint256 at) private pure {
        unchecked {
            uint256 number = frame.lines.number + (at - frame.lines.first) / BookLines.LINE_BYTES;
            uint256 limit = line.limit();
            uint256 wh = line.quantity();
            (bool sell, uint256 filledWh) = (line.sells(), _fillMarginal(frame, sums, line, number));
            (uint256 lo, uint256 hi) = sell ? (frame.sellLo, frame.sellHi) : (frame.buyLo, frame.buyHi);
            bool better = sell ? limit < lo : limit > hi;
            if (!better && limit != lo && limit != hi) revert IAuctionHouse.LimitBetween(number);
            if (sell) {
                if (better) sums.sellBetter += wh;
                if (limit == lo) sums.sellAtLo += wh;
                if (limit == hi) sums.sellAtHi += wh;
            } else {
                if (better) sums.buyBetter += wh;
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
