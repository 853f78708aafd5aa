// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {Base} from "./Base.sol";

/// @title The life of a disputed row: it is justified by a driver's authorisation, or reversed.
contract DisputeCourtTest is Base {
    uint40 private constant ANSWER_UNTIL = NOW + ANSWER_WINDOW_S;
    /// @dev 1234 Wh at the charging price, micro-euro.
    uint96 private constant OWED = 370_202;
    uint96 private constant RECEIVED = 370_201;

    function test_itTellsItsBondAndWindows() public view {
        vm.assertEq(court.bondMicro(), BOND_MICRO);
        vm.assertEq(court.disputeWindowS(), DISPUTE_WINDOW_S);
        vm.assertEq(court.answerWindowS(), ANSWER_WINDOW_S);
    }

    function test_eachPartMustBeAContract() public {
        for (uint256 i; i < 4; ++i) {
            address[4] memory parts = [address(accounts), address(tariffBook), address(escrow), address(settlement)];
            parts[i] = STRANGER;
            bytes memory arguments =
                bytes.concat(abi.encode(parts), abi.encode(BOND_MICRO, DISPUTE_WINDOW_S, ANSWER_WINDOW_S));
            vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NotAContract.selector, STRANGER));
            _deploy("DisputeCourt", arguments);
        }
    }

    function testFuzz_noWindowIsLongerThanAYearAndAnAnswerNeedsTime(uint40 disputeS, uint40 answerS) public {
        (disputeS, answerS) = (uint40(_between(disputeS, 0, 732 days)), uint40(_between(answerS, 0, 732 days)));
        if (answerS % 8 == 0) answerS = 0;
        bool refused = disputeS > 366 days || answerS > 366 days || answerS == 0;
        if (refused) {
            vm.expectRevert(
                abi.encodeWithSelector(IDisputeCourt.WindowOutOfRange.selector, disputeS, answerS, 366 days)
            );
        }
        address found = _deploy(
            "DisputeCourt", abi.encode(accounts, tariffBook, escrow, settlement, BOND_MICRO, disputeS, answerS)
        );
        if (refused) return;
        vm.assertEq(IDisputeCourt(found).disputeWindowS(), disputeS);
        vm.assertEq(IDisputeCourt(found).answerWindowS(), answerS);
    }

    /* DISPUTING */

    function test_aMemberDisputesARowWithABond() public {
        Statement memory s = _settled(_aliceCharges(1234));
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowDisputed(V2G_STATION, 1, ALICE, 0, BOB, ANSWER_UNTIL, BOND_MICRO);
        vm.expectEmit(address(escrow));
        emit IEscrow.Locked(BOB, address(court), BOND_MICRO);
        _dispute(s, 0);
        IDisputeCourt.Claim memory claim = court.claimOf(V2G_STATION, 1, 0);
        IDisputeCourt.Claim memory expected = IDisputeCourt.Claim({
            status: IDisputeCourt.Status.Disputed,
            disputer: BOB,
            payer: ALICE,
            payee: OPERATOR_ACCOUNT,
            station: V2G_STATION,
            answerUntil: ANSWER_UNTIL,
            discharge: false,
            setAside: false,
            priceMicroPerKwh: CHARGE_PRICE,
            energyWh: 1234,
            start: START,
            end: START + INTERVAL_S,
            owedMicro: uint64(OWED),
            receivedMicro: uint64(RECEIVED),
            batch: 1
        });
        vm.assertEq(abi.encode(claim), abi.encode(expected));
        _assertFree(BOB, RICH - BOND_MICRO);
        vm.assertEq(escrow.lockedOf(BOB), BOND_MICRO);
        _assertFree(ALICE, RICH - OWED);
        _assertFree(OPERATOR_ACCOUNT, RICH + RECEIVED);
    }

    function test_theDriverDisputesItsOwnRow() public {
        Statement memory s = _settled(_aliceCharges(1234));
        vm.prank(ALICE_OWNER);
        court.dispute(_proofOf(s, 0));
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).disputer, ALICE);
        vm.assertEq(escrow.lockedOf(ALICE), BOND_MICRO);
    }

    function test_aRowIsFoundByItsPlace() public {
        bytes memory rows = bytes.concat(
            _row(BOB, 7, CHARGE),
            _row(HOUSE, 5, UNBILLED_IMPORT),
            _row(ALICE, 1234, 60, 300, CHARGE),
            _row(BOB, 9, CHARGE)
        );
        Statement memory s = _settled(_first(1255, 0, rows));
        _dispute(s, 2);
        IDisputeCourt.Claim memory claim = court.claimOf(V2G_STATION, 1, 2);
        vm.assertEq(claim.payer, ALICE);
        vm.assertEq(claim.start, START + 60);
        vm.assertEq(claim.end, START + 360);
        vm.assertEq(claim.owedMicro, OWED);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.None);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 3).status == IDisputeCourt.Status.None);
    }

    function test_aRowOfAnyStatementOfAnyBatchIsDisputed() public {
        bytes32[] memory before = _anchor(65);
        Statement[] memory all = new Statement[](2);
        all[0] = _statement(CHARGE_STATION, 1, 9, 0, _row(BOB, 9, CHARGE));
        all[1] = _aliceCharges(1234);
        vm.assertEq(_settle(_batch(_signed(all[0]), _signed(all[1]))), 66);
        bytes32[] memory onPage = new bytes32[](1);
        onPage[0] = before[64];
        IDisputeCourt.Proof memory proof = _proofOf(66, onPage, all, new uint24[](0), 1, 0);
        bytes32 mine = proof.page[1];
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).batch, 66);
        // Batches that follow change nothing about what was settled, but what the page is.
        proof = _proofOf(66, onPage, all, new uint24[](0), 0, 0);
        bytes32[] memory later = _anchor(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.NotSettled.selector, 66, mine));
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        proof.page = new bytes32[](3);
        (proof.page[0], proof.page[1], proof.page[2]) = (onPage[0], mine, later[0]);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        vm.assertEq(court.claimOf(CHARGE_STATION, 1, 0).payer, BOB);
    }

    /* JUSTIFIED */

    function test_anAuthorisationThatCoversTheRowJustifiesIt() public {
        Statement memory s = _settled(_aliceCharges(1234));
        _dispute(s, 0);
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.maxEnergyWh = 1234;
        authorisation.maxCostMicro = OWED;
        authorisation.maxPriceMicroPerKwh = CHARGE_PRICE;
        authorisation.dischargeAllowed = false;
        bytes32 digest = _authorisationDigest(authorisation);
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowJustified(V2G_STATION, 1, digest, 0);
        vm.expectEmit(address(escrow));
        emit IEscrow.Released(BOB, address(court), OPERATOR_ACCOUNT, BOND_MICRO);
        _justify(0, authorisation);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Justified);
        (uint40 energyWh, uint96 costMicro) = court.usedOf(digest);
        vm.assertEq(energyWh, 1234);
        vm.assertEq(costMicro, OWED);
        _assertFree(BOB, RICH - BOND_MICRO);
        _assertFree(OPERATOR_ACCOUNT, RICH + RECEIVED + BOND_MICRO);
        _assertFree(ALICE, RICH - OWED);
        vm.assertEq(escrow.lockedOf(BOB), 0);
    }

    function test_anyMemberShowsTheAuthorisation() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(_authorisation()), ALICE_VEHICLE_KEY);
        vm.prank(CAROL_OWNER);
        court.justify(V2G_STATION, 1, 0, _authorisation(), r, vs);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Justified);
    }

    function test_anAnswerIsInTimeUpToItsLastSecond() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        vm.warp(ANSWER_UNTIL);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AnswerStillPossible.selector, ANSWER_UNTIL));
        _reverse(0, 0);
        _justify(0, _authorisation());
    }

    function test_oneAuthorisationCoversNoMoreThanItAllowsInAllAnswersTogether() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(ALICE, 500, CHARGE), _row(ALICE, 1, CHARGE));
        Statement memory s = _settled(_first(1501, 0, rows));
        for (uint256 row; row < 3; ++row) {
            _dispute(s, row);
        }
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.maxEnergyWh = 1500;
        bytes32 digest = _authorisationDigest(authorisation);
        _justify(0, authorisation);
        _justify(1, authorisation);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, 1501, 300_001 + 150_001 + 301)
        );
        _justify(2, authorisation);
        (uint40 energyWh, uint96 costMicro) = court.usedOf(digest);
        vm.assertEq(energyWh, 1500);
        vm.assertEq(costMicro, 450_002);
        // Another authorisation has limits of its own.
        authorisation.nonce = 2;
        _justify(2, authorisation);
    }

    function test_theLimitOfTheCostCountsOverSeveralRowsToo() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(ALICE, 500, CHARGE));
        Statement memory s = _settled(_first(1500, 0, rows));
        _dispute(s, 0);
        _dispute(s, 1);
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.maxCostMicro = 450_001;
        _justify(1, authorisation);
        bytes32 digest = _authorisationDigest(authorisation);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, 1500, 450_002));
        _justify(0, authorisation);
    }

    function testFuzz_anAuthorisationAnswersForRowsUpToItsLimits(uint256 seed, uint40 maxWh, uint96 maxMicro) public {
        bytes memory rows;
        uint32[6] memory energies;
        uint40 total;
        for (uint256 i; i < 6; ++i) {
            energies[i] = uint32(_between(uint256(keccak256(abi.encode(seed, i))), 1, 3000));
            total += energies[i];
            rows = bytes.concat(rows, _row(ALICE, energies[i], CHARGE));
        }
        Statement memory s = _settled(_first(total, 0, rows));
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.maxEnergyWh = uint40(_between(maxWh, 0, total + 100));
        authorisation.maxCostMicro = uint96(_between(maxMicro, 0, total * 310));
        bytes32 digest = _authorisationDigest(authorisation);
        uint256 usedWh;
        uint256 usedMicro;
        for (uint256 i; i < 6; ++i) {
            _dispute(s, i);
            uint256 owed = (uint256(energies[i]) * 300_001 + 999) / 1000;
            (uint256 wouldWh, uint256 wouldMicro) = (usedWh + energies[i], usedMicro + owed);
            bool covered = wouldWh <= authorisation.maxEnergyWh && wouldMicro <= authorisation.maxCostMicro;
            if (covered) {
                (usedWh, usedMicro) = (wouldWh, wouldMicro);
            } else {
                vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, wouldWh, wouldMicro));
            }
            _justify(i, authorisation);
            (uint40 foundWh, uint96 foundMicro) = court.usedOf(digest);
            vm.assertEq(foundWh, usedWh);
            vm.assertEq(foundMicro, usedMicro);
        }
    }

    /* ENERGY GIVEN BACK FOR WHICH THE DRIVER PAYS */

    function test_aDriverThatPaysForGivingBackIsProtectedToo() public {
        Statement memory s = _settled(_first(0, 1234, _row(ALICE, 1234, NEGATIVE_DISCHARGE)));
        _assertFree(ALICE, RICH - 24_684);
        _dispute(s, 0);
        IDisputeCourt.Claim memory claim = court.claimOf(V2G_STATION, 1, 0);
        vm.assertTrue(claim.discharge);
        vm.assertEq(int256(claim.priceMicroPerKwh) == 20_003, true);
        vm.assertEq(claim.owedMicro, 24_684);
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.dischargeAllowed = false;
        bytes memory notCovered =
            abi.encodeWithSelector(IDisputeCourt.NotCovered.selector, _authorisationDigest(authorisation));
        vm.expectRevert(notCovered);
        _justify(0, authorisation);
        // What is given back counts against the cost alone.
        authorisation.dischargeAllowed = true;
        authorisation.maxEnergyWh = 0;
        authorisation.maxCostMicro = 24_683;
        bytes32 digest = _authorisationDigest(authorisation);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, 0, 24_684));
        _justify(0, authorisation);
        authorisation.maxCostMicro = 24_684;
        _justify(0, authorisation);
        (uint40 energyWh, uint96 costMicro) = court.usedOf(_authorisationDigest(authorisation));
        vm.assertEq(energyWh, 0);
        vm.assertEq(costMicro, 24_684);
    }

    function test_aDriverThatPaidForGivingBackHasItBack() public {
        _dispute(_settled(_first(0, 1234, _row(ALICE, 1234, NEGATIVE_DISCHARGE))), 0);
        _afterTheWindow();
        _reverse(0, 0);
        _assertFree(ALICE, RICH);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _assertFree(DUST, 0);
    }

    /* REVERSED */

    function test_aRowThatNobodyJustifiesIsReversedOnceAndForGood() public {
        Statement memory s = _settled(_aliceCharges(1234));
        _dispute(s, 0);
        _afterTheWindow();
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowReversed(V2G_STATION, 1, ALICE, 0, OWED, false);
        vm.expectEmit(address(escrow));
        emit IEscrow.Released(BOB, address(court), BOB, BOND_MICRO);
        _reverse(0, 0);
        for (uint24 account = OPERATOR_ACCOUNT; account <= BOB; ++account) {
            _assertFree(account, RICH);
        }
        _assertFree(DUST, 0);
        vm.assertEq(escrow.lockedOf(BOB), 0);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).status == IDisputeCourt.Status.Reversed);
        vm.expectRevert(_notDisputed(0));
        _reverse(0, 0);
        vm.expectRevert(_notDisputed(0));
        _justify(0, _authorisation());
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AlreadyDisputed.selector, V2G_STATION, 1, 0));
        _dispute(s, 0);
    }

    function test_anybodyWhoIsAMemberReverses() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        _afterTheWindow();
        vm.prank(CAROL_OWNER);
        court.reverse(V2G_STATION, 1, 0, 0);
        _assertFree(ALICE, RICH);
        _assertFree(BOB, RICH);
    }

    function test_aRowOfTheOperatorItselfIsReversed() public {
        _dispute(_settled(_first(1234, 0, _row(OPERATOR_ACCOUNT, 1234, CHARGE))), 0);
        _assertFree(OPERATOR_ACCOUNT, RICH - 1);
        _afterTheWindow();
        _reverse(0, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _assertFree(DUST, 0);
    }

    function test_theDisputeOfOneRowLeavesTheOthersAlone() public {
        bytes memory rows = bytes.concat(_row(ALICE, 1000, CHARGE), _row(ALICE, 2000, CHARGE));
        Statement memory s = _settled(_first(3000, 0, rows));
        _dispute(s, 0);
        _dispute(s, 1);
        _justify(1, _authorisation());
        _afterTheWindow();
        _reverse(0, 0);
        vm.expectRevert(_notDisputed(1));
        _reverse(1, 0);
        _assertFree(ALICE, RICH - 600_002);
    }

    function testFuzz_aReversalGivesBackExactlyWhatTheRowCost(uint32 energyWh, bool discharge) public {
        energyWh = uint32(_between(energyWh, 1, 300_000));
        bytes memory rows = bytes.concat(
            _row(BOB, 77, CHARGE),
            _row(ALICE, energyWh, discharge ? NEGATIVE_DISCHARGE : CHARGE),
            _row(BOB, 3, DISCHARGE)
        );
        Statement memory s = _first(discharge ? 77 : 77 + energyWh, discharge ? 3 + energyWh : 3, rows);
        _settled(s);
        uint256 total = _totalHeld();
        _dispute(s, 1);
        _afterTheWindow();
        _reverse(1, 0);
        _assertFree(ALICE, RICH);
        // What is left is Bob's 77 Wh and 3 Wh back.
        _assertFree(BOB, RICH - 23_101 + 600);
        _assertFree(OPERATOR_ACCOUNT, RICH + 23_100 - 601);
        _assertFree(DUST, 2);
        vm.assertEq(_totalHeld(), total);
    }

    /* AN OPERATOR THAT CANNOT PAY */

    function test_anOperatorThatCannotPayOwesTheDriver() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        _request(OPERATOR, OPERATOR_ACCOUNT, RICH + 1);
        _afterTheWindow();
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtRecorded(OPERATOR_ACCOUNT, 0, ALICE, 0, OWED, OWED);
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowReversed(V2G_STATION, 1, ALICE, 0, OWED, true);
        _reverse(0, 0);
        _assertFree(ALICE, RICH - OWED);
        _assertFree(OPERATOR_ACCOUNT, RECEIVED - 1);
        _assertFree(BOB, RICH);
        _fund(OPERATOR, OPERATOR_ACCOUNT, 2);
        _assertFree(ALICE, RICH);
        _assertFree(OPERATOR_ACCOUNT, 0);
    }

    function test_anOperatorWithADailyCapOwesWhatIsAboveIt() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        vm.prank(OPERATOR);
        escrow.setDailyCap(OPERATOR_ACCOUNT, uint64(RECEIVED - 1));
        _afterTheWindow();
        _reverse(0, 0);
        _assertFree(ALICE, RICH - OWED);
        (uint96 owedMicro,,) = escrow.debtsOf(OPERATOR_ACCOUNT);
        vm.assertEq(owedMicro, OWED);
    }

    /* ROWS THAT WERE SET ASIDE */

    function test_aRowThatWasSetAsideIsTakenOffTheDebt() public {
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        _disputeAside(s, setAside, 0);
        vm.assertTrue(court.claimOf(V2G_STATION, 1, 0).setAside);
        vm.assertEq(court.claimOf(V2G_STATION, 1, 0).payer, CAROL);
        _disputeAside(s, setAside, 1);
        _afterTheWindow();
        vm.expectEmit(address(escrow));
        emit IEscrow.DebtReduced(CAROL, 0, 301, 300);
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowReversed(V2G_STATION, 1, CAROL, 0, 301, true);
        _reverse(0, 0);
        _assertDebt(601, 600);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _reverse(1, 0);
        _assertDebt(0, 0);
        vm.assertTrue(escrow.isClear(CAROL));
        _assertFree(BOB, RICH);
    }

    function test_aRowWhoseDebtWasCollectedIsPaidBack() public {
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        _disputeAside(s, setAside, 0);
        _fund(CAROL_OWNER, CAROL, 902);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH + 900);
        _afterTheWindow();
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowReversed(V2G_STATION, 1, CAROL, 0, 301, false);
        _reverse(0, 0);
        _assertFree(CAROL, 301);
        _assertFree(OPERATOR_ACCOUNT, RICH + 600);
        _assertFree(DUST, 1);
    }

    function test_aRowThatWasReversedInPartIsCollectedForTheRest() public {
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        _disputeAside(s, setAside, 0);
        _disputeAside(s, setAside, 1);
        _afterTheWindow();
        _reverse(0, 0);
        _fund(CAROL_OWNER, CAROL, 601);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH + 600);
        _reverse(1, 0);
        _assertFree(CAROL, 601);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _assertFree(DUST, 0);
    }

    function test_aRowWhoseDebtWasWrittenOffMovesNothing() public {
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        _disputeAside(s, setAside, 0);
        _fund(DUST_OWNER, DUST, 10);
        vm.prank(GOVERNOR);
        escrow.writeOff(CAROL, 0);
        _afterTheWindow();
        vm.expectEmit(address(court));
        emit IDisputeCourt.RowReversed(V2G_STATION, 1, CAROL, 0, 301, true);
        _reverse(0, 0);
        _assertFree(CAROL, 0);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _assertFree(BOB, RICH);
        (uint96 owedMicro,,) = escrow.debtsOf(OPERATOR_ACCOUNT);
        vm.assertEq(owedMicro, 0);
    }

    function test_aDebtThatIsNotTheRowsIsRefused() public {
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        // Debt 1 is of another batch; debt 2 of another operator; debt 3 does not exist.
        _settle(_batchOf(_statement(V2G_STATION, 2, 4, 0, _row(CAROL, 1, CHARGE))));
        Statement memory rivals = _statement(RIVAL_STATION, 1, 5, 0, _row(CAROL, 5, CHARGE));
        rivals.tariffBase = RIVAL_CHARGE;
        _settle(_batchOf(rivals));
        IDisputeCourt.Proof memory proof = _proofOf(s, 0, setAside);
        proof.page = _pageOfThree(proof.page[0], rivals);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        _afterTheWindow();
        for (uint32 number = 1; number < 4; ++number) {
            vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.WrongDebt.selector, CAROL, number));
            _reverse(0, number);
        }
        _reverse(0, 0);
        _assertDebt(601, 600);
    }

    function test_aDebtOfTheSameBatchWithAnotherOperatorIsRefused() public {
        Statement[] memory all = new Statement[](2);
        all[0] = _first(1, 0, _row(CAROL, 1, CHARGE));
        all[1] = _statement(RIVAL_STATION, 1, 5, 0, _row(CAROL, 5, CHARGE));
        all[1].tariffBase = RIVAL_CHARGE;
        _settle(_batch(_signed(all[0]), _signed(all[1])));
        vm.prank(BOB_OWNER);
        court.dispute(_proofOf(1, new bytes32[](0), all, _one(CAROL), 0, 0));
        _afterTheWindow();
        uint32 rivals = escrow.debtOf(CAROL, 0).creditor == RIVAL_ACCOUNT ? 0 : 1;
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.WrongDebt.selector, CAROL, rivals));
        _reverse(0, rivals);
        _reverse(0, 1 - rivals);
        (uint96 owedMicro,,) = escrow.debtsOf(CAROL);
        vm.assertEq(owedMicro, 2001);
    }

    function test_aRowThatWasSetAsideIsJustifiedToo() public {
        vm.prank(CAROL_OWNER);
        accounts.setDriverKey(CAROL, vm.addr(0xCA401));
        (Statement memory s, uint24[] memory setAside) = _carolOwesForTwoRows();
        _disputeAside(s, setAside, 1);
        IDisputeCourt.SessionAuthorisation memory authorisation = _authorisation();
        authorisation.account = CAROL;
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(authorisation), 0xCA401);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 1, authorisation, r, vs);
        _assertDebt(902, 900);
        _assertFree(OPERATOR_ACCOUNT, RICH + BOND_MICRO);
    }

    /* WHEN THE COURT IS REMOVED */

    function test_theBondOfARemovedCourtIsReclaimed() public {
        _dispute(_settled(_aliceCharges(1234)), 0);
        vm.prank(GOVERNOR);
        escrowGate.removeModule(address(court));
        _afterTheWindow();
        vm.expectRevert(_notAModule(address(court)));
        _reverse(0, 0);
        vm.prank(BOB_OWNER);
        escrow.reclaim(BOB, address(court));
        _assertFree(BOB, RICH);
    }

    /* WHAT THE TESTS SHARE */

    function _settled(Statement memory s) private returns (Statement memory) {
        _settle(_batchOf(s));
        return s;
    }

    /// @dev Bob disputes.
    function _dispute(Statement memory s, uint256 row) private {
        vm.prank(BOB_OWNER);
        court.dispute(_proofOf(s, row));
    }

    function _disputeAside(Statement memory s, uint24[] memory setAside, uint256 row) private {
        vm.prank(BOB_OWNER);
        court.dispute(_proofOf(s, row, setAside));
    }

    function _justify(uint256 row, IDisputeCourt.SessionAuthorisation memory authorisation) private {
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(authorisation), ALICE_VEHICLE_KEY);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, row, authorisation, r, vs);
    }

    function _reverse(uint256 row, uint32 debt) private {
        vm.prank(BOB_OWNER);
        court.reverse(V2G_STATION, 1, row, debt);
    }

    function _afterTheWindow() private {
        vm.warp(ANSWER_UNTIL + 1);
    }

    /// @dev 1 Wh and 2 Wh that Carol cannot pay: a debt of 301 + 601, of which the operator receives 300 + 600.
    function _carolOwesForTwoRows() private returns (Statement memory s, uint24[] memory setAside) {
        s = _settled(_first(3, 0, bytes.concat(_row(CAROL, 1, CHARGE), _row(CAROL, 2, CHARGE))));
        setAside = _one(CAROL);
        _assertDebt(902, 900);
    }

    function _one(uint24 account) private pure returns (uint24[] memory list) {
        list = new uint24[](1);
        list[0] = account;
    }

    function _pageOfThree(bytes32 first, Statement memory third) private pure returns (bytes32[] memory page) {
        Statement memory second = _statement(V2G_STATION, 2, 4, 0, _row(CAROL, 1, CHARGE));
        page = new bytes32[](3);
        page[0] = first;
        page[1] = _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(second))), _one(CAROL));
        page[2] = _batchDigest(EVIDENCE, keccak256(abi.encode(_structHash(third))), _one(CAROL));
    }

    function _assertDebt(uint96 owedMicro, uint96 shareMicro) private view {
        IEscrow.Debt memory debt = escrow.debtOf(CAROL, 0);
        vm.assertEq(debt.owedMicro, owedMicro);
        vm.assertEq(debt.shareMicro, shareMicro);
    }

    function _notDisputed(uint256 row) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeCourt.NotDisputed.selector, V2G_STATION, 1, row);
    }
}
