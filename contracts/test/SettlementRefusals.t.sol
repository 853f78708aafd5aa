// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title Batches that must not settle. A refused batch leaves no trace.
contract SettlementRefusalsTest is Base {
    /* WHO */

    function testFuzz_nobodyButASettlerSettles(address caller) public {
        vm.assume(caller != OPERATOR);
        bytes memory batch = _batchOf(_aliceCharges(1234));
        vm.expectRevert(_missingRole(caller, Roles.SETTLER));
        vm.prank(caller);
        settlement.settle(batch);
    }

    function test_aSecondSettlementOfTheSameBatchIsRefused() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        _settle(batch);
        _settleRefused(batch, _sequenceMismatch(2, 1));
    }

    function test_aStatementTwiceInOneBatchIsRefused() public {
        bytes memory one = _signed(_aliceCharges(1234));
        _settleRefused(_batch(one, one), _sequenceMismatch(2, 1));
    }

    function test_aGapInTheSequenceIsRefused() public {
        _settleRefused(_batchOf(_statement(V2G_STATION, 2, 0, 0, "")), _sequenceMismatch(1, 2));
    }

    function test_aSuspendedStationIsRefused() public {
        vm.prank(OPERATOR);
        stations.suspendStation(V2G_STATION);
        _settleRefused(
            _batchOf(_aliceCharges(1234)),
            abi.encodeWithSelector(IStationRegistry.StationIsSuspended.selector, V2G_STATION)
        );
    }

    function test_whatABanishedKeySignedIsRefused() public {
        vm.prank(GOVERNOR);
        stations.revokeKey(V2G_STATION, _signerOf(V2G_STATION), 0);
        _settleRefused(
            _batchOf(_aliceCharges(1234)),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, address(0), _signerOf(V2G_STATION)
            )
        );
    }

    function test_aStrangerSettlesNothing() public {
        bytes memory evidence = _header(1, 0);
        vm.expectRevert(_missingRole(STRANGER, Roles.SETTLER));
        vm.prank(STRANGER);
        settlement.settle(evidence);
        vm.assertEq(settlement.batchCount(), 0);
    }

    function test_anUnknownStationIsRefused() public {
        Statement memory s = _aliceCharges(1234);
        s.station = 4;
        _settleRefused(_batchOf(s), abi.encodeWithSelector(IStationRegistry.UnknownStation.selector, 4));
    }

    /* SIGNATURES */

    function test_anAccountSwappedAfterSigningIsRefused() public {
        Statement memory s = _aliceCharges(1234);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), _keyOf(V2G_STATION));
        s.rows = _row(BOB, 1234, CHARGE);
        _settleRefused(
            _batch(_packed(s, r, vs)),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), _recovered(s, r, vs)
            )
        );
    }

    function test_theOperatorsOwnSignatureIsRefused() public {
        _settleRefused(
            _batch(_signedBy(0xC0FFEE, _aliceCharges(1234))),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), vm.addr(0xC0FFEE)
            )
        );
    }

    function test_anEmptySignatureIsRefused() public {
        _settleRefused(
            _batch(_packed(_aliceCharges(1234), 0, 0)),
            abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION)
        );
    }

    /* REGISTERS */

    function test_aHiddenSessionIsRefused() public {
        Statement memory s = _aliceCharges(1234);
        s.importWh = 2000;
        _settleRefused(_batchOf(s), _importMismatch(2000, 1234));
    }

    function test_aRegisterThatWentBackIsRefused() public {
        _settle(_batchOf(_aliceCharges(1234)));
        _settleRefused(_batchOf(_statement(V2G_STATION, 2, 1000, 0, "")), _importMismatch(-234, 0));
    }

    function test_energyGivenBackDoesNotOffsetEnergyTaken() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(BOB, 400, DISCHARGE));
        _settleRefused(_batchOf(_first(600, 0, rows)), _importMismatch(600, 1000));
    }

    function test_aStationThatOnlyChargesGivesNothingBack() public {
        Statement memory s = _statement(CHARGE_STATION, 1, 0, 1234, _row(ALICE, 1234, DISCHARGE));
        _settleRefused(
            _batchOf(s), abi.encodeWithSelector(IStationRegistry.ExportMismatch.selector, CHARGE_STATION, 1234, 1234)
        );
    }

    function test_moreEnergyThanARegisterHoldsIsRefused() public {
        bytes memory row = _row(HOUSE, type(uint32).max, UNBILLED_EXPORT);
        bytes memory rows = row;
        for (uint256 i; i < 8; ++i) {
            rows = bytes.concat(rows, rows);
        }
        uint256 exportedWh = uint256(type(uint32).max) * 257;
        _settleRefused(
            _batchOf(_first(0, uint40(exportedWh), bytes.concat(rows, row))),
            abi.encodeWithSelector(ISessionSettlement.TooMuchEnergy.selector, V2G_STATION, 0, exportedWh)
        );
    }

    /* TIMES */

    function test_aStatementFromTheFutureIsRefused() public {
        Statement memory s = _aliceCharges(1234);
        s.startTime = NOW - INTERVAL_S + 1;
        _settleRefused(
            _batchOf(s),
            abi.encodeWithSelector(ISessionSettlement.StatementFromFuture.selector, V2G_STATION, NOW + 1, NOW)
        );
        (s.startTime, s.durationS) = (type(uint40).max, type(uint24).max);
        uint256 end = uint256(type(uint40).max) + type(uint24).max;
        _settleRefused(
            _batchOf(s), abi.encodeWithSelector(ISessionSettlement.StatementFromFuture.selector, V2G_STATION, end, NOW)
        );
    }

    function test_aRowOutsideItsStatementIsRefused() public {
        bytes memory good = _row(ALICE, 1000, CHARGE);
        _settleRefused(
            _batchOf(_first(1234, 0, bytes.concat(good, _row(BOB, 234, 1, uint16(INTERVAL_S), CHARGE)))),
            _rowOutside(1, START + INTERVAL_S + 1)
        );
        _settleRefused(
            _batchOf(_first(234, 0, _row(HOUSE, 234, INTERVAL_S, 1, UNBILLED_IMPORT))),
            _rowOutside(0, START + INTERVAL_S + 1)
        );
    }

    /* TARIFFS */

    function test_aTariffThatEndedIsRefused() public {
        _settleRefused(_batchOf(_first(1, 0, _row(ALICE, 1, 0, 101, ENDED))), _tariffNotValid(ENDED));
        _settle(_batchOf(_first(1, 0, _row(ALICE, 1, 0, 100, ENDED))));
    }

    function test_aTariffThatHasNotStartedIsRefused() public {
        _settleRefused(_batchOf(_first(1, 0, _row(ALICE, 1, 99, 101, NOT_YET))), _tariffNotValid(NOT_YET));
        _settle(_batchOf(_first(1, 0, _row(ALICE, 1, 100, 101, NOT_YET))));
    }

    function test_theSecondRowOfACachedTariffIsCheckedToo() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1, 0, 100, ENDED), _row(ALICE, 1, 1, 100, ENDED));
        _settleRefused(
            _batchOf(_first(2, 0, rows)),
            abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 1, uint256(ENDED))
        );
    }

    function test_anUnknownTariffIsRefused() public {
        _settleRefused(
            _batchOf(_first(1, 0, _row(ALICE, 1, 253))),
            abi.encodeWithSelector(ISessionSettlement.UnknownTariff.selector, 253)
        );
        Statement memory s = _aliceCharges(1);
        s.tariffBase = TARIFFS;
        _settleRefused(_batchOf(s), abi.encodeWithSelector(ISessionSettlement.UnknownTariff.selector, TARIFFS));
    }

    function test_aTariffBeyondTheLastNumberIsRefused() public {
        Statement memory s = _first(1, 0, _row(ALICE, 1, 1));
        s.tariffBase = type(uint24).max;
        _settleRefused(_batchOf(s), abi.encodeWithSelector(ISessionSettlement.UnknownTariff.selector, uint256(1) << 24));
    }

    function test_mixedTariffsAreRefused() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(ALICE, 1, RIVAL_CHARGE));
        _settleRefused(
            _batchOf(_first(2, 0, rows)),
            abi.encodeWithSelector(
                ISessionSettlement.MixedTariffs.selector, V2G_STATION, OPERATOR_ACCOUNT, RIVAL_ACCOUNT
            )
        );
    }

    function test_tariffsOfAnotherOperatorAreRefused() public {
        Statement memory s = _aliceCharges(1);
        s.tariffBase = RIVAL_CHARGE;
        _settleRefused(_batchOf(s), _foreignTariff());
    }

    function test_tariffsOfAnotherOperatorAreRefusedEvenIfTheRowIsSetAside() public {
        Statement memory s = _first(1, 0, _row(CAROL, 1, CHARGE));
        s.tariffBase = RIVAL_CHARGE;
        _settleRefused(_batchOf(s), _foreignTariff());
        s = _first(0, 0, _row(ALICE, 0, CHARGE));
        s.tariffBase = RIVAL_CHARGE;
        _settleRefused(_batchOf(s), _foreignTariff());
    }

    function test_tariffsAreNotTakenFromTheStatementBefore() public {
        Statement memory rivals = _statement(RIVAL_STATION, 1, 1, 0, _row(ALICE, 1, CHARGE));
        _settleRefused(
            _batch(_signed(_aliceCharges(1)), _signed(rivals)),
            abi.encodeWithSelector(
                IStationRegistry.ForeignTariff.selector, RIVAL_STATION, RIVAL_ACCOUNT, OPERATOR_ACCOUNT
            )
        );
    }

    /* ACCOUNTS */

    function test_unbilledEnergyBelongsToTheHouse() public {
        bytes memory good = _row(HOUSE, 1, UNBILLED_IMPORT);
        _settleRefused(_batchOf(_first(2, 0, bytes.concat(good, _row(ALICE, 1, UNBILLED_IMPORT)))), _houseRow(1, ALICE));
        _settleRefused(_batchOf(_first(0, 1, _row(0, 1, UNBILLED_EXPORT))), _houseRow(0, 0));
    }

    function test_theHouseIsNeverBilled() public {
        _settleRefused(_batchOf(_first(1, 0, _row(HOUSE, 1, CHARGE))), _cannotTrade(HOUSE));
        _settleRefused(_batchOf(_first(0, 1, _row(HOUSE, 1, DISCHARGE))), _cannotTrade(HOUSE));
        _settleRefused(_batchOf(_first(0, 0, _row(HOUSE, 0, CHARGE))), _cannotTrade(HOUSE));
    }

    function test_accountZeroIsNeverBilled() public {
        _settleRefused(_batchOf(_first(1, 0, _row(0, 1, CHARGE))), _cannotTrade(0));
        _settleRefused(_batchOf(_first(0, 1, _row(0, 1, DISCHARGE))), _cannotTrade(0));
        _settleRefused(_batchOf(_first(0, 0, _row(0, 0, CHARGE))), _cannotTrade(0));
    }

    function test_accountZeroIsNotBilledAfterAnotherAccountOfItsPlaceEither() public {
        vm.prank(GOVERNOR);
        accounts.openAccounts(_freshOwners(8), new address[](8));
        bytes memory rows = bytes.concat(_row(16, 0, CHARGE), _row(ALICE, 1, CHARGE), _row(0, 1, CHARGE));
        _settleRefused(_batchOf(_first(2, 0, rows)), _cannotTrade(0));
    }

    /// @dev At the beginning of time no row is outside of a tariff's window, whatever the tariff.
    function test_accountZeroIsNotBilledAtTheBeginningOfTimeEither() public {
        for (uint256 i; i < 4; ++i) {
            uint8 offset = i < 2 ? 200 : i == 2 ? UNBILLED_IMPORT : UNBILLED_EXPORT;
            Statement memory s = _first(i == 2 ? 5 : 0, i == 3 ? 5 : 0, _row(0, i == 0 ? 0 : 5, 0, 0, offset));
            (s.startTime, s.durationS) = (0, 0);
            bytes memory why = i < 2
                ? abi.encodeWithSelector(ISessionSettlement.UnknownTariff.selector, uint256(offset))
                : _houseRow(0, 0);
            _settleRefused(_batchOf(s), why);
        }
    }

    function test_anUnknownDriverIsRefused() public {
        _settleRefused(_batchOf(_first(1, 0, _row(NOBODY, 1, CHARGE))), _unknownAccount(NOBODY));
        _settleRefused(_batchOf(_first(0, 0, _row(NOBODY, 0, CHARGE))), _unknownAccount(NOBODY));
    }

    function test_anUnknownReceiverIsRefused() public {
        _settleRefused(_batchOf(_first(0, 1, _row(NOBODY, 1, DISCHARGE))), _unknownAccount(NOBODY));
    }

    function test_anUnknownReceiverIsRefusedEvenIfTheRowIsSetAside() public {
        vm.prank(OPERATOR);
        escrow.requestWithdrawal(OPERATOR_ACCOUNT, RICH);
        _settleRefused(_batchOf(_first(0, 1, _row(NOBODY, 1, DISCHARGE))), _unknownAccount(NOBODY));
    }

    /* LAYOUT */

    function test_anotherVersionIsRefused() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        for (uint256 version; version < 4; ++version) {
            if (version == 1) continue;
            batch[0] = bytes1(uint8(version));
            _settleRefused(batch, abi.encodeWithSelector(ISessionSettlement.UnknownVersion.selector, version));
        }
        _settleRefused("", abi.encodeWithSelector(ISessionSettlement.UnknownVersion.selector, 0));
    }

    function test_anEmptyBatchIsRefused() public {
        bytes memory why = abi.encodeWithSelector(ISessionSettlement.EmptyBatch.selector);
        _settleRefused(abi.encodePacked(uint8(1), TABLE_BITS, uint16(0), bytes32(0)), why);
        _settleRefused(hex"01", why);
    }

    function test_aTruncatedBatchIsRefused() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        _settleRefused(_prefix(batch, batch.length - 1), _malformed(batch.length - 1, batch.length));
        _settleRefused(_prefix(batch, 37), _malformed(37, 36 + 125));
        _settleRefused(_prefix(_header(TABLE_BITS, 0), 35), _malformed(35, 36));
        _settleRefused(_header(TABLE_BITS, 1), _malformed(36, 36 + 125));
    }

    function test_trailingBytesAreRefused() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        _settleRefused(bytes.concat(batch, hex"00"), _malformed(batch.length + 1, batch.length));
        _settleRefused(bytes.concat(_header(TABLE_BITS, 0), hex"01"), _malformed(37, 36));
    }

    /// @dev The statement is complete in the transaction's data, but not within the batch.
    function test_bytesBehindTheBatchAreNotRead() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        uint256 short = batch.length - 13;
        bytes memory call = bytes.concat(
            abi.encodeWithSelector(ISessionSettlement.settle.selector, uint256(32), short), batch, new bytes(64)
        );
        vm.prank(OPERATOR);
        (bool done, bytes memory why) = address(settlement).call(call);
        vm.assertFalse(done);
        vm.assertEq(why, _malformed(short, batch.length));
    }

    function test_aTableTooSmallForTheAccountsIsRefused() public {
        bytes memory signed = _signed(_aliceCharges(1234));
        _settleRefused(bytes.concat(_header(0, 1), signed), _tableFull(1));
        _settleRefused(bytes.concat(_header(1, 1), signed), _tableFull(2));
        _settle(bytes.concat(_header(2, 1), signed));
        _settleRefused(_header(0, 0), _tableFull(1));
    }

    /// @dev One of the places is nobody's; the others are the dust account's, Alice's and the operator's.
    function test_aTableThatIsJustFullSettlesWithEveryPlaceTaken() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(ALICE, 1, DISCHARGE));
        _settle(bytes.concat(_header(2, 1), _signed(_first(1, 1, rows))));
        _assertFree(ALICE, RICH - 301 + 200);
        rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(CAROL, 1, CHARGE));
        _settleRefused(bytes.concat(_header(2, 1), _signed(_statement(V2G_STATION, 2, 3, 1, rows))), _tableFull(4));
    }

    function test_aTableTooLargeIsRefused() public {
        bytes memory signed = _signed(_aliceCharges(1234));
        _settleRefused(
            bytes.concat(_header(13, 1), signed), abi.encodeWithSelector(ISessionSettlement.TableTooLarge.selector, 13)
        );
        _settleRefused(
            bytes.concat(_header(255, 1), signed),
            abi.encodeWithSelector(ISessionSettlement.TableTooLarge.selector, 255)
        );
        _settle(bytes.concat(_header(12, 1), signed));
    }

    /* ANYTHING ELSE */

    /// @dev Only the table's size and the evidence, bytes 1 and 4 to 35, are not the station's.
    function testFuzz_everyOtherByteOfABatchIsUnderTheSignature(uint256 at, uint8 flips) public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(HOUSE, 5, UNBILLED_IMPORT));
        bytes memory batch = _batchOf(_first(1005, 0, rows));
        at = _between(at, 0, batch.length - 33);
        if (at == 1) at = 0;
        if (at > 3) at += 32;
        batch[at] ^= bytes1(flips == 0 ? 1 : flips);
        _settleFails(batch);
    }

    /// @dev The whole call: selector, offset, length, batch, padding. A flipped bit is refused and leaves no trace, or
    ///      money, debts and meters end as without it. The settler's own two choices are told apart: evidence
    ///      changes the chain of batches and nothing else, the table's size changes nothing at all but gas.
    function testFuzz_anyFlippedBitIsRefusedOrMakesNoDifference(uint256 bit) public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(HOUSE, 5, UNBILLED_IMPORT));
        rows = bytes.concat(rows, _row(BOB, 30, DISCHARGE), _row(CAROL, 10, CHARGE));
        bytes memory batch = _batch(
            _signed(_first(1015, 30, rows)), _signed(_statement(V2G_STATION, 2, 1016, 30, _row(BOB, 1, CHARGE)))
        );
        bytes memory call = abi.encodeCall(ISessionSettlement.settle, (batch));
        bytes32 untouched = _stateHash();
        uint256 before = vm.snapshotState();
        _settle(batch);
        (bytes32 settled, uint256 head) = (_stateHash(), settlement.head());
        vm.revertToState(before);

        bit %= call.length * 8;
        call[bit / 8] ^= bytes1(uint8(1 << bit % 8));
        vm.prank(OPERATOR);
        (bool done,) = address(settlement).call(call);
        vm.assertEq(_stateHash(), done ? settled : untouched);
        // The batch begins behind 4 bytes of selector and two words.
        bool isEvidence = bit / 8 >= 72 && bit / 8 < 104;
        if (isEvidence) vm.assertTrue(done && settlement.head() != head && settlement.head() >> 224 == 1);
        else vm.assertEq(settlement.head(), done ? head : 0);
        bool isSigned = bit / 8 == 68 || bit / 8 == 70 || bit / 8 == 71 || bit / 8 >= 104 && bit / 8 < 68 + batch.length;
        if (isSigned) vm.assertFalse(done);
    }

    /// @dev The settler's choice of the table: of those that are large enough, each gives the very same chain.
    function test_theSizeOfTheTableChangesNothing() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(CAROL, 10, CHARGE));
        bytes memory signed = _signed(_first(1010, 0, rows));
        uint256 before = vm.snapshotState();
        bytes32 state;
        uint256 head;
        for (uint8 bits = 3; bits <= 12; ++bits) {
            _settle(bytes.concat(_header(bits, 1), signed));
            if (bits == 3) (state, head) = (_stateHash(), settlement.head());
            vm.assertEq(_stateHash(), state);
            vm.assertEq(settlement.head(), head);
            vm.revertToState(before);
        }
    }

    function testFuzz_noPartOfABatchIsABatch(uint256 length) public {
        bytes memory batch =
            _batch(_signed(_aliceCharges(1000)), _signed(_statement(V2G_STATION, 2, 2000, 0, _row(BOB, 1000, CHARGE))));
        _settleFails(_prefix(batch, _between(length, 0, batch.length - 1)));
    }

    function testFuzz_randomBytesDoNotSettle(bytes calldata noise, uint16 statements) public {
        _settleFails(bytes.concat(_header(TABLE_BITS, statements % 4 + 1), noise));
    }

    /// @dev The settler's own choices, table and evidence, change no balance.
    function testFuzz_theSettlerDecidesNothingAboutMoney(uint8 tableBits, bytes32 evidence) public {
        tableBits = uint8(_between(tableBits, 2, 12));
        bytes memory header = abi.encodePacked(uint8(1), tableBits, uint16(1), evidence);
        _settle(bytes.concat(header, _signed(_aliceCharges(1234))));
        _assertFree(ALICE, RICH - 370_202);
        _assertFree(OPERATOR_ACCOUNT, RICH + 370_201);
        _assertFree(DUST, 1);
    }

    /* WHAT THE TESTS SHARE */

    /// @dev Everybody's money and debts, and all registers.
    function _stateHash() private view returns (bytes32) {
        bytes memory all;
        for (uint24 account; account <= ACCOUNTS; ++account) {
            all = bytes.concat(all, _moneyOf(account), abi.encode(escrow.debtOf(account, 0)));
        }
        for (uint24 station = 1; station <= 3; ++station) {
            all = bytes.concat(all, abi.encode(stations.stationOf(station)));
        }
        return keccak256(all);
    }

    function _settleFails(bytes memory batch) private {
        vm.expectRevert();
        _settle(batch);
        vm.assertEq(settlement.batchCount(), 0);
        vm.assertEq(stations.stationOf(V2G_STATION).sequence, 0);
        _assertFree(ALICE, RICH);
    }

    function _prefix(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i; i < length; ++i) {
            part[i] = data[i];
        }
    }

    function _freshOwners(uint256 count) private pure returns (address[] memory owners) {
        owners = new address[](count);
        for (uint256 i; i < count; ++i) {
            owners[i] = _fresh(i);
        }
    }

    function _sequenceMismatch(uint24 expected, uint24 received) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, expected, received);
    }

    function _importMismatch(int256 movedWh, uint256 billedWh) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IStationRegistry.ImportMismatch.selector, V2G_STATION, movedWh, billedWh);
    }

    function _foreignTariff() private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IStationRegistry.ForeignTariff.selector, V2G_STATION, OPERATOR_ACCOUNT, RIVAL_ACCOUNT
            );
    }

    function _tariffNotValid(uint8 tariff) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, uint256(tariff));
    }

    function _rowOutside(uint256 row, uint256 end) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            ISessionSettlement.RowOutsideStatement.selector, V2G_STATION, row, end, START + INTERVAL_S
        );
    }

    function _houseRow(uint256 row, uint24 account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISessionSettlement.HouseRow.selector, V2G_STATION, row, account);
    }

    function _cannotTrade(uint24 account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISessionSettlement.AccountCannotTrade.selector, account);
    }

    function _malformed(uint256 length, uint256 decoded) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISessionSettlement.MalformedBatch.selector, length, decoded);
    }

    function _tableFull(uint256 size) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISessionSettlement.TableFull.selector, size);
    }
}
