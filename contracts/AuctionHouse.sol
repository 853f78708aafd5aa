// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BookLines, MarketDesign} from "./BookLines.sol";
import {BookPass, SUMS_WORDS} from "./BookPass.sol";
import {ForcedBids} from "./ForcedBids.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IPositionBook} from "./interfaces/IPositionBook.sol";
import {Roles} from "./Roles.sol";
import {SignedLines} from "./SignedLines.sol";
import {ZoneSeats} from "./ZoneSeats.sol";

/// @title Books of orders: committed, cleared, settled. Described in IAuctionHouse.
contract AuctionHouse is ForcedBids {
    using BookLines for uint256;
    using BookPass for BookPass.Frame;
    using BookPass for BookPass.Sums;
    using SignedLines for SignedLines.Reader;

    /* STORAGE */

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    bytes32 private immutable _deployedDomain;
    uint256 private immutable _deployedChainId;

    /// Ring of a zone (MarketDesign.placeOf): interval (40 bits) above state (8) above what is kept of the book (208).
    mapping(uint256 place => uint256) private _books;
    /// Ring of books that are settled in several calls: interval (40 bits) above the next chunk (16) above the highest
    /// bits of the last order's hash (200).
    mapping(uint256 place => uint256) private _progress;
    /// Clearings in parts.
    mapping(address sender => uint256[SUMS_WORDS]) private _parts;

    uint256 private constant RING_SHIFT = 216;
    uint256 private constant STATE_SHIFT = 208;
    uint256 private constant KEPT = (1 << STATE_SHIFT) - 1;
    uint256 private constant CHUNK_SHIFT = 200;
    uint256 private constant HASH_SHIFT = 56;

    /* CONSTRUCTION */

    constructor(IAccountRegistry accounts_, IEscrow escrow_, IPositionBook positions_)
        ZoneSeats(accounts_, escrow_, positions_)
    {
        _deployedChainId = block.chainid;
        _deployedDomain = _domain();
    }

    /* COMMITTING */

    /// @inheritdoc IAuctionHouse
    function commitBook(uint16 zone, uint40 interval, uint256 count, bytes32 digest) external {
        accounts.requireRole(msg.sender, Roles.SETTLER);
        _requireInterval(interval);
        uint40 from = MarketDesign.gateOf(interval) + MarketDesign.REVEAL_S;
        if (block.timestamp < from || block.timestamp >= interval) revert OutsideWindow(interval, from, interval);
        _requireCount(count);
        uint256 place = MarketDesign.placeOf(zone, interval);
        if (_books[place] >> RING_SHIFT == interval) revert AlreadyCommitted(zone, interval);
        _keep(place, interval, BookState.Committed, uint256(digest));
        emit BidsCommitted(zone, interval, count, digest);
    }

    function _requireCount(uint256 count) private pure {
        if (count == 0 || count > MarketDesign.MAX_LINES) revert CountRefused(count);
    }

    function _keep(uint256 place, uint40 interval, BookState state, uint256 kept) private {
        _books[place] = uint256(interval) << RING_SHIFT | uint256(state) << STATE_SHIFT | kept & KEPT;
    }

    /// @return kept what is kept of the book
    function _inState(uint16 zone, uint40 interval, BookState needed) private view returns (uint256 kept) {
        (BookState state, bytes32 found) = bookOf(zone, interval);
        if (state != needed) revert WrongState(zone, interval, needed, state);
        return uint256(found);
    }

    function _hasEnded(uint16 zone, uint40 interval) internal view override returns (bool) {
        (BookState state,) = bookOf(zone, interval);
        return state == BookState.Ended;
    }

    /* CLEARING */

    /// @inheritdoc IAuctionHouse
    function clear(
        uint16 zone,
        uint40 interval,
        Claim calldata claim_,
        bytes calldata forcedNonces,
        bytes calldata lines,
        uint256 count,
        uint256 from
    ) external {
        Claim memory claim = claim_;
        uint256 committed = _inState(zone, interval, BookState.Committed);
        _requireCount(count);
        Terms memory terms = _termsOf(zone, interval);
        BookPass.Sums memory part;
        uint256 forced;
        if (from == 0) {
            BookPass.requirePossible(claim, terms.feeMicroPerKwh);
            forced = _requireForced(zone, interval, lines, forcedNonces);
            part.digest = _headOf(zone, interval, count);
        } else {
            _requireNoNonces(forcedNonces);
            part = BookPass.load(_parts[msg.sender]);
            if (part.what != _partOf(zone, interval, claim, count) || part.next != from) {
                revert OtherPart(from, part.next);
            }
        }
        _pass(part, BookPass.frameOf(claim, terms.feeMicroPerKwh, terms.grid), lines, forced);
        if (part.next < count) {
            if (part.next % MarketDesign.CHUNK_LINES != 0 || part.next == from) revert LinesCutWrong(lines.length);
            part.what = _partOf(zone, interval, claim, count);
            part.store(_parts[msg.sender]);
            return;
        }
        if (part.next != count || uint256(part.digest) & KEPT != committed) {
            revert OtherBook(bytes32(committed), part.digest);
        }
        BookPass.check(claim, part, terms.importLimitWh, terms.exportLimitWh);
        if (from != 0) delete _parts[msg.sender][0];
        _keepCleared(zone, interval, claim, part.digest);
        if (!claim.crosses) {
            if (forced != 0) _voidForced(zone, interval, lines, forced);
            _conclude(zone, interval, claim, terms);
        }
    }

    /// @dev What a clearing in parts is of.
    function _partOf(uint16 zone, uint40 interval, Claim memory claim, uint256 count) private pure returns (bytes32) {
        return _hashWith(_headOf(zone, interval, count), claim);
    }

    /// @return what the digest of a book begins with
    function _headOf(uint16 zone, uint40 interval, uint256 count) private pure returns (bytes32) {
        return keccak256(abi.encode(zone, interval, count));
    }

    function _hashWith(bytes32 digest, Claim memory claim) private pure returns (bytes32) {
        return keccak256(abi.encode(digest, claim));
    }

    function _requireNoNonces(bytes calldata forcedNonces) private pure {
        if (forcedNonces.length != 0) revert ProofsCutWrong(forcedNonces.length, 0);
    }

    function _conclude(uint16 zone, uint40 interval, Claim memory claim, Terms memory terms) private {
        positions.conclude(
            zone, interval, IPositionBook.Result(true, claim.crosses, BookPass.priceOf(claim), terms.feeMicroPerKwh)
        );
    }

    /// @dev Goes through the lines, chunk by chunk.
    function _pass(BookPass.Sums memory part, BookPass.Frame memory frame, bytes calldata lines, uint256 forced)
        private
        pure
    {
        if (lines.length % BookLines.LINE_BYTES != 0) revert LinesCutWrong(lines.length);
        uint256 at = BookLines.place(lines);
        uint256 left = lines.length;
        uint256 size = MarketDesign.CHUNK_LINES * BookLines.LINE_BYTES;
        unchecked {
            for (; left != 0; left -= size) {
                if (left < size) size = left;
                frame.add(part, at, size, forced);
                at += size;
                forced = 0;
            }
        }
    }

    function _keepCleared(uint16 zone, uint40 interval, Claim memory claim, bytes32 digest) private {
        BookState state = claim.crosses ? BookState.Cleared : BookState.Ended;
        uint256 kept = uint256(_hashWith(digest, claim));
        _keep(MarketDesign.placeOf(zone, interval), interval, state, kept);
        emit AuctionCleared(zone, interval, BookPass.priceOf(claim), claim);
    }

    /* SETTLING */

    /// @inheritdoc IAuctionHouse
    function settle(
        uint16 zone,
        uint40 interval,
        uint256 count,
        Claim calldata claim_,
        bytes32[] calldata chunkHashes,
        uint256 chunk,
        bytes calldata lines,
        bytes calldata forcedNonces,
        bytes calldata proofs
    ) external {
        Claim memory claim = claim_;
        _requireCleared(zone, interval, count, claim, chunkHashes);
        uint256 last = _requireNext(zone, interval, chunk, chunkHashes.length);
        bytes32 chunkHash = BookLines.hashAt(BookLines.place(lines), lines.length);
        if (chunkHash != chunkHashes[chunk]) revert OtherBook(chunkHashes[chunk], chunkHash);
        Terms memory terms = _termsOf(zone, interval);
        BookPass.Frame memory frame = BookPass.frameOf(claim, terms.feeMicroPerKwh, terms.grid);
        uint256[] memory fills = new uint256[](lines.length / BookLines.LINE_BYTES);
        uint256 forced;
        if (chunk == 0) {
            forced = _requireForced(zone, interval, lines, forcedNonces);
            if (forced != 0) _fillForced(zone, interval, frame, fills, lines, forcedNonces);
        } else {
            _requireNoNonces(forcedNonces);
        }
        SignedLines.Reader memory reader = SignedLines.open(accounts, domainSeparator(), zone, interval, last);
        _fillSigned(reader, frame, fills, lines, proofs, forced, chunk * MarketDesign.CHUNK_LINES);
        positions.trade(zone, interval, fills);
        _settled(zone, interval, chunk, chunkHashes.length, reader.last);
        if (chunk + 1 == chunkHashes.length) _conclude(zone, interval, claim, terms);
    }

    /// @dev The claim is the one that this book was cleared with.
    function _requireCleared(
        uint16 zone,
        uint40 interval,
        uint256 count,
        Claim memory claim,
        bytes32[] calldata chunkHashes
    ) private view {
        uint256 kept = _inState(zone, interval, BookState.Cleared);
        bytes32 digest = _headOf(zone, interval, count);
        for (uint256 i; i < chunkHashes.length; ++i) {
            digest = BookLines.chained(digest, chunkHashes[i]);
        }
        bytes32 found = _hashWith(digest, claim);
        if (uint256(found) & KEPT != kept) revert OtherBook(bytes32(kept), found);
    }

    /// @return last hash of the last order of the chunk before, rounded up
    function _requireNext(uint16 zone, uint40 interval, uint256 chunk, uint256 chunks)
        private
        view
        returns (uint256 last)
    {
        uint256 progress = chunks == 1 ? 0 : _progressOf(zone, interval);
        uint256 expected = uint16(progress >> CHUNK_SHIFT);
        if (chunk != expected) revert OtherChunk(chunk, expected);
        if (chunk != 0) last = progress << HASH_SHIFT | (1 << HASH_SHIFT) - 1;
    }

    /// @dev Notes how far the book was settled.
    function _settled(uint16 zone, uint40 interval, uint256 chunk, uint256 chunks, uint256 last) private {
        uint256 place = MarketDesign.placeOf(zone, interval);
        if (chunk + 1 == chunks) {
            _keep(place, interval, BookState.Ended, _books[place]);
        } else {
            _progress[place] = uint256(interval) << RING_SHIFT | chunk + 1 << CHUNK_SHIFT | last >> HASH_SHIFT;
        }
        emit BookSettled(zone, interval, chunk, chunks);
    }

    /// @dev What was held for forced orders is their accounts' free money again.
    function _fillForced(
        uint16 zone,
        uint40 interval,
        BookPass.Frame memory frame,
        uint256[] memory fills,
        bytes calldata lines,
        bytes calldata nonces
    ) private {
        _markReturned(zone, interval);
        (uint256 at, uint256 nonceAt) = (BookLines.place(lines), BookLines.place(nonces));
        unchecked {
            for (uint256 i; i < nonces.length; ++i) {
                uint256 line = BookLines.lineAt(at + i * BookLines.LINE_BYTES);
                fills[i] = _fill(line, 1, BookLines.byteAt(nonceAt + i), frame.fillOf(line, i));
                _release(line.account(), line.account(), uint96(line.heldMicro()));
            }
        }
    }

    function _fillSigned(
        SignedLines.Reader memory reader,
        BookPass.Frame memory frame,
        uint256[] memory fills,
        bytes calldata lines,
        bytes calldata proofs,
        uint256 forced,
        uint256 first
    ) private view {
        unchecked {
            uint256 expected = (fills.length - forced) * SignedLines.PROOF_BYTES;
            if (proofs.length != expected) revert ProofsCutWrong(proofs.length, expected);
            if (expected == 0) return;
            uint256 at = BookLines.place(lines) + forced * BookLines.LINE_BYTES;
            uint256 proofAt = BookLines.place(proofs);
            for (uint256 i = forced; i < fills.length; ++i) {
                uint256 line = BookLines.lineAt(at);
                uint256 nonce = reader.check(line, proofAt, first + i);
                fills[i] = _fill(line, 0, nonce, frame.fillOf(line, first + i));
                at += BookLines.LINE_BYTES;
                proofAt += SignedLines.PROOF_BYTES;
            }
        }
    }

    /// @return a word as PositionBook.trade takes it
    function _fill(uint256 line, uint256 forced, uint256 nonce, uint256 filledWh) private pure returns (uint256) {
        return uint256(line.account()) << 232 | (line >> 63 & 1) << 224 | forced << 216 | nonce << 208 | filledWh;
    }

    /* VIEWS */

    /// @inheritdoc IAuctionHouse
    function bookOf(uint16 zone, uint40 interval) public view returns (BookState state, bytes32 kept) {
        uint256 book = _books[MarketDesign.placeOf(zone, interval)];
        if (book >> RING_SHIFT != interval) return (BookState.None, 0);
        return (BookState(uint8(book >> STATE_SHIFT)), bytes32(book & KEPT));
    }

    /// @inheritdoc IAuctionHouse
    function nextPart(address sender) external view returns (uint256 from) {
        BookPass.Sums memory part = BookPass.load(_parts[sender]);
        return part.what == 0 ? 0 : part.next;
    }

    /// @inheritdoc IAuctionHouse
    function nextChunk(uint16 zone, uint40 interval) external view returns (uint256) {
        return uint16(_progressOf(zone, interval) >> CHUNK_SHIFT);
    }

    function _progressOf(uint16 zone, uint40 interval) private view returns (uint256 progress) {
        progress = _progress[MarketDesign.placeOf(zone, interval)];
        if (progress >> RING_SHIFT != interval) progress = 0;
    }

    /// @inheritdoc IAuctionHouse
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _deployedChainId ? _deployedDomain : _domain();
    }

    function _domain() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256("Wattledger"), keccak256("1"), block.chainid, address(this))
            );
    }
}
