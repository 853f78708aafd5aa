// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ITariffBook} from "./interfaces/ITariffBook.sol";

/// @title A tariff in one word, in the order in which settlement needs it.
/// @notice payee (24 bits) above validFrom (40) above validTo (40) above flags (16) above |price| (32).
library TariffTerms {
    uint256 internal constant PAYEE_SHIFT = 128;
    uint256 internal constant VALID_FROM_SHIFT = 88;
    uint256 internal constant VALID_TO_SHIFT = 48;
    /// @notice The driver is the payer: it buys at a price of zero or above, or sells below zero.
    uint256 internal constant DRIVER_PAYS = 1 << 40;
    /// @notice Rows of the tariff are metered in the market and move no money.
    uint256 internal constant MARKET = 1 << 41;
    /// @notice Where settlement sums up the energy: the lowest bit of the sum of what was taken.
    uint256 internal constant IMPORT_SHIFT = 72;
    /// @notice The lowest bit of the sum of what was given back.
    uint256 internal constant EXPORT_SHIFT = 120;
    /// @notice `terms >> LANE_SHIFT & 0xff` is one of the two.
    uint256 internal constant LANE_SHIFT = 32;
    uint256 internal constant PRICE_MASK = 0xffffffff;
    /// @notice All but the payee.
    uint256 internal constant WITHOUT_PAYEE = (1 << PAYEE_SHIFT) - 1;

    /// @notice The word of a tariff; never zero for one with a window.
    function pack(ITariffBook.Tariff memory tariff) internal pure returns (uint256 terms) {
        int256 price = tariff.priceMicroPerKwh;
        bool market = tariff.direction >= ITariffBook.Direction.MarketCharge;
        bool charge =
            tariff.direction == ITariffBook.Direction.Charge || tariff.direction == ITariffBook.Direction.MarketCharge;
        terms = uint256(tariff.payee) << PAYEE_SHIFT | uint256(tariff.validFrom) << VALID_FROM_SHIFT
            | uint256(tariff.validTo) << VALID_TO_SHIFT | uint256(price < 0 ? -price : price);
        terms |= (charge ? IMPORT_SHIFT : EXPORT_SHIFT) << LANE_SHIFT;
        if (charge == (price >= 0)) terms |= DRIVER_PAYS;
        if (market) terms |= MARKET;
    }

    /// @notice When the tariff begins, Unix seconds.
    function validFrom(uint256 terms) internal pure returns (uint256) {
        return uint40(terms >> VALID_FROM_SHIFT);
    }

    /// @notice When it ends, Unix seconds.
    function validTo(uint256 terms) internal pure returns (uint256) {
        return uint40(terms >> VALID_TO_SHIFT);
    }

    /// @notice Whether the tariff is for energy given back.
    function discharges(uint256 terms) internal pure returns (bool) {
        return terms >> LANE_SHIFT & 0xff == EXPORT_SHIFT;
    }

    /// @notice Whether its rows are metered in the market.
    function isMarket(uint256 terms) internal pure returns (bool) {
        return terms & MARKET != 0;
    }

    /// @notice What a kWh costs, micro-euro; may be negative.
    function priceOf(uint256 terms) internal pure returns (int256 price) {
        price = int256(terms & PRICE_MASK);
        return discharges(terms) == (terms & DRIVER_PAYS != 0) ? -price : price;
    }

    /// @notice The tariff of a word; all zero for zero.
    function unpack(uint256 terms) internal pure returns (ITariffBook.Tariff memory tariff) {
        if (terms == 0) return tariff;
        tariff.payee = uint24(terms >> PAYEE_SHIFT);
        tariff.direction = ITariffBook.Direction((isMarket(terms) ? 2 : 0) + (discharges(terms) ? 1 : 0));
        tariff.priceMicroPerKwh = int32(priceOf(terms));
        tariff.validFrom = uint40(validFrom(terms));
        tariff.validTo = uint40(validTo(terms));
    }
}
