// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Auctions that are cleared elsewhere and checked here. The rulebook: docs/reference/auction.md.
/// @notice Prices are micro-euro per kWh, amounts micro-euro, energy Wh, times Unix seconds. An interval is named by
///         its first second. Its gate is 300 s before it; then sealed orders are revealed, for 60 s; then, until it
///         begins, its book is committed; then the book is cleared and settled, which PositionBook.settleUntil ends.
///
///         An order word, from the top: zone (16 bits), interval (40), amount (32: bit 31 sell, bit 30 zero, then the
///         quantity), limit + 2^31 (32), nonce (8); the rest is zero.
interface IAuctionHouse {
    /// @notice Terms of a zone.
    /// @param grid           account of the backstop; the others trade against it (IPositionBook)
    /// @param feeMicroPerKwh grid fee that a buyer pays on top of the price, on the tick
    /// @param importLimitWh  the most the grid account sells in one interval
    /// @param exportLimitWh  the most it buys in one interval
    struct Zone {
        uint24 grid;
        uint32 feeMicroPerKwh;
        uint40 importLimitWh;
        uint40 exportLimitWh;
    }

    /// @notice The clearing of a book. If nothing crosses, `lo` is a price above which nobody buys and up to which
    ///         nobody sells, and all but it is zero.
    /// @param rationed  0 for no side, 1 for the buyers', 2 for the sellers'
    /// @param atWh      M: Wh of that side at the price
    /// @param shareWh   R: what they share
    /// @param remainder of the last order that gets one Wh more; M if none does
    /// @param line      of that order, from 0 on; 0 if there is none
    struct Claim {
        bool crosses;
        uint64 volumeWh;
        int32 lo;
        int32 hi;
        uint8 rationed;
        uint64 atWh;
        uint64 shareWh;
        uint64 remainder;
        uint16 line;
    }

    /// @notice What became of a book. `Ended`: it was settled, or nothing in it crosses.
    enum BookState {
        None,
        Committed,
        Cleared,
        Ended
    }

    /// @notice A zone's terms for intervals that begin at `from` or later.
    event ZoneSet(
        uint16 indexed zone, uint24 grid, uint32 feeMicroPerKwh, uint40 importLimitWh, uint40 exportLimitWh, uint40 from
    );
    /// @notice An account takes part in a zone's market: from now on its rows are metered there.
    event Joined(uint16 indexed zone, uint24 indexed account);
    /// @notice Its owner moved money of an account here, or away. What forced and sealed orders take of it, and what
    ///         comes back, follows from their own events.
    event MarginChanged(uint16 indexed zone, uint24 indexed account, uint96 freeMicro);
    /// @notice An order that its owner sent to the chain, or revealed. `order` is as `force` takes it: zone and interval
    ///         are its highest bits.
    event BidForced(uint24 indexed account, bytes32 order);
    /// @notice An order that is revealed after the gate.
    event BidSealed(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, bytes32 commitment);
    /// @notice A sealed order that nobody revealed: its bond is the grid account's.
    event SealForfeited(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, bytes32 commitment);
    /// @notice An order that must not be in the book.
    event OrderCancelled(uint16 indexed zone, uint40 indexed interval, uint24 indexed account, uint8 nonce);
    /// @notice What the orders of an interval are.
    event BidsCommitted(uint16 indexed zone, uint40 indexed interval, uint256 count, bytes32 digest);
    /// @notice The book was cleared: the claim holds. If nothing crosses there is no price, and 0 stands for it.
    event AuctionCleared(uint16 indexed zone, uint40 indexed interval, int32 priceMicroPerKwh, Claim claim);
    /// @notice Signatures of a chunk were checked, and its fills are in the positions.
    event BookSettled(uint16 indexed zone, uint40 indexed interval, uint256 chunk, uint256 chunks);
    /// @notice An interval's forced orders came to nothing: their money is free margin again.
    event AuctionVoided(uint16 indexed zone, uint40 indexed interval);

    /* REFUSALS: ZONES AND SEATS */

    /// @notice What is named must be a contract.
    error NotAContract(address account);
    /// @notice Forced orders are kept until their ring comes around: auctions must be over by then.
    error SettlesTooLong(uint40 settlesForS, uint40 mostS);
    /// @notice The zone has no terms.
    error UnknownZone(uint16 zone);
    /// @notice A zone's grid account never changes.
    error GridIsFixed(uint16 zone, uint24 grid);
    /// @notice A fee is on the tick and at most this.
    error FeeRefused(uint32 feeMicroPerKwh, uint32 mostMicroPerKwh);
    /// @notice The terms that were set last must have held for a while, so that older ones are never needed again.
    error TermsPending(uint16 zone, uint40 until);
    /// @notice The others trade against the grid account: it signs orders, but neither forces nor seals any.
    error GridCannotJoin(uint16 zone, uint24 grid);
    /// @notice An account has one seat in a zone.
    error AlreadyJoined(uint16 zone, uint24 account);
    /// @notice The address has no seat in the zone: its owner must join.
    error NotJoined(uint16 zone, address owner);
    /// @notice The free margin does not reach.
    error InsufficientMargin(uint16 zone, uint24 account, uint256 freeMicro, uint256 neededMicro);

    /* REFUSALS: ORDERS THAT ARE SENT TO THE CHAIN */

    /// @notice An interval begins at a multiple of 900 s.
    error NotAnInterval(uint40 interval);
    /// @notice Orders come before the gate.
    error GateClosed(uint40 interval, uint40 gate);
    /// @notice Nothing is forced or sealed for intervals after this one.
    error TooFarAhead(uint40 interval, uint40 last);
    /// @notice No order has this quantity, limit or nonce, or there are bits where none belong.
    error OrderRefused(bytes32 order);
    /// @notice A nonce is below 64.
    error NonceRefused(uint8 nonce);
    /// @notice No more orders can be forced for the interval.
    error TooManyForced(uint16 zone, uint40 interval);
    /// @notice Money of an interval that is long over was not given back: call `void` for it first.
    error NotVoided(uint16 zone, uint40 interval);
    /// @notice The account sealed this already.
    error AlreadySealed(uint24 account, bytes32 commitment);
    /// @notice The account sealed nothing that opens to this, or it was opened or forfeited.
    error NotSealed(uint24 account, bytes32 commitment);
    /// @notice This is done from `from` on, and before `until`.
    error OutsideWindow(uint40 interval, uint40 from, uint40 until);
    /// @notice Forced orders are given back once the auction can no longer be settled, or nothing crossed.
    error TooEarly(uint40 interval, uint40 from);
    /// @notice The interval has no forced orders whose money is still held.
    error NothingForced(uint16 zone, uint40 interval);

    /* REFUSALS: BOOKS */

    /// @notice A book has 1 to 65,535 lines.
    error CountRefused(uint256 count);
    /// @notice A book is committed once.
    error AlreadyCommitted(uint16 zone, uint40 interval);
    /// @notice The interval's book is not in the state that this needs.
    error WrongState(uint16 zone, uint40 interval, BookState needed, BookState found);
    /// @notice Lines have 11 bytes each; a part but the last has whole chunks of 1,024.
    error LinesCutWrong(uint256 bytes_);
    /// @notice The sender's clearing goes on elsewhere, or with something else: begin anew at line 0.
    error OtherPart(uint256 from, uint256 expected);
    /// @notice No book has this line: bit 30, quantity or limit.
    error LineRefused(uint256 line, bytes11 content);
    /// @notice The lines are not those that were committed, or the claim is not the one that was cleared.
    error OtherBook(bytes32 kept, bytes32 found);
    /// @notice The book does not begin with the forced orders, all of them, in their order.
    error ForcedLinesDiffer(bytes32 kept, bytes32 found);
    /// @notice What a claim does not use is zero.
    error ClaimNotPlain();
    /// @notice These prices are not on the tick or in the caps, or the wrong way round.
    error PriceNotPossible(int32 lo, int32 hi);
    /// @notice No line has a limit between the prices at which a book clears.
    error LimitBetween(uint256 line);
    /// @notice The volume does not clear at this price.
    error PriceDoesNotClear(int32 price, uint256 volumeWh);
    /// @notice The volume clears at this price, too.
    error PriceIntervalTooShort(int32 price);
    /// @notice Another volume can be traded.
    error VolumeDiffers(uint256 volumeWh, uint256 foundWh);
    /// @notice The rationed side has other Wh at the price, or shares others.
    error RationingDiffers(uint256 claimed, uint256 found);
    /// @notice No order has the line and the remainder of the threshold.
    error ThresholdNotMet(uint256 line, uint256 remainder);
    /// @notice The fills of a side do not add up to the volume.
    error FillsDiffer(bool sell, uint256 volumeWh, uint256 filledWh);
    /// @notice The grid account gets more than the zone's connection carries.
    error GridPastLimit(bool sell, uint256 limitWh, uint256 filledWh);
    /// @notice There are buyers above the price, or sellers up to it.
    error OrdersCross(int32 price, uint256 wantedWh, uint256 offeredWh);

    /* REFUSALS: SETTLING */

    /// @notice Chunks are settled in their order, each once.
    error OtherChunk(uint256 chunk, uint256 expected);
    /// @notice A signed line has a proof of 70 bytes, a forced one a nonce.
    error ProofsCutWrong(uint256 bytes_, uint256 expected);
    /// @notice Signed orders are in the ascending order of their hashes.
    error NotAscending(uint256 line, bytes32 orderHash);
    /// @notice An order counts up to its expiry, which must not be before the gate.
    error OrderExpired(uint256 line, uint40 expiry);
    /// @notice Not one of the account's driver keys at the gate signed this; zero if nobody did, or with a high s.
    error WrongSigner(uint256 line, uint24 account, address recovered);

    /* ZONES AND SEATS */

    /// @notice Sets a zone's terms: the first ones at once, others for intervals that begin at least a day later.
    ///         Needs the governor role.
    function setZone(uint16 zone, Zone calldata terms) external;

    /// @notice Takes a seat in a zone's market. Only the owner of an open account.
    /// @param amountMicro what is locked as margin; may be 0
    function join(uint16 zone, uint96 amountMicro) external;

    /// @notice Locks more money as margin. Only who has a seat.
    function addMargin(uint16 zone, uint96 amountMicro) external;

    /// @notice Frees margin that no order holds. Only who has a seat.
    function withdrawMargin(uint16 zone, uint96 amountMicro) external;

    /* ORDERS THAT ARE SENT TO THE CHAIN */

    /// @notice Puts an order into the book, whatever the operator does. Only who has a seat, before the gate and at
    ///         most 64 intervals ahead. It holds of the margin what the order can owe at worst.
    function force(bytes32 order) external;

    /// @notice Uses a nonce up, so that a signed order with it cannot be settled. Only an account's owner, before
    ///         the gate.
    function cancel(uint16 zone, uint40 interval, uint8 nonce) external;

    /// @notice Commits to an order that is revealed after the gate; holds a bond of the margin. Only who has a seat.
    /// @param commitment keccak256(abi.encode(account, order, salt))
    function seal(uint16 zone, uint40 interval, bytes32 commitment) external;

    /// @notice Forces an order that was sealed, and gives the bond back. Within 60 s after the gate.
    function reveal(bytes32 order, bytes32 salt) external;

    /// @notice Gives the bond of an order that was not revealed to the grid account. Anybody.
    function forfeit(uint16 zone, uint40 interval, uint24 account, bytes32 commitment) external;

    /// @notice Gives the money of forced orders back to their margins. Anybody, when the auction can no longer be
    ///         settled, or nothing crossed.
    /// @param lines  the forced lines, 11 bytes each
    /// @param nonces one byte for each
    function void(uint16 zone, uint40 interval, bytes calldata lines, bytes calldata nonces) external;

    /* BOOKS */

    /// @notice Says what the book of an interval is. Needs the settler role; from 60 s after the gate until the
    ///         interval begins, once.
    /// @param count  lines of the book
    /// @param digest keccak256(zone ‖ interval ‖ count) as words, then for each chunk keccak256(digest ‖
    ///               keccak256(chunk))
    function commitBook(uint16 zone, uint40 interval, uint256 count, bytes32 digest) external;

    /// @notice Clears a book as claimed, or a part of it if it is too large for one transaction. Anybody: each sender
    ///         has a clearing of its own, one at a time, which the last part ends.
    /// @param forcedNonces one byte for each forced line, with the first part; empty later
    /// @param lines        11 bytes each; whole chunks of 1,024, but for the last part
    /// @param count        lines of the whole book
    /// @param from         place of the part's first line, where the sender's last part ended; 0 begins anew
    function clear(
        uint16 zone,
        uint40 interval,
        Claim calldata claim,
        bytes calldata forcedNonces,
        bytes calldata lines,
        uint256 count,
        uint256 from
    ) external;

    /// @notice Checks the signatures of a chunk of a cleared book and enters its fills. Anybody, chunk by chunk; with
    ///         the last one the auction ends.
    /// @param count        lines of the whole book
    /// @param chunkHashes  keccak256 of each chunk
    /// @param chunk        which one, from 0 on
    /// @param lines        of the chunk
    /// @param forcedNonces one byte for each forced line; they are all in chunk 0
    /// @param proofs       70 bytes for each signed line: r, vs (EIP-2098, low s), expiry u40, nonce u8
    function settle(
        uint16 zone,
        uint40 interval,
        uint256 count,
        Claim calldata claim,
        bytes32[] calldata chunkHashes,
        uint256 chunk,
        bytes calldata lines,
        bytes calldata forcedNonces,
        bytes calldata proofs
    ) external;

    /* VIEWS */

    /// @notice A zone's terms for an interval; UnknownZone if it has none.
    function zoneTerms(uint16 zone, uint40 interval) external view returns (Zone memory);

    /// @notice An owner's seat in a zone: its account, 0 if there is none, and its free margin.
    function seatOf(uint16 zone, address owner) external view returns (uint24 account, uint96 freeMicro);

    /// @notice The forced orders of an interval: how many, their chain (200 bits), and whether their money is held.
    function forcedOf(uint16 zone, uint40 interval) external view returns (uint256 count, bytes32 chain, bool held);

    /// @notice Whether an account has sealed this for an interval of a zone.
    function isSealed(uint16 zone, uint40 interval, uint24 account, bytes32 commitment) external view returns (bool);

    /// @notice An interval's book, and what is kept of it: the low 208 bits of the digest, later of
    ///         keccak256(abi.encode(digest, claim)).
    function bookOf(uint16 zone, uint40 interval) external view returns (BookState state, bytes32 kept);

    /// @notice The line at which a sender's clearing in parts goes on; 0 if it has none.
    function nextPart(address sender) external view returns (uint256 from);

    /// @notice The chunk of a cleared book that is settled next.
    function nextChunk(uint16 zone, uint40 interval) external view returns (uint256);

    /// @notice EIP-712 domain of orders.
    function domainSeparator() external view returns (bytes32);
}
