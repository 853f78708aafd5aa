// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {WordTable, WordTables} from "./BatchDecoder.sol";
import {BookLines, MarketDesign} from "./BookLines.sol";
import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IAuctionHouse} from "./interfaces/IAuctionHouse.sol";

/// @title The signatures of a book's lines.
/// @notice A line's order is what it says, for the book's zone and interval, with the expiry and nonce of its proof.
library SignedLines {
    using BookLines for uint256;
    using WordTables for WordTable;

    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(uint24 account,uint16 zone,uint40 interval,bool sell,uint32 quantityWh,int32 limitMicroPerKwh,uint40 expiry,uint8 nonce)"
    );
    uint256 internal constant PROOF_BYTES = 70;

    /// @notice What the check of one chunk after the other needs.
    /// @param domain EIP-712 domain
    /// @param words  an order as it is hashed; typehash, zone and interval stay
    /// @param known  keys that the registry has confirmed: account above signer, each at its account's place
    /// @param last   hash of the order before
    struct Reader {
        IAccountRegistry accounts;
        bytes32 domain;
        uint256 gate;
        WordTable words;
        WordTable known;
        uint256 last;
    }

    uint256 private constant KNOWN_MASK = (256 << 5) - 1 & ~uint256(31);
    uint256 private constant LOW_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function open(IAccountRegistry accounts, bytes32 domain, uint16 zone, uint40 interval, uint256 last)
        internal
        pure
        returns (Reader memory reader)
    {
        reader.accounts = accounts;
        reader.domain = domain;
        reader.gate = MarketDesign.gateOf(interval);
        reader.words = WordTables.create(9);
        reader.words.set(0, uint256(ORDER_TYPEHASH));
        reader.words.set(2, zone);
        reader.words.set(3, interval);
        reader.known = WordTables.create(256);
        reader.last = last;
    }

    /// @notice Refuses a line that was not signed for, or is not behind the one before it.
    /// @param at     place of its proof in calldata
    /// @param number of the line in the book, for refusals
    /// @return nonce the order's
    function check(Reader memory reader, uint256 line, uint256 at, uint256 number)
        internal
        view
        returns (uint256 nonce)
    {
        unchecked {
            uint256 tail = BookLines.wordAt(at + 64) >> 208;
            nonce = uint8(tail);
            if (nonce >= MarketDesign.NONCES) revert IAuctionHouse.NonceRefused(uint8(nonce));
            if (tail >> 8 < reader.gate) revert IAuctionHouse.OrderExpired(number, uint40(tail >> 8));
            bytes32 digest = _digest(reader, line, tail >> 8, nonce);
            if (uint256(digest) <= reader.last) revert IAuctionHouse.NotAscending(number, digest);
            reader.last = uint256(digest);
            address signer = _recover(digest, BookLines.wordAt(at), BookLines.wordAt(at + 32));
            _requireDriver(reader, line.account(), signer, number);
        }
    }

    function _digest(Reader memory reader, uint256 line, uint256 expiry, uint256 nonce) private pure returns (bytes32) {
        unchecked {
            WordTable words = reader.words;
            words.set(1, line.account());
            words.set(4, line >> 63 & 1);
            words.set(5, line.quantity());
            words.set(6, uint256(int256(line.limit()) - BookLines.OFFSET));
            words.set(7, expiry);
            words.set(8, nonce);
            return MessageHashUtils.toTypedDataHash(reader.domain, words.hashed(9));
        }
    }

    /// @return zero if nobody signed, or with a high s
    function _recover(bytes32 digest, uint256 r, uint256 vs) private pure returns (address) {
        unchecked {
            uint256 s = vs & type(uint256).max >> 1;
            return s > LOW_S ? address(0) : ecrecover(digest, uint8(27 + (vs >> 255)), bytes32(r), bytes32(s));
        }
    }

    function _requireDriver(Reader memory reader, uint24 account, address signer, uint256 number) private view {
        unchecked {
            uint256 offset = uint256(account) << 5 & KNOWN_MASK;
            uint256 key = uint256(account) << 160 | uint160(signer);
            if (reader.known.at(offset) == key) return;
            bool valid = reader.accounts.driverKeyValidUntil(account, signer) >= reader.gate;
            if (!valid || signer == address(0)) revert IAuctionHouse.WrongSigner(number, account, signer);
            reader.known.put(offset, key);
        }
    }
}
