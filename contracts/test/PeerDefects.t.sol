// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {Roles} from "../Roles.sol";
import {Base} from "./Base.sol";

/// @title Defects that were found in published charging and trading contracts, tried on ours.
/// @notice Each test carries the name of the system that has the defect.
contract PeerDefectsTest is Base {
    uint32 private constant ENERGY_WH = 10_000;
    /// @dev 10 kWh at the full price, micro-euro; nothing is left to round.
    uint96 private constant PRICE = 3_000_010;

    /* LASLA: ANY STRANGER SETTLES A SECOND TIME AND DOUBLES THE PAY */

    function test_lasla_aStrangerCannotSettle() public {
        bytes memory batch = _batchOf(_aliceCharges(ENERGY_WH));
        vm.expectRevert(_missingRole(STRANGER, Roles.SETTLER));
        vm.prank(STRANGER);
        settlement.settle(batch);
        _assertFree(ALICE, RICH);
    }

    function test_lasla_nobodySettlesASecondTime() public {
        vm.prank(GOVERNOR);
        accounts.grantRole(RIVAL_ACCOUNT, Roles.SETTLER);
        bytes memory batch = _batchOf(_aliceCharges(ENERGY_WH));
        _settle(batch);
        _assertFree(ALICE, RICH - PRICE);
        bytes memory why = abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 2, 1);
        _settleRefused(batch, why);
        vm.expectRevert(why);
        vm.prank(RIVAL);
        settlement.settle(batch);
        _assertFree(ALICE, RICH - PRICE);
        _assertFree(OPERATOR_ACCOUNT, RICH + PRICE);
    }

    function test_lasla_oneStatementDoesNotPayTwiceInOneBatch() public {
        bytes memory signed = _signed(_aliceCharges(ENERGY_WH));
        _settleRefused(
            _batch(signed, signed),
            abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 2, 1)
        );
        _assertFree(ALICE, RICH);
    }

    /* SHARE&CHARGE: A FINAL PRICE ABOVE THE ESTIMATE REVERTS FOR EVER AND THE ESCROW IS STUCK */

    function test_shareAndCharge_aDriverThatHoldsTooLittleStopsNobody() public {
        _fund(CAROL_OWNER, CAROL, 1_000_000);
        bytes memory rows = bytes.concat(_row(CAROL, ENERGY_WH, CHARGE), _row(ALICE, ENERGY_WH, CHARGE));
        _settle(_batchOf(_first(2 * ENERGY_WH, 0, rows)));
        _assertFree(ALICE, RICH - PRICE);
        _assertFree(CAROL, 1_000_000);
        _assertOwed(CAROL, PRICE);
        // The next session at the station settles as if nothing had been.
        _settle(_batchOf(_statement(V2G_STATION, 2, 3 * ENERGY_WH, 0, _row(ALICE, ENERGY_WH, CHARGE))));
        _assertFree(ALICE, RICH - 2 * PRICE);
    }

    function test_shareAndCharge_whatADriverOwesIsPaidOutOfItsNextDeposit() public {
        test_shareAndCharge_aDriverThatHoldsTooLittleStopsNobody();
        _fund(CAROL_OWNER, CAROL, 5_000_000);
        _assertOwed(CAROL, 0);
        _assertFree(CAROL, 6_000_000 - PRICE);
        vm.startPrank(CAROL_OWNER);
        escrow.requestWithdrawal(CAROL, 6_000_000 - PRICE);
        vm.warp(block.timestamp + WITHDRAWAL_DELAY);
        escrow.withdraw(CAROL);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(CAROL_OWNER), 6_000_000 - PRICE);
        _assertFree(CAROL, 0);
    }

    function test_shareAndCharge_aPriceAboveWhatWasAuthorisedGoesBackToTheDriver() public {
        IDisputeCourt.SessionAuthorisation memory estimate = _onceAllowed();
        estimate.maxCostMicro = PRICE - 1;
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _disputeFirst(_aliceCharges(ENERGY_WH));
        bytes32 digest = _authorisationDigest(estimate);
        (bytes32 r, bytes32 vs) = _sign(digest, ALICE_VEHICLE_KEY);
        _justifyRefused(
            estimate, r, vs, abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, ENERGY_WH, PRICE)
        );
        vm.warp(block.timestamp + ANSWER_WINDOW_S + 1);
        vm.prank(BOB_OWNER);
        court.reverse(V2G_STATION, 1, 0, 0);
        _assertFree(ALICE, RICH);
        _assertFree(OPERATOR_ACCOUNT, RICH);
        _assertFree(BOB, RICH);
        vm.assertEq(escrow.lockedOf(BOB), 0);
    }

    /* SHARE&CHARGE: A THIRD PARTY OVERWRITES A RUNNING SESSION */

    function test_shareAndCharge_aThirdPartyWritesNoStatementOfAStation() public {
        Statement memory forged = _aliceCharges(2 * ENERGY_WH);
        _settleRefused(
            _batch(_signedBy(_keyOf(RIVAL_STATION), forged)),
            abi.encodeWithSelector(
                IStationRegistry.WrongSigner.selector, V2G_STATION, _signerOf(V2G_STATION), _signerOf(RIVAL_STATION)
            )
        );
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _assertFree(ALICE, RICH - PRICE);
    }

    function test_shareAndCharge_aSettledStatementIsNeverReplaced() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        // The station itself signs another version of what it settled.
        _settleRefused(
            _batchOf(_aliceCharges(2 * ENERGY_WH)),
            abi.encodeWithSelector(IStationRegistry.SequenceMismatch.selector, V2G_STATION, 2, 1)
        );
        _assertFree(ALICE, RICH - PRICE);
    }

    function test_shareAndCharge_aRunningDisputeIsNeverReplaced() public {
        Statement memory charged = _aliceCharges(ENERGY_WH);
        _settle(_batchOf(charged));
        _disputeFirst(charged);
        IDisputeCourt.Proof memory proof = _proofOf(charged, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.AlreadyDisputed.selector, V2G_STATION, 1, 0));
        vm.prank(RIVAL);
        court.dispute(proof);
        vm.assertEq(uint256(court.claimOf(V2G_STATION, 1, 0).disputer), BOB);
    }

    /* SHARE&CHARGE: THE SESSION'S ID IS OUTSIDE OF THE SIGNED HASH, SO THAT ONE SIGNATURE PAYS TWICE */

    function test_shareAndCharge_oneSignatureStandsForOneStatementAlone() public {
        Statement memory signed = _aliceCharges(ENERGY_WH);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(signed)), _keyOf(V2G_STATION));
        _settle(_batch(_packed(signed, r, vs)));
        for (uint256 field; field < 9; ++field) {
            Statement memory other = _statement(V2G_STATION, 2, 2 * ENERGY_WH, 0, _row(ALICE, ENERGY_WH, CHARGE));
            // Everything but the sequence and the closing register is what was signed, then one thing more differs.
            if (field == 1) other.startTime -= 1;
            if (field == 2) other.durationS += 1;
            if (field == 3) other.rows = _row(BOB, ENERGY_WH, CHARGE);
            if (field == 4) other.rows = _row(ALICE, ENERGY_WH, NEGATIVE_CHARGE);
            if (field == 5) other.telemetryRoot = bytes32(0);
            if (field == 6) (other.tariffBase, other.rows) = (1, _row(ALICE, ENERGY_WH, 1));
            if (field == 7) (other.station, other.sequence, other.importWh) = (CHARGE_STATION, 1, ENERGY_WH);
            if (field == 8) (other.exportWh, other.rows) = (ENERGY_WH, _bothWays());
            _settleRefused(_batch(_packed(other, r, vs)), _notTheSigner(other.station, _recovered(other, r, vs)));
        }
        _assertFree(ALICE, RICH - PRICE);
    }

    function test_shareAndCharge_oneAuthorisationStandsForItsOwnNonceAlone() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _disputeFirst(_aliceCharges(ENERGY_WH));
        IDisputeCourt.SessionAuthorisation memory signed = _onceAllowed();
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(signed), ALICE_VEHICLE_KEY);
        signed.nonce += 1;
        _justifyRefused(signed, r, vs, _notTheDriver(signed, r, vs));
    }

    function test_shareAndCharge_oneAuthorisationDoesNotAnswerTwiceForWhatItAllowsOnce() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _disputeFirst(_aliceCharges(ENERGY_WH));
        IDisputeCourt.SessionAuthorisation memory allowed = _onceAllowed();
        _justify(1, allowed);
        Statement memory second = _statement(V2G_STATION, 2, 2 * ENERGY_WH, 0, _row(ALICE, ENERGY_WH, CHARGE));
        _settle(_batchOf(second));
        Statement[] memory all = new Statement[](1);
        all[0] = second;
        bytes32[] memory before = _proofOf(_aliceCharges(ENERGY_WH), 0).page;
        IDisputeCourt.Proof memory proof = _proofOf(2, before, all, new uint24[](0), 0, 0);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(allowed), ALICE_VEHICLE_KEY);
        bytes32 digest = _authorisationDigest(allowed);
        vm.expectRevert(abi.encodeWithSelector(IDisputeCourt.LimitPassed.selector, digest, 2 * ENERGY_WH, 2 * PRICE));
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 2, 0, allowed, r, vs);
    }

    /* SHARE&CHARGE: NO CHAIN AND NO CONTRACT IN THE SIGNATURE */

    function test_shareAndCharge_aStatementOfAnotherChainIsRefused() public {
        _refusedInDomain(_domain(CHAIN_ID + 1, address(stations)));
    }

    function test_shareAndCharge_aStatementForAnotherContractIsRefused() public {
        _refusedInDomain(_domain(CHAIN_ID, address(settlement)));
    }

    function test_shareAndCharge_whatWasSignedBeforeAForkPaysOnOneBranchAlone() public {
        Statement memory s = _aliceCharges(ENERGY_WH);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), _keyOf(V2G_STATION));
        vm.chainId(CHAIN_ID + 1);
        bytes32 digest = _digest(_domain(CHAIN_ID + 1, address(stations)), _structHash(s));
        _settleRefused(_batch(_packed(s, r, vs)), _notTheSigner(V2G_STATION, _recover(digest, r, vs)));
        vm.chainId(CHAIN_ID);
        _settle(_batch(_packed(s, r, vs)));
        _assertFree(ALICE, RICH - PRICE);
    }

    function test_shareAndCharge_anAuthorisationForAnotherChainOrContractIsRefused() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _disputeFirst(_aliceCharges(ENERGY_WH));
        bytes32[2] memory domains = [_domain(CHAIN_ID + 1, address(accounts)), _domain(CHAIN_ID, address(court))];
        for (uint256 i; i < domains.length; ++i) {
            IDisputeCourt.SessionAuthorisation memory allowed = _onceAllowed();
            (bytes32 r, bytes32 vs) = _sign(_authorised(domains[i], allowed), ALICE_VEHICLE_KEY);
            _justifyRefused(allowed, r, vs, _notTheDriver(allowed, r, vs));
        }
    }

    /* SIEMS: THE SELLER IS PAID FOR ENERGY THAT WAS NEVER DELIVERED */

    function test_siems_theOperatorIsPaidForNothingThatTheRegisterDidNotMove() public {
        // The station signed, and still the rows must be what the register moved, neither more nor less.
        for (uint40 movedWh = ENERGY_WH - 1; movedWh <= ENERGY_WH + 1; movedWh += 2) {
            _settleRefused(
                _batchOf(_first(movedWh, 0, _row(ALICE, ENERGY_WH, CHARGE))),
                abi.encodeWithSelector(
                    IStationRegistry.ImportMismatch.selector, V2G_STATION, int256(uint256(movedWh)), ENERGY_WH
                )
            );
        }
        _assertFree(OPERATOR_ACCOUNT, RICH);
    }

    function test_siems_theDriverIsPaidForNothingThatItDidNotGiveBack() public {
        for (uint40 movedWh = ENERGY_WH - 1; movedWh <= ENERGY_WH + 1; movedWh += 2) {
            _settleRefused(
                _batchOf(_first(0, movedWh, _row(ALICE, ENERGY_WH, DISCHARGE))),
                abi.encodeWithSelector(
                    IStationRegistry.ExportMismatch.selector, V2G_STATION, int256(uint256(movedWh)), ENERGY_WH
                )
            );
        }
        _assertFree(ALICE, RICH);
    }

    function test_siems_nobodyIsPaidAtAPriceThatHasExpired() public {
        _settleRefused(
            _batchOf(_first(ENERGY_WH, 0, _row(ALICE, ENERGY_WH, ENDED))),
            abi.encodeWithSelector(ISessionSettlement.TariffNotValid.selector, V2G_STATION, 0, ENDED)
        );
        _assertFree(ALICE, RICH);
    }

    function test_siems_nobodyIsPaidForWhatIsStillToCome() public {
        Statement memory s = _aliceCharges(ENERGY_WH);
        s.startTime = NOW - INTERVAL_S + 1;
        _settleRefused(
            _batchOf(s),
            abi.encodeWithSelector(
                ISessionSettlement.StatementFromFuture.selector, V2G_STATION, uint256(NOW) + 1, uint256(NOW)
            )
        );
        _assertFree(ALICE, RICH);
    }

    /* COINCURVE, ETH-ACCOUNT: THE HIGH-S TWIN OF A SIGNATURE IS ACCEPTED */

    function test_highS_theTwinOfAStationsSignatureIsRefused() public {
        Statement memory s = _aliceCharges(ENERGY_WH);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), _keyOf(V2G_STATION));
        for (uint256 bit; bit < 2; ++bit) {
            bytes32 twin = _twinOf(vs, bit);
            _settleRefused(_batch(_packed(s, r, twin)), _notTheSigner(V2G_STATION, _recovered(s, r, twin)));
        }
        _settle(_batch(_packed(s, r, vs)));
        _assertFree(ALICE, RICH - PRICE);
    }

    function test_highS_theTwinOfAMeterReplacementIsRefused() public {
        IStationRegistry.MeterReplacement memory m =
            IStationRegistry.MeterReplacement(V2G_STATION, 1, NOW, 0, 0, 77, 88);
        bytes32 digest = _replacementDigest(m);
        (bytes32 r, bytes32 vs) = _sign(digest, _keyOf(V2G_STATION));
        for (uint256 bit; bit < 2; ++bit) {
            bytes32 twin = _twinOf(vs, bit);
            vm.expectRevert(_notTheSigner(V2G_STATION, _recover(digest, r, twin)));
            vm.prank(OPERATOR);
            stations.replaceMeter(m, r, twin);
        }
        vm.prank(OPERATOR);
        stations.replaceMeter(m, r, vs);
        vm.assertEq(uint256(stations.stationOf(V2G_STATION).importWh), 77);
    }

    function test_highS_theTwinOfAnAuthorisationIsRefused() public {
        _settle(_batchOf(_aliceCharges(ENERGY_WH)));
        _disputeFirst(_aliceCharges(ENERGY_WH));
        IDisputeCourt.SessionAuthorisation memory allowed = _onceAllowed();
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(allowed), ALICE_VEHICLE_KEY);
        for (uint256 bit; bit < 2; ++bit) {
            bytes32 twin = _twinOf(vs, bit);
            _justifyRefused(allowed, r, twin, _notTheDriver(allowed, r, twin));
        }
        _justify(1, allowed);
    }

    /* DISPUTES */

    /// @dev What Alice allows: exactly 10 kWh at the full price, once.
    function _onceAllowed() private pure returns (IDisputeCourt.SessionAuthorisation memory allowed) {
        allowed = _authorisation();
        (allowed.maxEnergyWh, allowed.maxCostMicro) = (ENERGY_WH, PRICE);
        (allowed.maxPriceMicroPerKwh, allowed.dischargeAllowed) = (CHARGE_PRICE, false);
    }

    function _authorised(bytes32 domain, IDisputeCourt.SessionAuthorisation memory a) private pure returns (bytes32) {
        return _digest(domain, keccak256(abi.encode(AUTHORISATION_TYPEHASH, a)));
    }

    function _disputeFirst(Statement memory s) private {
        IDisputeCourt.Proof memory proof = _proofOf(s, 0);
        vm.prank(BOB_OWNER);
        court.dispute(proof);
    }

    function _justify(uint24 sequence, IDisputeCourt.SessionAuthorisation memory allowed) private {
        (bytes32 r, bytes32 vs) = _sign(_authorisationDigest(allowed), ALICE_VEHICLE_KEY);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, sequence, 0, allowed, r, vs);
    }

    function _justifyRefused(IDisputeCourt.SessionAuthorisation memory allowed, bytes32 r, bytes32 vs, bytes memory why)
        private
    {
        vm.expectRevert(why);
        vm.prank(OPERATOR);
        court.justify(V2G_STATION, 1, 0, allowed, r, vs);
    }

    /* CHECKS */

    function _assertOwed(uint24 account, uint96 micro) private view {
        (uint96 owedMicro,,) = escrow.debtsOf(account);
        vm.assertEq(uint256(owedMicro), micro, "debts");
    }

    function _refusedInDomain(bytes32 domain) private {
        Statement memory s = _aliceCharges(ENERGY_WH);
        (bytes32 r, bytes32 vs) = _sign(_digest(domain, _structHash(s)), _keyOf(V2G_STATION));
        _settleRefused(_batch(_packed(s, r, vs)), _notTheSigner(V2G_STATION, _recovered(s, r, vs)));
        _assertFree(ALICE, RICH);
    }

    function _bothWays() private pure returns (bytes memory) {
        return bytes.concat(_row(ALICE, ENERGY_WH, CHARGE), _row(ALICE, ENERGY_WH, DISCHARGE));
    }

    function _recover(bytes32 digest, bytes32 r, bytes32 vs) private pure returns (address) {
        uint256 sAndV = uint256(vs);
        return ecrecover(digest, uint8(27 + (sAndV >> 255)), r, bytes32(sAndV & type(uint256).max >> 1));
    }

    function _notTheSigner(uint24 station, address recovered) private pure returns (bytes memory) {
        if (recovered == address(0)) return abi.encodeWithSelector(IStationRegistry.BadSignature.selector, station);
        return abi.encodeWithSelector(IStationRegistry.WrongSigner.selector, station, _signerOf(station), recovered);
    }

    function _notTheDriver(IDisputeCourt.SessionAuthorisation memory allowed, bytes32 r, bytes32 vs)
        private
        view
        returns (bytes memory)
    {
        address recovered = _recover(_authorisationDigest(allowed), r, vs);
        return abi.encodeWithSelector(IDisputeCourt.WrongDriverKey.selector, ALICE, recovered);
    }

    /// @dev The twin of a signature: the other root, n - s. As a compact signature it has no room for the
    ///      recovery bit beside its own highest one, so that it can be read with either.
    function _twinOf(bytes32 vs, uint256 bit) private pure returns (bytes32) {
        uint256 s = uint256(vs) & type(uint256).max >> 1;
        return bytes32((CURVE_ORDER - s) & type(uint256).max >> 1 | bit << 255);
    }
}
