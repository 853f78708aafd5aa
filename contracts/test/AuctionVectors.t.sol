// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {AuctionBase} from "./AuctionBase.sol";
import {Base} from "./Base.sol";

/// @title Lets a test read a large file, whatever that costs.
interface GasMeter {
    function pauseGasMetering() external;
}

/// @title The auctions that domain/ made, signed and cleared: taken by the contract with the same fills.
/// @notice tests/vectors/make_auction_vectors.py writes the file; a Python test holds the file against what it writes.
contract AuctionVectorsTest is AuctionBase {
    string private constant PATH = "tests/vectors/auction.json";
    uint256 private constant AUCTIONS = 28;
    uint24 private constant THEIR_GRID = 9;
    uint40 private constant INTERVAL = 1_699_999_200;
    uint96 private constant PURSE = 100_000_000;

    string private _json;
    GasMeter private constant METER = GasMeter(address(vm));
    mapping(uint24 account => uint256) private _bought;
    mapping(uint24 account => uint256) private _sold;

    function setUp() public override {
        _json = vm.readFile(PATH);
        Base.setUp();
        _openTraders(TRADERS);
        for (uint256 i; _exists(string.concat(".keys[", vm.toString(i), "]")); ++i) {
            string memory at = string.concat(".keys[", vm.toString(i), "]");
            uint24 account = uint24(_uint(at, ".account"));
            vm.prank(_traderOf(account));
            accounts.setDriverKey(account, vm.parseJsonAddress(_json, string.concat(at, ".address")));
        }
        vm.warp(INTERVAL - 3_600);
    }

    /// @dev The vectors' interval is long before the fixture's time: modules are active by then.
    function _proposeOtherModules() internal override {
        vm.warp(INTERVAL - 1 days);
        super._proposeOtherModules();
        vm.warp(NOW);
    }

    /// @dev At the address that was signed for.
    function _deployHouse(bytes memory arguments) internal override returns (address) {
        address signedFor = vm.parseJsonAddress(_json, ".domain.contract");
        vm.etch(signedFor, bytes.concat(vm.getCode("AuctionHouse.sol:AuctionHouse"), arguments));
        (bool done, bytes memory runtime) = signedFor.call("");
        vm.assertTrue(done);
        vm.etch(signedFor, runtime);
        bytes32 separator = bytes32(vm.parseJsonBytes(_json, ".domain.separator"));
        vm.assertEq(IAuctionHouse(signedFor).domainSeparator(), separator);
        return signedFor;
    }

    function test_vectors_areClearedAndSettledAsInPython() public {
        METER.pauseGasMetering();
        uint256 auctions;
        for (; _exists(_at(auctions)); ++auctions) {
            uint256 id = vm.snapshotState();
            this.attempt(_at(auctions));
            vm.revertToState(id);
        }
        vm.assertEq(auctions, AUCTIONS);
    }

    function test_vectors_booksThatNoContractTakesAreRefused() public {
        uint256 books;
        for (; _exists(string.concat(".refused_books[", vm.toString(books), "]")); ++books) {
            string memory at = string.concat(".refused_books[", vm.toString(books), "]");
            uint256 id = vm.snapshotState();
            _openTheirZone(at);
            bytes memory lines = _bytes(at, ".chunks[0]");
            _commitTheirs(at, lines);
            IAuctionHouse.Claim memory claim = IAuctionHouse.Claim(false, 0, -600_000, 0, 0, 0, 0, 0, 0);
            (bool done, bytes memory why) = address(house).call(_clearing(claim, "", lines));
            vm.assertTrue(!done && bytes4(why) == IAuctionHouse.LineRefused.selector);
            vm.revertToState(id);
        }
        vm.assertEq(books, 5);
    }

    /// @dev A call of its own, whose memory is free afterwards.
    function attempt(string memory at) external {
        _openTheirZone(at);
        bytes memory lines = _bytes(at, ".chunks[0]");
        if (_exists(string.concat(at, ".chunks[1]"))) lines = bytes.concat(lines, _bytes(at, ".chunks[1]"));
        bytes memory nonces = _bytes(at, ".forced_nonces");
        _forceTheirs(lines, nonces);
        (uint256 count, bytes32 chain,) = house.forcedOf(ZONE, INTERVAL);
        vm.assertTrue(count == nonces.length && chain == bytes32(_bytes(at, ".forced_chain")));
        _commitTheirs(at, lines);
        bytes memory refused = _bytes(at, ".refused_claims_packed");
        vm.assertTrue(refused.length >= 2 * 44);
        for (uint256 i; i < refused.length / 44; ++i) {
            (bool done,) = address(house).call(_clearing(_claimAt(refused, i), nonces, lines));
            vm.assertFalse(done);
        }
        IAuctionHouse.Claim memory claim = _claimAt(_bytes(at, ".claim_packed"), 0);
        (bool taken,) = address(house).call(_clearing(claim, nonces, lines));
        vm.assertTrue(taken);
        if (!claim.crosses) return vm.assertTrue(positions.resultOf(ZONE, INTERVAL).concluded);
        if (_exists(string.concat(at, ".orders[0]"))) _settleTheirs(at, claim, lines, nonces);
    }

    function _settleTheirs(string memory at, IAuctionHouse.Claim memory claim, bytes memory lines, bytes memory nonces)
        private
    {
        bytes memory proofs;
        uint256 count = lines.length / LINE_BYTES;
        for (uint256 i; i < count; ++i) {
            string memory order = string.concat(at, ".orders[", vm.toString(i), "]");
            if (!vm.parseJsonBool(_json, string.concat(order, ".forced"))) {
                proofs = bytes.concat(proofs, _theirProof(order));
            }
            uint24 account = uint24(_uint(order, ".account"));
            uint256 wh = vm.parseJsonUint(_json, string.concat(at, ".fills_wh[", vm.toString(i), "]"));
            if (vm.parseJsonBool(_json, string.concat(order, ".sell"))) _sold[account] += wh;
            else _bought[account] += wh;
        }
        house.settle(ZONE, INTERVAL, count, claim, _chunkHashes(lines), 0, lines, nonces, proofs);
        int256 price = vm.parseJsonInt(_json, string.concat(at, ".price_micro_per_kwh"));
        vm.assertTrue(positions.resultOf(ZONE, INTERVAL).priceMicroPerKwh == price);
        for (uint24 account = THEIR_GRID; account < THEIR_GRID + TRADERS; ++account) {
            vm.assertEq(positions.positionOf(ZONE, INTERVAL, account).boughtWh, _bought[account]);
            vm.assertEq(positions.positionOf(ZONE, INTERVAL, account).soldWh, _sold[account]);
        }
    }

    function _theirProof(string memory order) private view returns (bytes memory) {
        bytes memory signature = _bytes(order, ".signature");
        bytes32 vs = bytes32(_slice(signature, 32, 64)) | bytes32(uint256(uint8(signature[64]) - 27) << 255);
        return abi.encodePacked(
            bytes32(_slice(signature, 0, 32)), vs, uint40(_uint(order, ".expiry_s")), uint8(_uint(order, ".nonce"))
        );
    }

    function _openTheirZone(string memory at) private {
        string memory terms = string.concat(at, ".terms");
        uint40 imported = uint40(_uint(terms, ".import_limit_wh"));
        _setZone(
            ZONE,
            THEIR_GRID,
            uint32(_uint(terms, ".fee_micro_per_kwh")),
            imported,
            uint40(_uint(terms, ".export_limit_wh"))
        );
    }

    function _forceTheirs(bytes memory lines, bytes memory nonces) private {
        for (uint256 i; i < nonces.length; ++i) {
            uint256 line = uint88(bytes11(_slice(lines, i * LINE_BYTES, (i + 1) * LINE_BYTES)));
            uint24 account = uint24(line >> 64);
            (uint24 seated,) = house.seatOf(ZONE, _traderOf(account));
            if (seated == 0) _join(account, PURSE);
            uint256 numbers = uint64(line) & ~(uint256(1) << 62);
            bytes memory word = abi.encodePacked(ZONE, INTERVAL, uint64(numbers), nonces[i], uint128(0));
            vm.prank(_traderOf(account));
            house.force(bytes32(word));
        }
    }

    function _commitTheirs(string memory at, bytes memory lines) private {
        vm.warp(INTERVAL - 240);
        vm.prank(OPERATOR);
        house.commitBook(ZONE, INTERVAL, lines.length / LINE_BYTES, bytes32(_bytes(at, ".digest")));
    }

    function _clearing(IAuctionHouse.Claim memory claim, bytes memory nonces, bytes memory lines)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(house.clear, (ZONE, INTERVAL, claim, nonces, lines, lines.length / LINE_BYTES, 0));
    }

    /// @dev A claim of 44 packed bytes.
    function _claimAt(bytes memory packed, uint256 i) private pure returns (IAuctionHouse.Claim memory claim) {
        uint256 head = uint256(bytes32(_slice(packed, 44 * i, 44 * i + 32)));
        uint256 tail = uint96(bytes12(_slice(packed, 44 * i + 32, 44 * i + 44)));
        claim.crosses = head >> 248 != 0;
        claim.volumeWh = uint64(head >> 184);
        claim.lo = int32(uint32(head >> 152));
        claim.hi = int32(uint32(head >> 120));
        claim.rationed = uint8(head >> 112);
        claim.atWh = uint64(head >> 48);
        claim.shareWh = uint64(uint48(head)) << 16 | uint64(tail >> 80);
        claim.remainder = uint64(tail >> 16);
        claim.line = uint16(tail);
    }

    function _at(uint256 i) private pure returns (string memory) {
        return string.concat(".auctions[", vm.toString(i), "]");
    }

    function _exists(string memory path) private view returns (bool) {
        return vm.keyExistsJson(_json, path);
    }

    function _uint(string memory at, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(at, key));
    }

    function _bytes(string memory at, string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, string.concat(at, key));
    }
}
