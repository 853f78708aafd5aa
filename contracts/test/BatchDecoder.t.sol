// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder, WordTable, WordTables} from "../BatchDecoder.sol";
import {Vm} from "./Base.sol";

/// @title BatchDecoder against a twin in plain Solidity, which slices bytes one by one.
contract BatchDecoderTest {
    using BatchDecoder for bytes;
    using WordTables for WordTable;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /* THE DECODER */

    function header(bytes calldata batch) external pure returns (bytes memory) {
        (uint8 version, uint8 tableBits, uint256 statements, bytes32 evidence) = batch.header();
        return abi.encode(version, tableBits, statements, evidence);
    }

    function statementAt(uint256 at, bytes calldata batch) external pure returns (bytes memory) {
        return abi.encode(batch.statementAt(at));
    }

    function rowAt(uint256 at, bytes calldata batch) external pure returns (uint256) {
        return BatchDecoder.rowAt(batch.position(at));
    }

    /* AGAINST ITS TWIN */

    function testFuzz_aHeaderIsReadAsByTheTwin(bytes calldata batch) public view {
        bytes memory expected = abi.encode(
            _number(batch, 0, 1), _number(batch, 1, 1), _number(batch, 2, 2), bytes32(_number(batch, 4, 32))
        );
        vm.assertEq(this.header(batch), expected);
    }

    function testFuzz_aStatementIsReadAsByTheTwin(uint256 seed, uint256 length, uint256 at) public view {
        bytes memory batch = _noise(seed, length % 400);
        at %= 400;
        vm.assertEq(this.statementAt(at, batch), abi.encode(_statementAt(batch, at)));
    }

    function testFuzz_aRowIsReadAsByTheTwin(bytes calldata batch, uint256 at) public view {
        at %= batch.length + 20;
        vm.assertEq(this.rowAt(at, batch), _number(batch, at, 13));
    }

    function test_eachPartHasItsPublishedLength() public pure {
        vm.assertEq(BatchDecoder.VERSION, 1);
        vm.assertEq(BatchDecoder.HEADER_BYTES, 1 + 1 + 2 + 32);
        vm.assertEq(BatchDecoder.STATEMENT_BYTES, 3 + 3 + 5 + 3 + 5 + 5 + 3 + 2 + 3 * 32);
        vm.assertEq(BatchDecoder.ROW_BYTES, 3 + 4 + 3 + 2 + 1);
        vm.assertEq(BatchDecoder.UNBILLED_IMPORT, 255);
        vm.assertEq(BatchDecoder.UNBILLED_EXPORT, 254);
    }

    function test_eachFieldLiesInItsPlace() public view {
        bytes memory batch = abi.encodePacked(uint24(1), uint24(2), uint40(3), uint24(4), uint40(5), uint40(6));
        batch = abi.encodePacked(batch, uint24(7), uint16(8), bytes32(uint256(9)), bytes32(uint256(10)), uint256(11));
        bytes memory expected = abi.encode(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
        vm.assertEq(this.statementAt(0, batch), expected);
        vm.assertEq(this.statementAt(36, bytes.concat(new bytes(36), batch, hex"ff")), expected);
    }

    function testFuzz_aWordTableIsAnArray(uint256 seed, uint256 bits, uint8[16] calldata picks) public pure {
        uint256 size = 1 << bits % 5;
        uint256[] memory twin = new uint256[](size);
        WordTable table = WordTables.create(size);
        uint256[] memory neighbour = new uint256[](1);
        for (uint256 i; i < picks.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            twin[picks[i] % size] = word;
            table.set(picks[i] % size, word);
        }
        for (uint256 i; i < size; ++i) {
            vm.assertEq(table.get(i), twin[i]);
        }
        vm.assertEq(neighbour[0], 0);
    }

    /* THE TWIN */

    function _statementAt(bytes memory batch, uint256 at) private pure returns (BatchDecoder.Statement memory) {
        return BatchDecoder.Statement({
            station: _number(batch, at, 3),
            sequence: _number(batch, at + 3, 3),
            startTime: _number(batch, at + 6, 5),
            durationS: _number(batch, at + 11, 3),
            importWh: _number(batch, at + 14, 5),
            exportWh: _number(batch, at + 19, 5),
            tariffBase: _number(batch, at + 24, 3),
            rows: _number(batch, at + 27, 2),
            telemetryRoot: bytes32(_number(batch, at + 29, 32)),
            r: bytes32(_number(batch, at + 61, 32)),
            vs: bytes32(_number(batch, at + 93, 32))
        });
    }

    /// @dev Big-endian number of `size` bytes; there are zeros behind the end.
    function _number(bytes memory data, uint256 at, uint256 size) private pure returns (uint256 value) {
        for (uint256 i = at; i < at + size; ++i) {
            value = value << 8 | (i < data.length ? uint8(data[i]) : 0);
        }
    }

    function _noise(uint256 seed, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i; i < length; ++i) {
            data[i] = bytes1(uint8(uint256(keccak256(abi.encode(seed, i)))));
        }
    }
}
