// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder} from "./BatchDecoder.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title A tariff as settlement keeps it while it goes through a statement.
/// @notice The word of TariffTerms; instead of the payee a link (8 bits, from bit 128) to another cached tariff,
///         and above it when the tariff's rows may begin and end, seconds after the statement's start, as two
///         numbers from which one subtraction and one addition tell of a row whether both times are right.
library CachedTerms {
    uint256 private constant LINK_SHIFT = 128;
    uint256 private constant TIME_BIT = 25;
    uint256 private constant TIME = (1 << TIME_BIT) - 1;
    uint256 private constant END_SHIFT = 146;
    uint256 private constant WINDOW = (1 << 232) - (1 << END_SHIFT);

    /// @notice `beginOf(row) >> TO_END` is what begins, counted as ends are.
    uint256 internal constant TO_END = BatchDecoder.START_SHIFT - END_SHIFT;
    /// @notice One of these bits is set in `(begin >> TO_END) + duration - begin + terms` if the row begins too
    ///         early or ends too late.
    uint256 internal constant WRONG_TIME = 1 << BatchDecoder.START_SHIFT + TIME_BIT | 1 << END_SHIFT + TIME_BIT;
    /// @notice Drivers buy by this tariff, and none of them is set aside. The lowest bit of an entry's account.
    uint256 internal constant BUY = 1 << 232;
    /// @notice Drivers sell by this tariff, and no operator is set aside.
    uint256 internal constant SELL = BUY << 1;
    /// @notice Either of them.
    uint256 internal constant SHORT_WAY = BUY | SELL;

    /// @notice A tariff without a window.
    /// @param linked   the tariff that it links to
    /// @param shortWay whether its rows may take a short way, as long as they are not paid by a negative price or not at all
    function cached(uint256 terms, uint256 linked, bool shortWay) internal pure returns (uint256) {
        bool sells = TariffTerms.discharges(terms);
        bool driverPays = terms & TariffTerms.DRIVER_PAYS != 0;
        terms = terms & TariffTerms.WITHOUT_PAYEE | linked << LINK_SHIFT;
        return shortWay && sells != driverPays && !TariffTerms.isMarket(terms) ? terms | (sells ? SELL : BUY) : terms;
    }

    /// @notice The tariff that this one links to.
    function link(uint256 terms) internal pure returns (uint256) {
        return uint8(terms >> LINK_SHIFT);
    }

    /// @notice The tariff with its window in a statement.
    /// @dev No row begins 2^24 s after its statement: that stands for a tariff that begins later or is over.
    function windowed(uint256 terms, uint256 startTime, uint256 durationS) internal pure returns (uint256) {
        unchecked {
            (uint256 from, uint256 to) = (TariffTerms.validFrom(terms), TariffTerms.validTo(terms));
            from = from > startTime ? from - startTime : 0;
            if (from >> 24 != 0 || to < startTime) from = 1 << 24;
            to = to < startTime + durationS ? (to < startTime ? 0 : to - startTime) : durationS;
            return terms & ~WINDOW | from + TIME << BatchDecoder.START_SHIFT | TIME - to << END_SHIFT;
        }
    }

    /// @notice What a row of energy taken adds to the sums.
    function taken(uint256 row) internal pure returns (uint256) {
        return row >> BatchDecoder.ENERGY_SHIFT - TariffTerms.IMPORT_SHIFT & 0xffffffff << TariffTerms.IMPORT_SHIFT;
    }

    /// @notice What a row of energy given back adds to the sums.
    function given(uint256 row) internal pure returns (uint256) {
        return row >> BatchDecoder.ENERGY_SHIFT - TariffTerms.EXPORT_SHIFT & 0xffffffff << TariffTerms.EXPORT_SHIFT;
    }

    /// @notice When a row begins, as `windowed` counts it.
    /// @dev What stands here is small, so that the compiler repeats it in each hot loop instead of jumping to it.
    function beginOf(uint256 row) internal pure returns (uint256) {
        return row & BatchDecoder.START_MASK;
    }

    /// @notice How long a row takes, as `windowed` counts ends.
    function durationOf(uint256 row) internal pure returns (uint256) {
        return (row & BatchDecoder.DURATION_MASK) >> BatchDecoder.DURATION_SHIFT - END_SHIFT;
    }
}
