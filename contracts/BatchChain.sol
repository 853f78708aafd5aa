// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "./interfaces/ISessionSettlement.sol";

/// @title The chain of batches: what a settlement module keeps of all that it ever settled. Described in
///        ISessionSettlement.
abstract contract BatchChain is ISessionSettlement {
    uint256 private constant NUMBER_SHIFT = 224;

    /// @notice How many batches a page of the chain of batches has.
    uint64 public constant PAGE = 64;

    uint256 public head;
    /// The head as it was before the first batch of each page.
    mapping(uint64 page => uint256) private _pageHeads;

    function _push(uint256 chain, uint64 number, bytes32 digest) internal {
        if (number > type(uint32).max) revert NoBatchNumberLeft();
        if (number % PAGE == 1) _pageHeads[number / PAGE] = chain;
        head = _link(chain, digest);
    }

    function _link(uint256 chain, bytes32 digest) private pure returns (uint256) {
        return (chain >> NUMBER_SHIFT) + 1 << NUMBER_SHIFT | uint256(keccak256(abi.encode(chain, digest))) >> 32;
    }

    /// @inheritdoc ISessionSettlement
    function isPage(uint64 page, bytes32[] calldata digests) external view returns (bool) {
        uint256 chain = _pageHeads[page];
        if (digests.length == 0 || digests.length > PAGE || (page != 0 && chain == 0)) return false;
        for (uint256 i; i < digests.length; ++i) {
            chain = _link(chain, digests[i]);
        }
        return chain == (digests.length == PAGE && _pageHeads[page + 1] != 0 ? _pageHeads[page + 1] : head);
    }

    /// @inheritdoc ISessionSettlement
    function batchCount() public view returns (uint64) {
        return _numberOf(head);
    }

    /// @return number of the last batch in the chain
    function _numberOf(uint256 chain) internal pure returns (uint64 number) {
        return uint64(chain >> NUMBER_SHIFT);
    }
}
