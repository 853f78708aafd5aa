// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {ITariffBook} from "./interfaces/ITariffBook.sol";
import {Roles} from "./Roles.sol";
import {TariffTerms} from "./TariffTerms.sol";

/// @title Prices. Described in ITariffBook.
contract TariffBook is ITariffBook {
    IAccountRegistry public immutable accounts;

    uint24 private _count;
    mapping(uint24 tariff => uint256 terms) private _terms;
    /// Up to when a payee published market prices.
    mapping(uint24 payee => mapping(Direction => uint40)) private _marketUntil;

    constructor(IAccountRegistry accounts_) {
        if (address(accounts_).code.length == 0) revert NotAContract(address(accounts_));
        accounts = accounts_;
    }

    /// @inheritdoc ITariffBook
    function publish(Tariff[] calldata tariffs) external returns (uint24 first) {
        uint24 caller = accounts.requireRole(msg.sender, Roles.OPERATOR);
        first = _count;
        if (tariffs.length > type(uint24).max - first) revert NoTariffNumberLeft();
        for (uint256 i; i < tariffs.length; ++i) {
            _publish(uint24(first + i), caller, tariffs[i]);
        }
        _count = uint24(first + tariffs.length);
    }

    function _publish(uint24 number, uint24 caller, Tariff calldata tariff) private {
        if (tariff.payee != caller) revert NotPayee(tariff.payee, caller);
        if (tariff.validTo <= tariff.validFrom) revert EmptyWindow(tariff.validFrom, tariff.validTo);
        if (tariff.direction >= Direction.MarketCharge) _follow(tariff);
        _terms[number] = TariffTerms.pack(tariff);
        emit TariffPublished(
            number, tariff.payee, tariff.direction, tariff.priceMicroPerKwh, tariff.validFrom, tariff.validTo
        );
    }

    /// @dev A market price begins now or later, and not before the last one ends.
    function _follow(Tariff calldata tariff) private {
        if (tariff.validFrom < block.timestamp) revert NotAhead(tariff.validFrom, block.timestamp);
        uint40 lastTo = _marketUntil[tariff.payee][tariff.direction];
        if (tariff.validFrom < lastTo) revert Overlaps(tariff.payee, tariff.direction, tariff.validFrom, lastTo);
        _marketUntil[tariff.payee][tariff.direction] = tariff.validTo;
    }

    /// @inheritdoc ITariffBook
    function tariffOf(uint24 tariff) external view returns (Tariff memory) {
        return TariffTerms.unpack(_terms[tariff]);
    }

    /// @inheritdoc ITariffBook
    function termsOf(uint24 tariff) external view returns (uint256 terms) {
        return _terms[tariff];
    }

    /// @inheritdoc ITariffBook
    function tariffCount() external view returns (uint24) {
        return _count;
    }
}
