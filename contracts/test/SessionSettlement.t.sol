// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title What a batch settles, and what it sets aside.
contract SessionSettlementTest is Base {
    /// @dev 1234 Wh at each price, micro-euro: what the payer owes; the other side receives 1 less.
    uint256 private constant CHARGE_OWED = 370_202;
    uint256 private constant DISCHARGE_OWED = 246_802;
    uint256 private constant NEGATIVE_CHARGE_OWED = 61_704;
    uint256 private constant NEGATIVE_DISCHARGE_OWED = 24_684;

    function test_theBuilderOfTheseTestsAgreesWithThePythonTwin() public pure {
        bytes memory rows = bytes.concat(_row(ALICE, 1234, CHARGE), _row(HOUSE, 5, 10, 20, UNBILLED_IMPORT));
        Statement memory s = _first(1239, 0, rows);
        s.telemetryRoot = bytes32(0x1111111111111111111111111111111111111111111111111111111111111111);
        vm.assertEq(_structHash(s), 0x0537653b53a9c2302686f5848f03f00c64cba2f0f7c83c49ad7121a8c13cd85b);
        vm.assertEq(
            _digest(_domain(CHAIN_ID, address(0xbeef)), _structHash(s)),
            0x96bf0b714100c4552fb69bbeae0c2187ef2fb45e4a186076fec1314b4f43c14b
        );
        vm.assertEq(
            _packed(s, bytes32(uint256(2)), bytes32(uint256(1) << 255 | 3)),
            bytes.concat(
                hex"000001000001006b49c3f000038400000004d700000000000000000002",
                hex"1111111111111111111111111111111111111111111111111111111111111111",
                hex"0000000000000000000000000000000000000000000000000000000000000002",
                hex"8000000000000000000000000000000000000000000000000000000000000003",
                hex"000006000004d20000000384000000010000000500000a0014ff"
            )
        );
    }

    /* CONSTRUCTION */

    function test_eachPartMustBeAContract() public {
        address[5] memory parts =
            [address(accounts), address(stations), address(tariffBook), address(escrow), address(positions)];
        for (uint256 i; i < 5; ++i) {
            address part = parts[i];
            parts[i] = STRANGER;
            bytes memory call = abi.encodeWithSignature(
                "deployCode(string,bytes)", "SessionSettlement.sol:SessionSettlement", abi.encode(parts)
            );
            (bool done, bytes memory why) = address(vm).call(call);
            vm.assertFalse(done);
            vm.assertEq(why, abi.encodeWithSelector(ISessionSettlement.NotAContract.selector, STRANGER));
            parts[i] = part;
        }
    }

    /* WHO PAYS WHOM */

    function test_aChargedRowIsPaidByTheDriver() public {
        Statement memory s = _aliceCharges(1234);
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s), 1, CHARGE_OWED, 1, _list(_numbers(s)));
        vm.assertEq(_settle(batch), 1);
        vm.assertEq(settlement.batchCount(), 1);
        _assertFree(ALICE, RICH - CHARGE_OWED);
        _assertFree(OPERATOR_ACCOUNT, RICH + CHARGE_OWED - 1);
        _assertFree(DUST, 1);
        _assertRegisters(V2G_STATION, 1, 1234, 0);
    }

    function test_energyGivenBackIsPaidByTheOperator() public {
        _settle(_batchOf(_first(0, 1234, _row(ALICE, 1234, DISCHARGE))));
        _assertFree(ALICE, RICH + DISCHARGE_OWED - 1);
        _assertFree(OPERATOR_ACCOUNT, RICH - DISCHARGE_OWED);
        _assertFree(DUST, 1);
        _assertRegisters(V2G_STATION, 1, 0, 1234);
    }

    function test_atANegativePriceTheOperatorPaysForCharging() public {
        _settle(_batchOf(_first(1234, 0, _row(ALICE, 1234, NEGATIVE_CHARGE))));
        _assertFree(ALICE, RICH + NEGATIVE_CHARGE_OWED - 1);
        _assertFree(OPERATOR_ACCOUNT, RICH - NEGATIVE_CHARGE_OWED);
        _assertFree(DUST, 1);
    }

    function test_atANegativePriceTheDriverPaysForGivingBack() public {
        _settle(_batchOf(_first(0, 1234, _row(ALICE, 1234, NEGATIVE_DISCHARGE))));
        _assertFree(ALICE, RICH - NEGATIVE_DISCHARGE_OWED);
        _assertFree(OPERATOR_ACCOUNT, RICH + NEGATIVE_DISCHARGE_OWED - 1);
        _assertFree(DUST, 1);
    }

    function test_wholeMicroEuroLeaveNoDust() public {
        Statement memory s = _aliceCharges(1000);
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s), 1, 300_001, 0, _list(_numbers(s)));
        _settle(batch);
        _assertFree(OPERATOR_ACCOUNT, RICH + 300_001);
        _assertFree(DUST, 0);
    }

    function test_eachRowIsRoundedByItself() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1, CHARGE), _row(ALICE, 1, CHARGE), _row(BOB, 1, CHARGE));
        Statement memory s = _first(3, 0, rows);
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s), 3, 903, 3, _list(_numbers(s)));
        _settle(batch);
        _assertFree(ALICE, RICH - 602);
        _assertFree(BOB, RICH - 301);
        _assertFree(OPERATOR_ACCOUNT, RICH + 900);
    }

    function test_anOperatorThatChargesAtItsOwnStationPaysOnlyTheDust() public {
        _settle(_batchOf(_first(1234, 0, _row(OPERATOR_ACCOUNT, 1234, CHARGE))));
        _assertFree(OPERATOR_ACCOUNT, RICH - 1);
        _assertFree(DUST, 1);
    }

    function test_theDustAccountCanChargeToo() public {
        _fund(DUST_OWNER, DUST, 1_000_000);
        _settle(_batchOf(_first(1234, 0, _row(DUST, 1234, CHARGE))));
        _assertFree(DUST, 1_000_000 - CHARGE_OWED + 1);
        _assertFree(OPERATOR_ACCOUNT, RICH + CHARGE_OWED - 1);
    }

    function test_energyOfTheHouseMovesRegistersAndNoMoney() public {
        bytes memory rows = bytes.concat(_row(HOUSE, 70, UNBILLED_IMPORT), _row(HOUSE, 30, UNBILLED_EXPORT));
        Statement memory s = _first(70, 30, rows);
        s.tariffBase = type(uint24).max;
        bytes memory batch = _batchOf(s);
        vm.expectEmit(address(settlement));
        emit ISessionSettlement.BatchSettled(1, EVIDENCE, _digestOf(s), 2, 0, 0, _list(_numbers(s)));
        _settle(batch);
        _assertRegisters(V2G_STATION, 1, 70, 30);
        _assertFree(HOUSE, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH);
    }

    function test_aStatementWithoutRowsMovesTheSequenceAlone() public {
        _settle(_batchOf(_first(0, 0, "")));
        _assertRegisters(V2G_STATION, 1, 0, 0);
    }

    /* BATCHES OF SEVERAL STATEMENTS */

    function test_statementsOfSeveralOperatorsSettleTogether() public {
        bytes memory statements = bytes.concat(
            _signed(_aliceCharges(1000)),
            _signed(_rivals(2000, _row(ALICE, 2000, CHARGE))),
            _signed(_statement(CHARGE_STATION, 1, 3000, 0, _row(BOB, 3000, CHARGE)))
        );
        _settle(bytes.concat(_header(TABLE_BITS, 3), statements));
        _assertFree(ALICE, RICH - 300_001 - 800_006);
        _assertFree(BOB, RICH - 900_003);
        _assertFree(OPERATOR_ACCOUNT, RICH + 300_001 + 900_003);
        _assertFree(RIVAL_ACCOUNT, RICH + 800_006);
    }

    function test_statementsOfOneStationSettleInTheirOrder() public {
        bytes memory one = _signed(_aliceCharges(1000));
        bytes memory two = _signed(_statement(V2G_STATION, 2, 3000, 0, _row(BOB, 2000, CHARGE)));
        _settleRefused(
            _batch(two, one), abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 1, 2)
        );
        _settle(_batch(one, two));
        _assertRegisters(V2G_STATION, 2, 3000, 0);
    }

    function test_theOrderOfStatementsDoesNotMatter() public {
        bytes memory one = _signed(_first(2234, 0, bytes.concat(_row(ALICE, 1234, CHARGE), _row(CAROL, 1000, CHARGE))));
        bytes memory two = _signed(
            _statement(
                CHARGE_STATION, 1, 1234, 0, bytes.concat(_row(CAROL, 1000, NEGATIVE_CHARGE), _row(BOB, 234, CHARGE))
            )
        );
        uint256 before = vm.snapshotState();
        _settle(_batch(one, two));
        uint256[] memory balances = new uint256[](ACCOUNTS + 1);
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            balances[account] = _free(account);
        }
        vm.assertEq(balances[CAROL], 50_003);
        vm.revertToState(before);
        _assertFree(CAROL, 0);
        _settle(_batch(two, one));
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            _assertFree(account, balances[account]);
        }
    }

    /* KEY ROTATION */

    function test_aStatementThatEndsBeforeTheRotationSettlesWithTheOldKey() public {
        _rotate();
        Statement memory s = _aliceCharges(1000);
        s.startTime = NOW - INTERVAL_S;
        _settle(_batchOf(s));
        _assertRegisters(V2G_STATION, 1, 1000, 0);
    }

    function test_aStatementThatEndsAfterTheRotationNeedsTheNewKey() public {
        _rotate();
        vm.warp(NOW + 1);
        Statement memory s = _aliceCharges(1000);
        s.startTime = NOW - INTERVAL_S + 1;
        _settleRefused(
            _batchOf(s),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, vm.addr(0xB0B), _signerOf(V2G_STATION)
            )
        );
        _settle(_batch(_signedBy(0xB0B, s)));
        _assertRegisters(V2G_STATION, 1, 1000, 0);
    }

    /* THE PEERS' DEFECTS */

    function test_regression_lasla_aStrangerCannotSettleASecondTime() public {
        bytes memory batch = _batchOf(_aliceCharges(1234));
        _settle(batch);
        vm.expectRevert(_missingRole(STRANGER, Roles.SETTLER));
        vm.prank(STRANGER);
        settlement.settle(batch);
        _settleRefused(batch, abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 2, 1));
        _assertFree(ALICE, RICH - CHARGE_OWED);
        vm.assertEq(settlement.batchCount(), 1);
    }

    function test_regression_shareAndCharge_aBillBeyondTheDepositBlocksNobody() public {
        _fund(CAROL_OWNER, CAROL, 100);
        _request(CAROL_OWNER, CAROL, 100);
        _settle(_batchOf(_first(1000, 0, _row(CAROL, 1000, CHARGE))));
        vm.warp(NOW + WITHDRAWAL_DELAY);
        vm.prank(CAROL_OWNER);
        escrow.withdraw(CAROL);
        vm.assertEq(token.balanceOf(CAROL_OWNER), 100);
        _settle(_batchOf(_statement(V2G_STATION, 2, 2000, 0, _row(ALICE, 1000, CHARGE))));
        _assertFree(ALICE, RICH - 300_001);
    }

    function test_regression_shareAndCharge_oneSignaturePaysOnce() public {
        Statement memory s = _aliceCharges(1234);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), _keyOf(V2G_STATION));
        _settle(_batch(_packed(s, r, vs)));
        s.sequence = 2;
        s.importWh = 2468;
        _settleRefused(_batch(_packed(s, r, vs)), _wrongSigner(_recovered(s, r, vs)));
        s.sequence = 1;
        s.station = RIVAL_STATION;
        s.tariffBase = RIVAL_CHARGE;
        s.importWh = 1234;
        _settleRefused(
            _batch(_packed(s, r, vs)),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, RIVAL_STATION, _signerOf(RIVAL_STATION), _recovered(s, r, vs)
            )
        );
        _assertFree(ALICE, RICH - CHARGE_OWED);
    }

    function test_regression_shareAndCharge_nobodyElseOverwritesAStationsStatement() public {
        Statement memory s = _aliceCharges(1234);
        _settleRefused(_batch(_signedBy(_keyOf(RIVAL_STATION), s)), _wrongSigner(_signerOf(RIVAL_STATION)));
        _settle(_batchOf(s));
        _assertRegisters(V2G_STATION, 1, 1234, 0);
    }

    function test_regression_shareAndCharge_aSignatureCountsOnOneChain() public {
        Statement memory s = _aliceCharges(1234);
        bytes memory batch = _batchOf(s);
        vm.chainId(1);
        (bytes32 r, bytes32 vs) =
            _sign(_digest(_domain(CHAIN_ID, address(stations)), _structHash(s)), _keyOf(s.station));
        bytes32 here = _digest(_domain(1, address(stations)), _structHash(s));
        address recovered =
            ecrecover(here, uint8(27 + (uint256(vs) >> 255)), r, bytes32(uint256(vs) & type(uint256).max >> 1));
        _settleRefused(batch, _wrongSigner(recovered));
        vm.chainId(CHAIN_ID);
        _settle(batch);
    }

    function test_regression_shareAndCharge_aSignatureCountsInOneContract() public {
        Statement memory s = _aliceCharges(1234);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(CHAIN_ID, STRANGER), _structHash(s)), _keyOf(V2G_STATION));
        _settleRefused(_batch(_packed(s, r, vs)), _wrongSigner(_recovered(s, r, vs)));
    }

    function test_regression_siems_energyThatTheMeterDidNotCountIsNotPaid() public {
        Statement memory s = _aliceCharges(1234);
        s.importWh = 0;
        _settleRefused(
            _batchOf(s), abi.encodeWithSelector(IStationRegistry.ImportMismatch.selector, V2G_STATION, 0, 1234)
        );
        s = _first(0, 0, _row(ALICE, 1234, DISCHARGE));
        _settleRefused(
            _batchOf(s), abi.encodeWithSelector(IStationRegistry.ExportMismatch.selector, V2G_STATION, 0, 1234)
        );
        _assertFree(OPERATOR_ACCOUNT, RICH);
    }

    function test_regression_coincurve_highSTwinIsRefused() public {
        Statement memory s = _aliceCharges(1234);
        bytes32 digest = _digest(_domain(), _structHash(s));
        (uint8 v, bytes32 r, bytes32 lowS) = vm.sign(_keyOf(V2G_STATION), digest);
        uint256 twin = CURVE_ORDER - uint256(lowS);
        vm.assertEq(ecrecover(digest, 55 - v, r, bytes32(twin)), _signerOf(V2G_STATION));
        // The twin needs all 256 bits, so its highest one reads as the recovery bit: both ways lead elsewhere.
        for (uint256 bit; bit < 2; ++bit) {
            bytes32 vs = bytes32(twin & type(uint256).max >> 1 | bit << 255);
            address recovered = _recovered(s, r, vs);
            bytes memory why = recovered == address(0)
                ? abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION)
                : _wrongSigner(recovered);
            _settleRefused(_batch(_packed(s, r, vs)), why);
        }
        // A high s that does fit is refused as such.
        _settleRefused(
            _batch(_packed(s, r, bytes32(CURVE_ORDER / 2 + 1))),
            abi.encodeWithSelector(IStationRegistry.BadSignature.selector, V2G_STATION)
        );
    }

    /* WHAT THE TESTS SHARE */

    /// @dev The rival's first statement, with tariffs counted from its first one.
    function _rivals(uint40 importWh, bytes memory rows) private pure returns (Statement memory s) {
        s = _statement(RIVAL_STATION, 1, importWh, 0, rows);
        s.tariffBase = RIVAL_CHARGE;
    }

    function _rotate() private {
        vm.prank(OPERATOR);
        stations.rotateKey(V2G_STATION, vm.addr(0xB0B));
    }

    function _digestOf(Statement memory s) private pure returns (bytes32) {
        return _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(s))), new uint24[](0));
    }

    function _assertRegisters(uint24 station, uint24 sequence, uint40 importWh, uint40 exportWh) private view {
        IStationRegistry.Station memory found = stations.stationOf(station);
        vm.assertEq(found.sequence, sequence);
        vm.assertEq(found.importWh, importWh);
        vm.assertEq(found.exportWh, exportWh);
    }

    function _wrongSigner(address recovered) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), recovered
            );
    }
}
