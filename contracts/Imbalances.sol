// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IPositionBook} from "./interfaces/IPositionBook.sol";

/// @title What a position comes to. The formula is in IPositionBook.close, its Python twin in domain/market.py.
library Imbalances {
    /// @notice Prices of one zone and interval, micro-euro per kWh.
    /// @param crossed   whether the auction has a price; if not, `price` and `fee` are not looked at
    /// @param charge    what energy costs that was not bought
    /// @param discharge what energy brings that was not sold
    struct Prices {
        bool crossed;
        int256 price;
        int256 fee;
        int256 charge;
        int256 discharge;
    }

    int256 private constant WH_PER_KWH = 1000;

    /// @notice What an account owes for its position, or receives.
    /// @return accountPays   whether it owes; if not, the grid account does
    /// @return owedMicro     what the payer owes, rounded up
    /// @return receivedMicro what the other one receives, rounded down
    function amountOf(IPositionBook.Position memory position, Prices memory prices)
        internal
        pure
        returns (bool accountPays, uint96 owedMicro, uint96 receivedMicro)
    {
        int256 product = productOf(position, prices);
        accountPays = product > 0;
        int256 size = accountPays ? product : -product;
        owedMicro = uint96(uint256((size + (WH_PER_KWH - 1)) / WH_PER_KWH));
        receivedMicro = uint96(uint256(size / WH_PER_KWH));
    }

    /// @notice What an account owes in thousandths of a micro-euro; below zero it receives. Far below 2^96: energy is
    ///         below 2^40 Wh, a price below 2^33.
    function productOf(IPositionBook.Position memory position, Prices memory prices)
        internal
        pure
        returns (int256 product)
    {
        (int256 dear, int256 cheap) = (prices.charge, prices.discharge);
        if (prices.crossed) {
            if (prices.price > dear) dear = prices.price;
            if (prices.price < cheap) cheap = prices.price;
            product = _energy(position.boughtWh) * (prices.price + prices.fee) - _energy(position.soldWh) * prices.price;
        }
        product += _above(position.importedWh, position.boughtWh) * dear
        - _above(position.boughtWh, position.importedWh) * cheap + _above(position.soldWh, position.exportedWh) * dear
        - _above(position.exportedWh, position.soldWh) * cheap;
    }

    function _above(uint40 energyWh, uint40 otherWh) private pure returns (int256) {
        return energyWh > otherWh ? _energy(energyWh - otherWh) : int256(0);
    }

    function _energy(uint40 energyWh) private pure returns (int256) {
        return int256(uint256(energyWh));
    }
}
