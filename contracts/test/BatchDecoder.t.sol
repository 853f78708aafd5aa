// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {BatchDecoder, FirstTable, WordLists, WordTable, WordTables} from "../BatchDecoder.sol";
import {Entry} from "../Entries.sol";
import {Vm} from "./Base.sol";

/// @title BatchDecoder against a twin in plain Solidity, which slices bytes one by one.
contract BatchDecoderTest {
    using BatchDecoder for bytes;
    using BatchDecoder for uint256;
    using WordTables for WordTable;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 private constant TYPEHASH = keccak256(
        "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
    );

    /* THE DECODER, WITH THE BATCH AS THE LAST ARGUMENT: BEHIND IT THERE IS NOTHING */

    function header(bytes calldata batch) external pure returns (bytes memory) {
        (uint8 version, uint8 tableBits, uint256 statements, bytes32 evidence) = batch.header();
        return abi.encode(version, tableBits, statements, evidence);
    }

    function numbersAt(uint256 at, bytes calldata batch) external pure returns (uint256) {
        return batch.numbersAt(at);
    }

    function signatureAt(uint256 at, bytes calldata batch) external pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = batch.signatureAt(at);
        return abi.encode(r, vs);
    }

    function structHashAt(uint256 at, uint256 next, bytes calldata batch) external pure returns (bytes32) {
        return batch.structHashAt(at, next);
    }

    function hashTwiceAmongOtherMemory(uint256 next, bytes calldata batch) external pure returns (bytes memory) {
        bytes memory before = batch;
        bytes32 one = batch.structHashAt(0, next);
        uint256[] memory between = new uint256[](12);
        bytes32 two = batch.structHashAt(0, next);
        uint256[] memory behind = new uint256[](12);
        assert(keccak256(before) == keccak256(batch));
        for (uint256 i; i < 12; ++i) {
            assert(between[i] | behind[i] == 0);
        }
        return abi.encode(one, two);
    }

    function rowsOf(uint256 statements, bytes calldata batch) external pure returns (uint256) {
        return batch.rowsOf(statements);
    }

    function rowOf(uint256 index, bytes calldata rows) external pure returns (uint256) {
        return rows.rowOf(index);
    }

    /// @dev What is read from a copy in memory, after other memory was used.
    function fromMemory(uint256 at, bytes calldata batch) external pure returns (uint256 word) {
        uint256[] memory before = new uint256[](3);
        uint256 start = batch.copied();
        uint256[] memory behind = new uint256[](3);
        word = BatchDecoder.wordAt(start + at);
        assert(before[2] == 0 && behind[0] == 0);
    }

    /* AGAINST ITS TWIN */

    function testFuzz_aHeaderIsReadAsByTheTwin(bytes calldata batch) public view {
        bytes memory expected = abi.encode(
            _number(batch, 0, 1), _number(batch, 1, 1), _number(batch, 2, 2), bytes32(_number(batch, 4, 32))
        );
        vm.assertEq(this.header(batch), expected);
    }

    function testFuzz_theNumbersOfAStatementAreReadAsByTheTwin(uint256 seed, uint256 length, uint256 at) public view {
        bytes memory batch = _noise(seed, length % 400);
        at %= 400;
        vm.assertEq(_taken(this.numbersAt(at, batch)), _statementAt(batch, at));
    }

    function testFuzz_aSignatureIsReadAsByTheTwin(uint256 seed, uint256 length, uint256 at) public view {
        bytes memory batch = _noise(seed, length % 400);
        at %= 400;
        bytes memory expected = abi.encode(_number(batch, at + 61, 32), _number(batch, at + 93, 32));
        vm.assertEq(this.signatureAt(at, batch), expected);
    }

    function testFuzz_aStatementIsHashedAsByTheTwin(uint256 seed, uint256 rows, uint256 at) public view {
        rows %= 12;
        at %= 80;
        uint256 next = at + 125 + 13 * rows;
        bytes memory batch = _noise(seed, next + seed % 3);
        vm.assertEq(this.structHashAt(at, next, batch), _structHash(batch, at, next));
    }

    /// @dev It works in free memory: what was there before stays, and what comes after is not disturbed.
    function testFuzz_hashingAStatementLeavesMemoryAsItWas(uint256 seed, uint256 rows) public view {
        uint256 next = 125 + 13 * (rows % 40);
        bytes memory batch = _noise(seed, next);
        bytes32 expected = _structHash(batch, 0, next);
        vm.assertEq(this.hashTwiceAmongOtherMemory(next, batch), abi.encode(expected, expected));
    }

    function testFuzz_aStatementTakenApartHasTheSameHash(uint256 seed, uint256 rows) public view {
        uint256 next = 125 + 13 * (rows % 12);
        bytes memory batch = _noise(seed, next);
        BatchDecoder.Statement memory statement = BatchDecoder.Statement({
            station: _number(batch, 0, 3),
            sequence: _number(batch, 3, 3),
            startTime: _number(batch, 6, 5),
            durationS: _number(batch, 11, 3),
            importWh: _number(batch, 14, 5),
            exportWh: _number(batch, 19, 5),
            tariffBase: _number(batch, 24, 3),
            telemetryRoot: bytes32(_number(batch, 29, 32))
        });
        bytes32 rowsHash = keccak256(_slice(batch, 125, next));
        vm.assertEq(BatchDecoder.structHash(statement, rowsHash), this.structHashAt(0, next, batch));
    }

    /// @dev The twin walks over the batch.
    function testFuzz_theRowsOfABatchAreCountedAsByTheTwin(uint256 seed, uint256 statements) public view {
        statements %= 6;
        bytes memory batch = new bytes(36);
        uint256 count;
        for (uint256 i; i < statements; ++i) {
            uint256 rows = uint256(keccak256(abi.encode(seed, i))) % 9;
            batch = bytes.concat(batch, new bytes(125 + 13 * rows));
            count += rows;
        }
        vm.assertEq(this.rowsOf(statements, batch), count);
    }

    function testFuzz_aRowIsReadAsByTheTwin(bytes calldata rows, uint256 index) public view {
        index %= rows.length / 13 + 2;
        uint256 row = this.rowOf(index, rows);
        uint256 at = 13 * index;
        vm.assertEq(row.account(), _number(rows, at, 3));
        vm.assertEq(row.energyWh(), _number(rows, at + 3, 4));
        vm.assertEq(row.startOffsetS(), _number(rows, at + 7, 3));
        vm.assertEq(row.endOffsetS(), _number(rows, at + 7, 3) + _number(rows, at + 10, 2));
        vm.assertEq(row.tariff(), _number(rows, at + 12, 1));
        vm.assertEq(row.isBilled(), _number(rows, at + 12, 1) < 254);
        vm.assertEq(row >> BatchDecoder.PLACE_SHIFT, 32 * _number(rows, at, 3) + (_number(rows, at + 3, 1) >> 3));
    }

    function testFuzz_aCopyInMemoryIsReadAsByTheTwin(uint256 seed, uint256 length, uint256 at) public view {
        length = 32 + length % 400;
        at %= length - 31;
        bytes memory batch = _noise(seed, length);
        vm.assertEq(this.fromMemory(at, batch), _number(batch, at, 32));
    }

    /// @dev The last row ends where the batch does; what lies behind it is not read into it.
    function testFuzz_theLastRowOfACopyIsReadAsByTheTwin(uint256 seed, uint256 length) public view {
        length = 13 + length % 400;
        bytes memory batch = _noise(seed, length);
        vm.assertEq(this.fromMemory(length - 13, batch) >> 152, _number(batch, length - 13, 13));
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
        bytes memory expected = abi.encode(1, 2, 3, 4, 5, 6, 7, 8 * 13);
        bytes memory behind = bytes.concat(new bytes(36), batch, hex"ff");
        vm.assertEq(_taken(this.numbersAt(0, batch)), expected);
        vm.assertEq(_taken(this.numbersAt(36, behind)), expected);
        vm.assertEq(this.signatureAt(0, batch), abi.encode(10, 11));
        vm.assertEq(this.signatureAt(36, behind), abi.encode(10, 11));
    }

    /* TABLES */

    function testFuzz_aWordTableIsAnArray(uint256 seed, uint256 bits, uint8[16] calldata picks) public pure {
        uint256 size = 1 << bits % 5;
        uint256[] memory twin = new uint256[](size);
        uint256[] memory before = new uint256[](1);
        WordTable table = WordTables.create(size);
        uint256[] memory neighbour = new uint256[](1);
        vm.assertEq(WordTables.mask(size), 32 * (size - 1));
        for (uint256 i; i < picks.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            uint256 index = picks[i] % size;
            twin[index] = word;
            if (picks[i] & 0x80 == 0) table.set(index, word);
            else table.put(32 * index, word);
        }
        for (uint256 i; i < size; ++i) {
            vm.assertEq(table.get(i), twin[i]);
            vm.assertEq(table.at(32 * i), twin[i]);
        }
        vm.assertEq(neighbour[0] | before[0], 0);
    }

    function testFuzz_theWordsOfAListAreTheList(uint256[] memory list, uint256 index, uint256 word) public pure {
        vm.assume(list.length != 0);
        index %= list.length;
        bytes32 before = keccak256(abi.encode(list));
        for (uint256 i; i < list.length; ++i) {
            vm.assertEq(WordTables.words(list).get(i), list[i]);
        }
        vm.assertEq(keccak256(abi.encode(list)), before);
        WordTables.words(list).set(index, word);
        vm.assertEq(list[index], word);
    }

    function testFuzz_aTableIsHashedAsItsWords(uint256 seed, uint256 size, uint256 part) public pure {
        size = 1 + size % 20;
        part %= size + 1;
        WordTable table = WordTables.create(size);
        bytes memory words;
        for (uint256 i; i < size; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            table.set(i, word);
            if (i < part) words = abi.encodePacked(words, word);
        }
        vm.assertEq(table.hashed(part), keccak256(words));
    }

    function testFuzz_theWordsOfAListOfEntriesAreTheList(Entry[] memory list, uint256 index, uint256 word) public pure {
        vm.assume(list.length != 0);
        index %= list.length;
        for (uint256 i; i < list.length; ++i) {
            vm.assertEq(WordTables.words(list).get(i), Entry.unwrap(list[i]));
        }
        WordTables.words(list).set(index, word);
        vm.assertEq(Entry.unwrap(list[index]), word);
    }

    function testFuzz_aListInCalldataIsReadByIndex(uint256[] calldata list, Entry[] calldata entries) public pure {
        for (uint256 i; i < list.length; ++i) {
            vm.assertEq(WordLists.at(list, i), list[i]);
        }
        for (uint256 i; i < entries.length; ++i) {
            vm.assertEq(Entry.unwrap(WordLists.at(entries, i)), Entry.unwrap(entries[i]));
        }
    }

    /// @dev A call of its own, whose memory begins with the table.
    function testFuzz_theFirstTableIsAnArray(uint256 seed, uint8 size, uint8 cleared) public view {
        size = 1 + size % 40;
        uint256[] memory found = this.firstTable(seed, size, cleared % (size + 1));
        vm.assertEq(found.length, size);
        for (uint256 i; i < size; ++i) {
            vm.assertEq(found[i], i < cleared % (size + 1) ? 0 : ~uint256(keccak256(abi.encode(seed, i))));
        }
    }

    /// @return found the table's words, after its first ones were cleared
    function firstTable(uint256 seed, uint256 size, uint256 cleared) external pure returns (uint256[] memory found) {
        FirstTable.reserve(size);
        for (uint256 i; i < size; ++i) {
            assert(FirstTable.at(32 * i) == 0);
        }
        uint256[] memory neighbour = new uint256[](2);
        neighbour[1] = seed;
        for (uint256 i; i < size; ++i) {
            FirstTable.put(32 * i, ~uint256(keccak256(abi.encode(seed, i))));
        }
        FirstTable.clear(cleared);
        assert(neighbour.length == 2 && neighbour[0] == 0 && neighbour[1] == seed);
        found = new uint256[](size);
        for (uint256 i; i < size; ++i) {
            found[i] = FirstTable.at(32 * i);
        }
    }

    function test_theFirstTableIsNotReservedOverOtherMemory() public {
        (bool done,) = address(this).call(abi.encodeCall(this.reserveLate, ()));
        vm.assertFalse(done);
    }

    function reserveLate() external pure returns (uint256 kept) {
        uint256[] memory list = new uint256[](5);
        FirstTable.reserve(2);
        return list[0];
    }

    function testFuzz_aNewTableIsAllZeroWhateverLayThereBefore(uint256 dirt, uint256 size) public pure {
        size = 1 + size % 32;
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let i := 0 } lt(i, 40) { i := add(i, 1) } { mstore(add(free, mul(i, 32)), not(dirt)) }
        }
        WordTable table = WordTables.create(size);
        for (uint256 i; i < size; ++i) {
            vm.assertEq(table.get(i), 0);
        }
    }

    /* THE TWIN */

    function _taken(uint256 numbers) private pure returns (bytes memory) {
        return abi.encode(
            numbers.station(),
            numbers.sequence(),
            numbers.startTime(),
            numbers.durationS(),
            numbers.importWh(),
            numbers.exportWh(),
            numbers.tariffBase(),
            numbers.rowBytes()
        );
    }

    function _statementAt(bytes memory batch, uint256 at) private pure returns (bytes memory) {
        return abi.encode(
            _number(batch, at, 3),
            _number(batch, at + 3, 3),
            _number(batch, at + 6, 5),
            _number(batch, at + 11, 3),
            _number(batch, at + 14, 5),
            _number(batch, at + 19, 5),
            _number(batch, at + 24, 3),
            13 * _number(batch, at + 27, 2)
        );
    }

    function _structHash(bytes memory batch, uint256 at, uint256 next) private pure returns (bytes32) {
        bytes memory fields = bytes.concat(
            abi.encode(TYPEHASH, _number(batch, at, 3), _number(batch, at + 3, 3), _number(batch, at + 6, 5)),
            abi.encode(_number(batch, at + 11, 3), _number(batch, at + 14, 5), _number(batch, at + 19, 5)),
            abi.encode(_number(batch, at + 24, 3), _number(batch, at + 29, 32)),
            abi.encode(keccak256(_slice(batch, at + 125, next)))
        );
        return keccak256(fields);
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[from + i];
        }
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
