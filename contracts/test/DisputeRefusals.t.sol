// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base} from "./Base.sol";

/// @title Disputes and answers that must not succeed. A refused one leaves no trace.
contract DisputeRefusalsTest is Base {
    uint40 private constant ANSWER_UNTIL = NOW + ANSWER_WINDOW_S;
    uint256 private constant OTHER_KEY = 0xB0B;

    /// @dev One batch before and one behind the batch that is disputed, which has two statements.
    Statement[] private _all;
    bytes32[] private _page;

    function setUp() public override {
        super.setUp();
        _all.push(_statement(CHARGE_STATION, 1, 9, 0, _row(BOB, 9, CHARGE)));
        bytes memory rows = bytes.concat(
            _row(ALICE, 1234, 60, 300, CHARGE),
            _row(HOUSE, 5, UNBILLED_IMPORT),
            _row(ALICE, 0, CHARGE),
            _row(ALICE, 70, DISCHARGE),
            _row(ALICE, 30, NEGATIVE_CHARGE),
            _row(HOUSE, 5, UNBILLED_EXPORT),
            _row(CAROL, 1, CHARGE)
        );
        _all.push(_first(1270, 75, rows));
        _page.push(_anchor(1)[0]);
        _settle(_batch(_signed(_all[0]), _signed(_all[1])));
        _page.push(_proofOf(2, _page, _all, _aside(), 0, 0).page[1]);
        _settle(_header(1, 0));
        _page.push(_batchDigest(EVIDENCE, 0, new uint24[](0)));
    }

    /* WHO */

    function testFuzz_aStrangerDoesNothing(address stranger) public {
        vm.assume(!accounts.isMember(stranger));
        IDisputeCourt.Proof memory proof = _proof(0);
        bytes memory why = _notAMember(stranger);
        vm.expectRevert(why);
        vm.prank(stranger);
        court.dispute(proof);
        _dispute(0);
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(_authorisation()), ALICE_VEHICLE_KEY);
        vm.expectRevert(why);
        vm.prank(stranger);
        court.justify(V2G_STATION, 1, 0, _authorisation(), r, vs);
        vm.warp(ANSWER_UNTIL + 1);
        vm.expectRevert(why);
        vm.prank(stranger);
        court.reverse(V2G_STATION, 1, 0, 0);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Disputed);
    }

    function test_aMemberWithoutTheBondDisputesNothing() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        _fund(CAROL_OWNER, CAROL, BOND_MICRO + 300);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientFree.selector, CAROL, BOND_MICRO - 1, BOND_MICRO));
        vm.prank(CAROL_OWNER);
        court.dispute(proof);
        _assertUndisputed(0);
    }

    function test_whilePausedNothingIsDisputed() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        vm.prank(GOVERNOR);
        escrow.pause();
        vm.expectRevert(_isPaused());
        vm.prank(BOB_OWNER);
        court.dispute(proof);
    }

    function test_whilePausedNothingIsPaidBackButARowIsJustified() public {
        _dispute(0);
        vm.prank(GOVERNOR);
        escrow.pause();
        uint256 before = vm.snapshotState();
        vm.warp(ANSWER_UNTIL + 1);
        vm.expectRevert(_isPaused());
        _reverse(0);
        vm.revertToState(before);
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Justified);
    }

    /* WHEN */

    function test_aRowIsDisputedUpToItsLastDay() public {
        uint40 latest = START + 360 + DISPUTE_WINDOW_S;
        vm.warp(latest + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.TooLate.selector, START + 360, latest));
        _dispute(0);
        vm.warp(latest);
        _dispute(0);
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).answerUntil, latest + ANSWER_WINDOW_S);
    }

    function test_aRowIsDisputedOnce() public {
        _dispute(0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AlreadyDisputed.selector, V2G_STATION, 1, 0));
        _dispute(0);
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AlreadyDisputed.selector, V2G_STATION, 1, 0));
        _dispute(0);
        vm.assertEq(escrow.lockedOf(BOB), 0);
    }

    function test_anAnswerAfterTheWindowIsTooLate() public {
        _dispute(0);
        vm.warp(ANSWER_UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AnswerTooLate.selector, ANSWER_UNTIL));
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
    }

    function test_aReversalWithinTheWindowIsTooEarly() public {
        _dispute(0);
        bytes memory why = abi.encodeWithSelector(IDisputeCourt.AnswerStillPossible.selector, ANSWER_UNTIL);
        vm.expectRevert(why);
        _reverse(0);
        vm.warp(ANSWER_UNTIL);
        vm.expectRevert(why);
        _reverse(0);
    }

    function test_whatIsNotDisputedIsNeitherJustifiedNorReversed() public {
        bytes memory why = abi.encodeWithSelector(IDisputeCourt.NotDisputed.selector, V2G_STATION, 1, 0);
        vm.expectRevert(why);
        _reverse(0);
        vm.expectRevert(why);
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        _dispute(0);
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.expectRevert(why);
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.warp(ANSWER_UNTIL + 1);
        vm.expectRevert(why);
        _reverse(0);
    }

    function testFuzz_anAnswerAndAReversalAreNeverPossibleAtTheSameTime(uint40 wait) public {
        wait = uint40(_between(wait, 0, 3 * ANSWER_WINDOW_S));
        _dispute(0);
        vm.warp(NOW + wait);
        bool inTime = wait <= ANSWER_WINDOW_S;
        uint256 before = vm.snapshotState();
        if (!inTime) vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AnswerTooLate.selector, ANSWER_UNTIL));
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.revertToState(before);
        if (inTime) vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AnswerStillPossible.selector, ANSWER_UNTIL));
        _reverse(0);
    }

    /* WHICH ROWS */

    function test_aRowThatNoDriverPaidIsNotDisputed() public {
        // Unbilled, of nothing, given back, charged at a price below zero, unbilled.
        for (uint256 row = 1; row <= 5; ++row) {
            vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NothingToReverse.selector, V2G_STATION, 1, row));
            _dispute(row);
            _assertUndisputed(row);
        }
        _dispute(6);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 6).setAside);
    }

    function test_aRowAtAPriceOfZeroIsNotDisputed() public {
        ITariffBook.Tariff[] memory free = new ITariffBook.Tariff[](1);
        free[0] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, 0);
        vm.prank(OPERATOR);
        tariffBook.publish(free);
        Statement memory s = _statement(V2G_STATION, 2, 1271, 75, _row(ALICE, 1, 0));
        s.tariffBase = TARIFFS;
        _settle(_batchOf(s));
        Statement[] memory all = new Statement[](1);
        all[0] = s;
        IDisputeCourt.Proof memory proof = _proofOf(4, _page, all, new uint24[](0), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NothingToReverse.selector, V2G_STATION, 2, 0));
        vm.prank(BOB_OWNER);
        court.dispute(proof);
    }

    /* WHAT AN AUTHORISATION MUST COVER */

    function test_anAuthorisationForSomethingElseDoesNotCoverTheRow() public {
        _dispute(0);
        IDisputeCourt.SessionAuthorisation memory a = _authorisation();
        a.account = BOB;
        _notCovered(a);
        a = _authorisation();
        a.station = CHARGE_STATION;
        _notCovered(a);
        a = _authorisation();
        a.notBefore = START + 61;
        _notCovered(a);
        a = _authorisation();
        a.expiry = START + 359;
        _notCovered(a);
        a = _authorisation();
        a.maxPriceMicroPerKwh = CHARGE_PRICE - 1;
        _notCovered(a);
        a.maxPriceMicroPerKwh = -1;
        _notCovered(a);
        // The least that covers it.
        a = _authorisation();
        (a.notBefore, a.expiry, a.maxPriceMicroPerKwh) = (START + 60, START + 360, CHARGE_PRICE);
        (a.maxEnergyWh, a.maxCostMicro, a.dischargeAllowed) = (1234, 370_202, false);
        _answer(a, ALICE_VEHICLE_KEY);
    }

    function test_anAuthorisationWithTooSmallALimitDoesNotJustify() public {
        _dispute(0);
        IDisputeCourt.SessionAuthorisation memory a = _authorisation();
        a.maxEnergyWh = 1233;
        vm.expectRevert(_limitPassed(a));
        _answer(a, ALICE_VEHICLE_KEY);
        a = _authorisation();
        a.maxCostMicro = 370_201;
        vm.expectRevert(_limitPassed(a));
        _answer(a, ALICE_VEHICLE_KEY);
    }

    function test_anotherKeysSignatureJustifiesNothing() public {
        _dispute(0);
        vm.expectRevert(_wrongKey(vm.addr(OTHER_KEY)));
        _answer(_authorisation(), OTHER_KEY);
        // Nor that of another account's vehicle.
        vm.prank(CAROL_OWNER);
        accounts.setDriverKey(CAROL, vm.addr(OTHER_KEY));
        vm.expectRevert(_wrongKey(vm.addr(OTHER_KEY)));
        _answer(_authorisation(), OTHER_KEY);
    }

    function test_anEmptySignatureJustifiesNothing() public {
        _dispute(0);
        vm.expectRevert(_wrongKey(address(0)));
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, _authorisation(), 0, 0);
        (bytes32 r,) = _sign(_authorisationDigest(_authorisation()), ALICE_VEHICLE_KEY);
        vm.expectRevert(_wrongKey(address(0)));
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, _authorisation(), r, bytes32(CURVE_ORDER / 2 + 1));
    }

    function test_aSignatureForAnotherChainOrRegistryJustifiesNothing() public {
        _dispute(0);
        bytes32 structHash = keccak256(bytes.concat(abi.encode(AUTHORISATION_TYPEHASH), abi.encode(_authorisation())));
        bytes32[2] memory domains = [_domain(CHAIN_ID, address(stations)), _domain(1, address(accounts))];
        for (uint256 i; i < 2; ++i) {
            (bytes32 r, bytes32 vs) = _sign(_digest(domains[i], structHash), ALICE_VEHICLE_KEY);
            vm.expectRevert();
            vm.prank(OPERATOR);
            court.justify(V2G_STATION, 1, 0, _authorisation(), r, vs);
        }
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Disputed);
    }

    function test_aVehicleKeyReplacedAfterTheRowBeganStillJustifiesIt() public {
        _dispute(0);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, vm.addr(OTHER_KEY));
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Justified);
    }

    function test_aVehicleKeyReplacedBeforeTheRowBeganJustifiesNothing() public {
        vm.warp(START + 59);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, vm.addr(OTHER_KEY));
        vm.warp(NOW);
        _dispute(0);
        vm.expectRevert(_wrongKey(ALICE_VEHICLE));
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
        _answer(_authorisation(), OTHER_KEY);
    }

    function testFuzz_aReplacedVehicleKeyJustifiesRowsThatBeganNoLater(uint40 replacedAt) public {
        replacedAt = uint40(_between(replacedAt, START - 500, START + 500));
        vm.warp(replacedAt);
        vm.prank(ALICE_OWNER);
        accounts.setDriverKey(ALICE, address(0));
        vm.warp(NOW);
        _dispute(0);
        if (START + 60 > replacedAt) vm.expectRevert(_wrongKey(ALICE_VEHICLE));
        _answer(_authorisation(), ALICE_VEHICLE_KEY);
    }

    function testFuzz_anyOtherFieldThanWasSignedIsAnotherAuthorisation(uint256 field, uint256 bit) public {
        _dispute(0);
        IDisputeCourt.SessionAuthorisation memory a = _authorisation();
        (a.maxEnergyWh, a.maxPriceMicroPerKwh, a.maxCostMicro) = (1 << 20, 1 << 20, 1 << 40);
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(a), ALICE_VEHICLE_KEY);
        field %= 9;
        if (field == 0) a.account ^= uint24(1 << bit % 24);
        if (field == 1) a.station ^= uint24(1 << bit % 24);
        if (field == 2) a.maxEnergyWh ^= uint40(1 << bit % 40);
        if (field == 3) a.maxPriceMicroPerKwh ^= int32(uint32(1 << bit % 32));
        if (field == 4) a.maxCostMicro ^= uint96(1 << bit % 96);
        if (field == 5) a.dischargeAllowed = false;
        if (field == 6) a.notBefore ^= uint40(1 << bit % 40);
        if (field == 7) a.expiry ^= uint40(1 << bit % 40);
        if (field == 8) a.nonce ^= uint64(1 << bit % 64);
        vm.expectRevert();
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, a, r, vs);
        (uint40 energyWh, uint96 costMicro) = court.usedOf(_authorisationDigest(a));
        vm.assertEq(uint256(energyWh) | costMicro, 0);
    }

    /* FORGED PROOFS */

    function test_aRightProofIsRight() public {
        _dispute(0);
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).batch, 2);
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).owedMicro, 370_202);
    }

    function test_thereIsNoBatchZero() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        proof.batch = 0;
        _notSettled(proof);
    }

    function test_aBatchThatIsNotWhereItIsSaidToBeIsRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        uint64[6] memory others = [1, 3, 4, 64, 66, type(uint64).max];
        for (uint256 i; i < 6; ++i) {
            proof.batch = others[i];
            _notSettled(proof);
        }
    }

    function test_aPageThatIsNotThePageIsRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        for (uint256 i; i < 3; ++i) {
            bytes32 right = proof.page[i];
            proof.page[i] = ~right;
            _notSettled(proof);
            proof.page[i] = right;
        }
        bytes32[] memory page = proof.page;
        proof.page = new bytes32[](2);
        (proof.page[0], proof.page[1]) = (page[0], page[1]);
        _notSettled(proof);
        proof.page = new bytes32[](4);
        (proof.page[0], proof.page[1], proof.page[2]) = (page[0], page[1], page[2]);
        _notSettled(proof);
        proof.page = new bytes32[](0);
        _notSettled(proof);
    }

    function test_anotherEvidenceIsRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        proof.evidence = ~proof.evidence;
        _notSettled(proof);
    }

    function test_otherStatementsAreRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        (proof.statements[0], proof.statements[1]) = (proof.statements[1], proof.statements[0]);
        proof.index = 0;
        _notSettled(proof);
        proof = _proof(0);
        bytes32 mine = proof.statements[1];
        proof.statements = new bytes32[](1);
        proof.statements[0] = mine;
        proof.index = 0;
        _notSettled(proof);
    }

    function test_otherPayersSetAsideAreRefused() public {
        IDisputeCourt.Proof memory proof = _proof(6);
        proof.setAside[0] = ALICE;
        _notSettled(proof);
        proof.setAside = new uint24[](0);
        _notSettled(proof);
        proof.setAside = new uint24[](2);
        (proof.setAside[0], proof.setAside[1]) = (CAROL, ALICE);
        _notSettled(proof);
    }

    function test_aStatementFromAnotherPlaceOfTheBatchIsRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        uint256[3] memory others = [uint256(0), 2, type(uint256).max];
        for (uint256 i; i < 3; ++i) {
            proof.index = others[i];
            _notInBatch(proof);
        }
    }

    function test_aRowThatDoesNotExistIsRefused() public {
        IDisputeCourt.Proof memory proof = _proof(7);
        _notInBatch(proof);
        proof.row = type(uint256).max;
        _notInBatch(proof);
        proof.row = type(uint256).max / 13 + 1;
        _notInBatch(proof);
    }

    function test_aStatementWithAnyOtherNumberIsRefused() public {
        for (uint256 field; field < 8; ++field) {
            IDisputeCourt.Proof memory proof = _proof(0);
            if (field == 0) proof.statement.station += 1;
            if (field == 1) proof.statement.sequence += 1;
            if (field == 2) proof.statement.startTime -= 1;
            if (field == 3) proof.statement.durationS += 1;
            if (field == 4) proof.statement.importWh += 1;
            if (field == 5) proof.statement.exportWh += 1;
            if (field == 6) proof.statement.tariffBase += 1;
            if (field == 7) proof.statement.telemetryRoot = ~proof.statement.telemetryRoot;
            _notInBatch(proof);
        }
    }

    /// @dev The fields have fewer bits where they are kept than where they are hashed: none may be cut off.
    function test_aNumberThatOnlyFitsOnceItIsCutOffIsRefused() public {
        for (uint256 field; field < 7; ++field) {
            IDisputeCourt.Proof memory proof = _proof(0);
            if (field == 0) proof.statement.station += 1 << 24;
            if (field == 1) proof.statement.sequence += 1 << 24;
            if (field == 2) proof.statement.startTime += 1 << 40;
            if (field == 3) proof.statement.durationS += 1 << 24;
            if (field == 4) proof.statement.importWh += 1 << 40;
            if (field == 5) proof.statement.exportWh += 1 << 40;
            if (field == 6) proof.statement.tariffBase += 1 << 24;
            _notInBatch(proof);
        }
    }

    function testFuzz_rowsWithAnyBitFlippedAreRefused(uint256 bit) public {
        IDisputeCourt.Proof memory proof = _proof(0);
        bit %= proof.rows.length * 8;
        proof.rows[bit / 8] ^= bytes1(uint8(1 << bit % 8));
        _notInBatch(proof);
    }

    function test_rowsWithSomethingBehindOrMissingAreRefused() public {
        IDisputeCourt.Proof memory proof = _proof(0);
        bytes memory rows = proof.rows;
        proof.rows = bytes.concat(rows, hex"00");
        _notInBatch(proof);
        proof.rows = bytes.concat(rows, _row(ALICE, 1, CHARGE));
        _notInBatch(proof);
        proof.rows = _row(ALICE, 1234, 60, 300, CHARGE);
        _notInBatch(proof);
    }

    /// @dev Whatever bit of the call is flipped: it is refused, or it is a dispute of another row that was
    ///      settled, or it makes no difference.
    function testFuzz_aFlippedBitOfAProofNeverMakesAClaimOfItsOwn(uint256 bit) public {
        bytes memory data = abi.encodeCall(IDisputeCourt.dispute, (_proof(0)));
        bit %= data.length * 8;
        data[bit / 8] ^= bytes1(uint8(1 << bit % 8));
        vm.prank(BOB_OWNER);
        (bool done,) = address(court).call(data);
        vm.assertEq(escrow.lockedOf(BOB), done ? BOND_MICRO : 0);
        IDisputeCourt.Claim memory claim = court.claimOf(V2G_STATION, 1, 0);
        if (claim.status == IDisputeCourt.Status.None) {
            vm.assertEq(done, court.claimOf(V2G_STATION, 1, 6).status != IDisputeCourt.Status.None);
            return;
        }
        vm.assertTrue(done);
        vm.assertEq(
            abi.encode(claim.payer, claim.payee, claim.station), abi.encode(ALICE, OPERATOR_ACCOUNT, V2G_STATION)
        );
        vm.assertEq(
            abi.encode(claim.owedMicro, claim.receivedMicro, claim.energyWh), abi.encode(370_202, 370_201, 1234)
        );
        vm.assertEq(abi.encode(claim.start, claim.end, claim.batch), abi.encode(START + 60, START + 360, 2));
        vm.assertFalse(claim.setAside || claim.discharge);
    }

    /* WHAT THE TESTS SHARE */

    function _aside() private pure returns (uint24[] memory setAside) {
        setAside = new uint24[](1);
        setAside[0] = CAROL;
    }

    /// @dev Proves a row of the V2G station's statement, the second of the second batch.
    function _proof(uint256 row) private view returns (IDisputeCourt.Proof memory proof) {
        bytes32[] memory before = new bytes32[](1);
        before[0] = _page[0];
        proof = _proofOf(2, before, _all, _aside(), 1, row);
        proof.page = _page;
    }

    function _dispute(uint256 row) private {
        IDisputeCourt.Proof memory proof = _proof(row);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
    }

    function _reverse(uint256 row) private {
        vm.prank(BOB_OWNER);
        court.reverse(V2G_STATION, 1, row, 0);
    }

    function _answer(IDisputeCourt.SessionAuthorisation memory authorisation, uint256 key) private {
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(authorisation), key);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, authorisation, r, vs);
    }

    function _notCovered(IDisputeCourt.SessionAuthorisation memory a) private {
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NotCovered.selector, _authorisationDigest(a)));
        _answer(a, ALICE_VEHICLE_KEY);
    }

    function _limitPassed(IDisputeCourt.SessionAuthorisation memory a) private view returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, _authorisationDigest(a), 1234, 370_202);
    }

    function _wrongKey(address recovered) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeCourt.WrongDriverKey.selector, ALICE, recovered);
    }

    function _notSettled(IDisputeCourt.Proof memory proof) private {
        bytes32 statements = keccak256(abi.encodePacked(proof.statements));
        bytes32 digest = _batchDigest(proof.evidence, statements, proof.setAside);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NotSettled.selector, proof.batch, digest));
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        _assertUndisputed(proof.row);
    }

    function _notInBatch(IDisputeCourt.Proof memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NotInBatch.selector, proof.index, proof.row));
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        _assertUndisputed(0);
    }

    function _assertUndisputed(uint256 row) private view {
        vm.assertTrue(court.claimOf(V2G_STATION, 1, row).status == IDisputeCourt.Status.None);
        vm.assertEq(escrow.lockedOf(BOB), 0);
    }
}
