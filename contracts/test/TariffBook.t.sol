// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Roles} from "../Roles.sol";
import {TariffTerms} from "../TariffTerms.sol";
import {Base} from "./Base.sol";

contract TariffBookTest is Base {
    function test_theRegistryMustBeAContract() public {
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.NotAContract.selector, STRANGER));
        _deploy("TariffBook", abi.encode(STRANGER));
    }

    function test_anOperatorPublishesPricesInOrder() public {
        ITariffBook.Tariff[] memory two = new ITariffBook.Tariff[](2);
        two[0] = ITariffBook.Tariff(RIVAL_ACCOUNT, ITariffBook.Direction.Charge, 250_000, 10, 20);
        two[1] = ITariffBook.Tariff(RIVAL_ACCOUNT, ITariffBook.Direction.Discharge, -1, 20, 30);
        vm.expectEmit(address(tariffBook));
        emit ITariffBook.TariffPublished(TARIFFS, RIVAL_ACCOUNT, ITariffBook.Direction.Charge, 250_000, 10, 20);
        vm.expectEmit(address(tariffBook));
        emit ITariffBook.TariffPublished(TARIFFS + 1, RIVAL_ACCOUNT, ITariffBook.Direction.Discharge, -1, 20, 30);
        vm.prank(RIVAL);
        vm.assertEq(tariffBook.publish(two), TARIFFS);
        vm.assertEq(tariffBook.tariffCount(), TARIFFS + 2);
        vm.assertEq(abi.encode(tariffBook.tariffOf(TARIFFS)), abi.encode(two[0]));
        vm.assertEq(abi.encode(tariffBook.tariffOf(TARIFFS + 1)), abi.encode(two[1]));
    }

    function test_nothingToPublishIsNoError() public {
        vm.prank(OPERATOR);
        vm.assertEq(tariffBook.publish(new ITariffBook.Tariff[](0)), TARIFFS);
        vm.assertEq(tariffBook.tariffCount(), TARIFFS);
    }

    function testFuzz_nobodyButOperatorsPublishes(address caller) public {
        vm.assume(caller != OPERATOR && caller != RIVAL);
        vm.expectRevert(_missingRole(caller, Roles.OPERATOR));
        vm.prank(caller);
        tariffBook.publish(_list(_tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 1)));
    }

    function test_anOperatorPublishesForItselfAlone() public {
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.NotPayee.selector, OPERATOR_ACCOUNT, RIVAL_ACCOUNT));
        vm.prank(RIVAL);
        tariffBook.publish(_list(_tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 1)));
    }

    function test_aWindowEndsAfterItStarts() public {
        ITariffBook.Tariff memory tariff = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 1);
        (tariff.validFrom, tariff.validTo) = (NOW, NOW);
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.EmptyWindow.selector, NOW, NOW));
        vm.prank(OPERATOR);
        tariffBook.publish(_list(tariff));
    }

    function test_tariffNumbersDoNotWrapAround() public {
        // Slot 0 is the count: one number is left, two are wanted.
        vm.store(address(tariffBook), bytes32(0), bytes32(uint256(type(uint24).max - 1)));
        ITariffBook.Tariff[] memory two = new ITariffBook.Tariff[](2);
        two[0] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 1);
        two[1] = two[0];
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.NoTariffNumberLeft.selector));
        tariffBook.publish(two);
        vm.assertEq(tariffBook.publish(_list(two[0])), type(uint24).max - 1);
        vm.expectRevert(abi.encodeWithSelector(ITariffBook.NoTariffNumberLeft.selector));
        tariffBook.publish(_list(two[0]));
        vm.stopPrank();
    }

    function testFuzz_aTariffReadsBackAsItWasPublished(bool discharge, int32 price, uint40 from, uint40 to) public {
        ITariffBook.Direction direction = discharge ? ITariffBook.Direction.Discharge : ITariffBook.Direction.Charge;
        ITariffBook.Tariff memory tariff = ITariffBook.Tariff(OPERATOR_ACCOUNT, direction, price, from, to);
        if (to <= from) vm.expectRevert(abi.encodeWithSelector(ITariffBook.EmptyWindow.selector, from, to));
        vm.prank(OPERATOR);
        tariffBook.publish(_list(tariff));
        if (to > from) vm.assertEq(abi.encode(tariffBook.tariffOf(TARIFFS)), abi.encode(tariff));
    }

    /// @dev The word that settlement reads, against its parts one by one.
    function testFuzz_theTermsOfATariffAreItsParts(bool discharge, int32 price, uint40 from, uint40 to) public {
        to = uint40(_between(to, 1, type(uint40).max));
        from = uint40(_between(from, 0, to - 1));
        ITariffBook.Direction direction = discharge ? ITariffBook.Direction.Discharge : ITariffBook.Direction.Charge;
        ITariffBook.Tariff memory tariff = ITariffBook.Tariff(OPERATOR_ACCOUNT, direction, price, from, to);
        vm.prank(OPERATOR);
        tariffBook.publish(_list(tariff));
        uint256 terms = tariffBook.termsOf(TARIFFS);
        vm.assertEq(terms >> 128, OPERATOR_ACCOUNT);
        vm.assertEq(uint40(terms >> 88), from);
        vm.assertEq(uint40(terms >> 48), to);
        vm.assertEq(uint32(terms), price < 0 ? uint256(-int256(price)) : uint256(int256(price)));
        // A driver pays when it buys at zero or above, and when it sells below zero.
        vm.assertEq(terms & TariffTerms.DRIVER_PAYS != 0, discharge ? price < 0 : price >= 0);
        vm.assertEq(TariffTerms.discharges(terms), discharge);
        vm.assertEq(terms >> 32 & 0xff, discharge ? 120 : 72);
        vm.assertEq(terms >> 41 & 0x7f, 0);
        vm.assertEq(abi.encode(TariffTerms.unpack(terms)), abi.encode(tariff));
        vm.assertEq(TariffTerms.pack(tariff), terms);
    }

    function testFuzz_aStrangerPublishesNothing(address stranger) public {
        vm.assume(!accounts.isMember(stranger));
        vm.expectRevert(_missingRole(stranger, Roles.OPERATOR));
        vm.prank(stranger);
        tariffBook.publish(new ITariffBook.Tariff[](0));
    }

    function testFuzz_aTariffThatDoesNotExistIsAllZero(uint24 number) public view {
        number = uint24(_between(number, TARIFFS, type(uint24).max));
        ITariffBook.Tariff memory none;
        vm.assertEq(tariffBook.termsOf(number), 0);
        vm.assertEq(abi.encode(TariffTerms.unpack(0)), abi.encode(none));
        vm.assertEq(abi.encode(tariffBook.tariffOf(number)), abi.encode(none));
    }

    function _list(ITariffBook.Tariff memory tariff) private pure returns (ITariffBook.Tariff[] memory one) {
        one = new ITariffBook.Tariff[](1);
        one[0] = tariff;
    }
}
