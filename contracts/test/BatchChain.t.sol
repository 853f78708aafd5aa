// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {Base} from "./Base.sol";

/// @title The chain of batches: what was settled can be proved from one word.
contract BatchChainTest is Base {
    uint64 private constant PAGE = 64;

    /* EVIDENCE ALONE */

    function test_aBatchCanAnchorEvidenceAlone() public {
        bytes memory batch = _header(1, 0);
        bytes32 digest = _batchDigest(EVIDENCE, 0, new uint24[](0));
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, digest, 0, 0, 0, new uint256[](0));
        vm.assertEq(_settle(batch), 1);
        vm.assertEq(_settle(batch), 2);
        vm.assertEq(settlement.batchCount(), 2);
        vm.assertEq(settlement.head() >> 224, 2);
        _assertFree(DUST, 0);
        bytes32[] memory page = new bytes32[](2);
        (page[0], page[1]) = (digest, digest);
        vm.assertTrue(settlement.isPage(0, page));
    }

    function test_aBatchOfStatementsWhosePayersCannotPayHasThemInItsDigest() public {
        Statement memory s = _first(1, 0, _row(CAROL, 1, CHARGE));
        _settle(_batchOf(s));
        uint24[] memory aside = new uint24[](1);
        aside[0] = CAROL;
        bytes32[] memory page = new bytes32[](1);
        page[0] = _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(s))), aside);
        vm.assertTrue(settlement.isPage(0, page));
        page[0] = _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(s))), new uint24[](0));
        vm.assertFalse(settlement.isPage(0, page));
    }

    /* PAGES */

    function test_beforeTheFirstBatchThereIsNoPage() public view {
        vm.assertEq(settlement.head(), 0);
        vm.assertEq(settlement.batchCount(), 0);
        vm.assertEq(settlement.PAGE(), PAGE);
        vm.assertFalse(settlement.isPage(0, new bytes32[](0)));
        vm.assertFalse(settlement.isPage(0, new bytes32[](1)));
        vm.assertFalse(settlement.isPage(1, new bytes32[](0)));
    }

    function test_aPageOfOneBatchIsThatBatch() public {
        bytes32[] memory digests = _anchor(1);
        vm.assertTrue(settlement.isPage(0, digests));
        vm.assertFalse(settlement.isPage(1, digests));
        digests[0] = ~digests[0];
        vm.assertFalse(settlement.isPage(0, digests));
    }

    function test_aFullPageAndTheOneBehindItAreProvedApart() public {
        bytes32[] memory digests = _anchor(PAGE + 3);
        vm.assertTrue(settlement.isPage(0, _part(digests, 0, PAGE)));
        vm.assertTrue(settlement.isPage(1, _part(digests, PAGE, PAGE + 3)));
        vm.assertFalse(settlement.isPage(0, digests));
        vm.assertFalse(settlement.isPage(1, _part(digests, 0, 3)));
        vm.assertFalse(settlement.isPage(2, _part(digests, PAGE, PAGE + 3)));
        vm.assertFalse(settlement.isPage(type(uint64).max, _part(digests, 0, PAGE)));
    }

    function test_thePageThatIsJustFullIsStillTheLast() public {
        bytes32[] memory digests = _anchor(PAGE);
        vm.assertTrue(settlement.isPage(0, digests));
        vm.assertFalse(settlement.isPage(0, _part(digests, 0, PAGE - 1)));
        vm.assertFalse(settlement.isPage(1, _part(digests, 0, 1)));
        vm.assertFalse(settlement.isPage(1, new bytes32[](0)));
    }

    function test_threePagesAreProvedApart() public {
        bytes32[] memory digests = _anchor(2 * PAGE + 1);
        vm.assertTrue(settlement.isPage(0, _part(digests, 0, PAGE)));
        vm.assertTrue(settlement.isPage(1, _part(digests, PAGE, 2 * PAGE)));
        vm.assertTrue(settlement.isPage(2, _part(digests, 2 * PAGE, 2 * PAGE + 1)));
        vm.assertFalse(settlement.isPage(1, _part(digests, PAGE, 2 * PAGE - 1)));
        vm.assertFalse(settlement.isPage(0, _part(digests, PAGE, 2 * PAGE)));
    }

    function testFuzz_onlyTheWholePageInItsOrderIsThePage(uint256 count, uint256 from, uint256 to, uint256 swap)
        public
    {
        count = _between(count, 2, 9);
        bytes32[] memory digests = _anchor(count);
        (from, to) = (_between(from, 0, count), _between(to, 0, count));
        if (from > to) (from, to) = (to, from);
        vm.assertEq(settlement.isPage(0, _part(digests, from, to)), from == 0 && to == count);
        swap = _between(swap, 0, count - 2);
        (digests[swap], digests[swap + 1]) = (digests[swap + 1], digests[swap]);
        vm.assertFalse(settlement.isPage(0, digests));
        (digests[swap], digests[swap + 1]) = (digests[swap + 1], digests[swap]);
        vm.assertTrue(settlement.isPage(0, digests));
        digests[swap] ^= bytes32(uint256(1) << (from * 25 + to));
        vm.assertFalse(settlement.isPage(0, digests));
    }

    function test_batchNumbersDoNotWrapAround() public {
        // Slot 0 is the head.
        vm.store(address(settlement), 0, bytes32(uint256(type(uint32).max - 1) << 224));
        vm.assertEq(settlement.batchCount(), type(uint32).max - 1);
        vm.assertEq(_settle(_header(1, 0)), type(uint32).max);
        _settleRefused(_header(1, 0), abi.encodeWithSelector(ISessionSettlement.NoBatchNumberLeft.selector));
        vm.assertEq(settlement.batchCount(), type(uint32).max);
    }

    function _part(bytes32[] memory digests, uint256 from, uint256 to) private pure returns (bytes32[] memory part) {
        part = new bytes32[](to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = digests[from + i];
        }
    }
}
