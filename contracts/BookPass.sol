// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BookLines, MarketDesign} from "./BookLines.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";

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
    struct Sums {
        uint64 buyBetter;
        uint64 buyAtHi;
        uint64 buyAtLo;
        uint64 sellBetter;
        uint64 sellAtLo;
        uint64 sellAtHi;
        uint64 sharedWh;
        uint64 gridBought;
        uint64 gridSold;
        bool thresholdMet;
    }

    uint256 private constant BUYERS = 1;
    uint256 private constant SELLERS = 2;
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
    /// @param at     place of the first line in calldata
    /// @param number of the first line in the book
    /// @param forced FORCED if all of them are forced, 0 if none is
    function add(Frame memory frame, Sums memory sums, uint256 at, uint256 count, uint256 number, uint256 forced)
        internal
        pure
    {
        unchecked {
            uint256 begin = at;
            uint256 end = at + count * BookLines.LINE_BYTES;
            (uint256 buyHi, uint256 buyLo, uint256 sellLo, uint256 sellHi, uint256 grid) =
                (frame.buyHi, frame.buyLo, frame.sellLo, frame.sellHi, frame.grid);
            (uint256 buyWh, uint256 sellWh, uint256 wrong) = (0, 0, 0);
            for (; at < end; at += BookLines.LINE_BYTES) {
                uint256 line = BookLines.lineAt(at);
                uint256 limit = line.limit();
                // What is above the quantity must be the forced bit alone.
                uint256 wh = (line >> BookLines.WH_SHIFT & type(uint32).max >> 1) ^ forced;
                wrong |= _wrongness(wh, limit);
                if (line & BookLines.SELL == 0) {
                    if (limit > buyHi) {
                        buyWh += wh;
                        if (line >> BookLines.ACCOUNT_SHIFT == grid) sums.gridBought += uint64(wh);
                    } else if (limit >= buyLo) {
                        _addBuyer(frame, sums, line, number + (at - begin) / BookLines.LINE_BYTES);
                    }
                } else if (limit < sellLo) {
                    sellWh += wh;
                    if (line >> BookLines.ACCOUNT_SHIFT == grid) sums.gridSold += uint64(wh);
                } else if (limit <= sellHi) {
                    _addSeller(frame, sums, line, number + (at - begin) / BookLines.LINE_BYTES);
                }
            }
            if (wrong != 0) _refuse(begin, number, forced);
            sums.buyBetter += uint64(buyWh);
            sums.sellBetter += uint64(sellWh);
        }
    }

    /// @return wrong zero if `BookLines.isPossible`, without a jump
    function _wrongness(uint256 wh, uint256 limit) private pure returns (uint256 wrong) {
        (uint256 lowest, uint256 range, uint256 tick, uint256 most) =
            (BookLines.LOWEST, BookLines.RANGE, BookLines.TICK, BookLines.MAX_WH - 1);
        assembly ("memory-safe") {
            let above := sub(limit, lowest)
            wrong := or(or(mod(above, tick), gt(above, range)), gt(sub(wh, 1), most))
        }
    }

    /// @dev Names the first line that is wrong: there is one.
    function _refuse(uint256 at, uint256 number, uint256 forced) private pure {
        for (;; at += BookLines.LINE_BYTES) {
            uint256 line = BookLines.lineAt(at);
            uint256 wh = (line >> BookLines.WH_SHIFT & type(uint32).max >> 1) ^ forced;
            if (!BookLines.isPossible(wh, line.limit())) {
                revert IAuctionHouse.LineRefused(number, bytes11(uint88(line)));
            }
            ++number;
        }
    }

    /// @dev A buyer at one of the prices of the claim.
    function _addBuyer(Frame memory frame, Sums memory sums, uint256 line, uint256 number) private pure {
        unchecked {
            (uint256 limit, uint64 wh) = (line.limit(), uint64(line.quantity()));
            if (limit == frame.buyHi) sums.buyAtHi += wh;
            if (limit == frame.buyLo) sums.buyAtLo += wh;
            else if (limit != frame.buyHi) revert IAuctionHouse.LimitBetween(number);
            uint64 filledWh = uint64(_fillAtMargin(frame, sums, line, number, limit, frame.buyPrice));
            if (line.account() == frame.grid) sums.gridBought += filledWh;
        }
    }

    /// @dev A seller at one of the prices of the claim.
    function _addSeller(Frame memory frame, Sums memory sums, uint256 line, uint256 number) private pure {
        unchecked {
            (uint256 limit, uint64 wh) = (line.limit(), uint64(line.quantity()));
            if (limit == frame.sellLo) sums.sellAtLo += wh;
            if (limit == frame.sellHi) sums.sellAtHi += wh;
            else if (limit != frame.sellLo) revert IAuctionHouse.LimitBetween(number);
            uint64 filledWh = uint64(_fillAtMargin(frame, sums, line, number, frame.sellPrice, limit));
            if (line.account() == frame.grid) sums.gridSold += filledWh;
        }
    }

    /// @dev The line trades at the price if `high` is not below `low`, and is better than it if it is above.
    function _fillAtMargin(
        Frame memory frame,
        Sums memory sums,
        uint256 line,
        uint256 number,
        uint256 high,
        uint256 low
    ) private pure returns (uint256 filledWh) {
        if (high < low) return 0;
        if (high > low || frame.rationed != _sideOf(line)) return line.quantity();
        uint256 remainder;
        (filledWh, remainder) = _share(frame, line.quantity(), number);
        if (number == frame.line && remainder == frame.remainder) sums.thresholdMet = true;
        unchecked {
            sums.sharedWh += uint64(filledWh);
        }
    }

    /// @notice What a line of a cleared book gets, Wh.
    function fillOf(Frame memory frame, uint256 line, uint256 number) internal pure returns (uint256 filledWh) {
        bool sell = line.sells();
        (uint256 high, uint256 low) = sell ? (frame.sellPrice, line.limit()) : (line.limit(), frame.buyPrice);
        if (high < low) return 0;
        if (high > low || frame.rationed != (sell ? SELLERS : BUYERS)) return line.quantity();
        (filledWh,) = _share(frame, line.quantity(), number);
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

    function _sideOf(uint256 line) private pure returns (uint256) {
        return line.sells() ? SELLERS : BUYERS;
    }

    /* WHAT THE SUMS MUST BE */

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
