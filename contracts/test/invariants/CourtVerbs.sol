// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../../interfaces/IEscrow.sol";
import {BatchVerbs} from "./BatchVerbs.sol";

/// @title Disputes of settled rows, and what drivers authorised.
abstract contract CourtVerbs is BatchVerbs {
    struct Dispute {
        uint24 station;
        uint24 sequence;
        uint256 row;
        uint256 reversals;
        uint256 answers;
        IDisputeCourt.Claim claim;
    }

    Dispute[] internal _disputes;
    mapping(bytes32 row => uint256) private _disputeOf;
    IDisputeCourt.SessionAuthorisation[] internal _authorisations;
    mapping(bytes32 digest => uint256) internal _usedWh;
    mapping(bytes32 digest => uint256) internal _usedMicro;

    /* DISPUTE */

    function dispute(uint256 seed) external step(seed) {
        _dispute();
    }

    function disputeMore(uint256 seed) external step(seed) {
        _dispute();
    }

    function _dispute() private {
        _mostlyUnpausedForBatches();
        (uint256 batch, uint256 index, uint256 row) = _someRow();
        if (batch == _batches.length) return;
        IDisputeCourt.Proof memory proof = _proofOfRow(batch, index, row);
        (Dispute memory opened, bool valid) = _claimOf(proof);
        bool wrong = _oneIn(8);
        if (wrong) _spoil(proof);
        uint24 disputer = _oneIn(4) ? _anyone() : opened.claim.payer == 0 ? BOB : opened.claim.payer;
        bool able = _isOpen(disputer) && _members[disputer].free >= BOND_MICRO && !_paused;
        bool expected = valid && able && !wrong;
        _try(_ownerOf(disputer), address(court), abi.encodeCall(court.dispute, (proof)), expected);
        if (!expected) return;
        opened.claim.disputer = disputer;
        opened.claim.answerUntil = _now() + ANSWER_WINDOW_S;
        _disputes.push(opened);
        _disputeOf[_rowKey(opened.station, opened.sequence, opened.row)] = _disputes.length;
        _members[disputer].free -= BOND_MICRO;
        _members[disputer].locked += BOND_MICRO;
        _lockedFor[address(court)][disputer] += BOND_MICRO;
    }

    /// @return batch  place of a batch in the list; its length if no row was found
    /// @return index  of a statement
    /// @return row    of it; one for which a driver paid, if one is soon found
    function _someRow() private returns (uint256 batch, uint256 index, uint256 row) {
        uint256 last = _batches.length;
        for (uint256 i; i < 12 && last != 0; ++i) {
            batch = _oneIn(4) || last < 8 ? _pick(last) : last - 1 - _pick(8);
            if (_statements[batch].length == 0) continue;
            index = _pick(_statements[batch].length);
            Statement memory s = _statements[batch][index];
            if (s.rows.length == 0) continue;
            row = _pick(s.rows.length / 13);
            Payment memory payment = _paymentOf(s, row);
            bool seen = _disputeOf[_rowKey(s.station, s.sequence, row)] != 0;
            if (payment.driverPays && payment.owed != 0 && (!seen || _oneIn(16))) return (batch, index, row);
            if (_oneIn(16)) return (batch, index, row);
        }
        return (last, 0, 0);
    }

    function _proofOfRow(uint256 batch, uint256 index, uint256 row)
        private
        view
        returns (IDisputeCourt.Proof memory proof)
    {
        Settled storage settled = _batches[batch];
        Statement memory s = _statements[batch][index];
        proof.batch = uint64(batch + 1);
        proof.page = _page(batch / settlement.PAGE());
        (proof.evidence, proof.statements, proof.setAside) = (settled.evidence, settled.hashes, settled.aside);
        (proof.index, proof.row, proof.rows) = (index, row, s.rows);
        proof.statement = _decoded(s);
    }

    /// @return page the digests of a page of the chain of batches
    function _page(uint256 number) internal view returns (bytes32[] memory page) {
        uint256 size = settlement.PAGE();
        uint256 first = number * size;
        uint256 count = _digests.length - first;
        page = new bytes32[](count < size ? count : size);
        for (uint256 i; i < page.length; ++i) {
            page[i] = _digests[first + i];
        }
    }

    /// @dev Something in it is no longer what was settled.
    function _spoil(IDisputeCourt.Proof memory proof) private {
        uint256 flaw = _pick(7);
        if (flaw == 0) proof.batch += 1;
        if (flaw == 1) proof.page[_pick(proof.page.length)] ^= bytes32(uint256(1));
        if (flaw == 2) proof.evidence ^= bytes32(uint256(1));
        if (flaw == 3) proof.statement.startTime += 1;
        if (flaw == 4) proof.row = proof.rows.length / 13;
        if (flaw == 5) proof.rows[3] ^= bytes1(uint8(1));
        if (flaw == 6) proof.setAside = new uint24[](proof.setAside.length + 1);
    }

    /// @return opened what the model says of the row
    /// @return valid  whether it can be disputed
    function _claimOf(IDisputeCourt.Proof memory proof) private view returns (Dispute memory opened, bool valid) {
        Statement memory s = _statements[proof.batch - 1][proof.index];
        Payment memory payment = _paymentOf(s, proof.row);
        Row memory row = _rowAt(s.rows, proof.row);
        (opened.station, opened.sequence, opened.row) = (s.station, s.sequence, proof.row);
        IDisputeCourt.Claim memory claim = opened.claim;
        claim.status = IDisputeCourt.Status.Disputed;
        (claim.payer, claim.payee, claim.station) = (payment.payer, payment.receiver, s.station);
        (claim.owedMicro, claim.receivedMicro) = (uint64(payment.owed), uint64(payment.received));
        claim.energyWh = uint32(row.energyWh);
        claim.start = uint40(s.startTime + row.startOffsetS);
        claim.end = claim.start + uint40(row.durationS);
        claim.batch = proof.batch;
        for (uint256 i; i < proof.setAside.length; ++i) {
            if (proof.setAside[i] == claim.payer) claim.setAside = true;
        }
        bool seen = _disputeOf[_rowKey(s.station, s.sequence, proof.row)] != 0;
        valid = payment.driverPays && payment.owed != 0 && !seen && _now() <= claim.end + DISPUTE_WINDOW_S;
        if (!payment.billed) return (opened, false);
        int256 price = _tariffs[s.tariffBase + row.tariff].priceMicroPerKwh;
        claim.priceMicroPerKwh = int64(price < 0 ? -price : price);
        claim.discharge = uint8(_tariffs[s.tariffBase + row.tariff].direction) == 1;
    }

    function _rowKey(uint24 station, uint24 sequence, uint256 row) private pure returns (bytes32) {
        return keccak256(abi.encode(station, sequence, row));
    }

    /* JUSTIFY */

    function justify(uint256 seed) external step(seed) {
        _justify();
    }

    function justifyMore(uint256 seed) external step(seed) {
        _justify();
    }

    function _justify() private {
        Dispute storage disputed = _someDispute(true);
        IDisputeCourt.Claim memory claim = disputed.claim;
        bool open = claim.status == IDisputeCourt.Status.Disputed && _now() <= claim.answerUntil;
        if (disputed.station == 0 || (!open && !_oneIn(8))) return;
        IDisputeCourt.SessionAuthorisation memory shown = _authorisation(claim);
        uint256 key = _keyToSign(claim);
        bytes32 digest = _authorisationDigest(shown);
        uint256 energyWh = _usedWh[digest] + (claim.discharge ? 0 : claim.energyWh);
        uint256 costMicro = _usedMicro[digest] + claim.owedMicro;
        bool expected = open && _mayHaveSigned(claim, key) && _covers(shown, claim) && energyWh <= shown.maxEnergyWh
            && costMicro <= shown.maxCostMicro;
        uint24 caller = _with(claim.payee);
        expected = expected && _isOpen(caller);
        _try(_ownerOf(caller), address(court), _answer(disputed, shown, digest, key), expected);
        if (!expected) return;
        disputed.claim.status = IDisputeCourt.Status.Justified;
        ++disputed.answers;
        (_usedWh[digest], _usedMicro[digest]) = (energyWh, costMicro);
        _authorisations.push(shown);
        _unbond(claim.disputer, claim.payee);
    }

    /// @return one that covers the claim, as a rule: a new one, or one that has answered before
    function _authorisation(IDisputeCourt.Claim memory claim)
        private
        returns (IDisputeCourt.SessionAuthorisation memory)
    {
        for (uint256 i; i < 4 && _authorisations.length != 0 && !_oneIn(3); ++i) {
            uint256 recent = _authorisations.length < 12 ? _authorisations.length : 12;
            IDisputeCourt.SessionAuthorisation memory old = _authorisations[_authorisations.length - 1 - _pick(recent)];
            if (old.account == claim.payer && old.station == claim.station) return old;
        }
        int32 price = int32(claim.priceMicroPerKwh);
        return IDisputeCourt.SessionAuthorisation({
            account: _oneIn(24) ? _driver() : claim.payer,
            station: _oneIn(24) ? V2G_STATION : claim.station,
            maxEnergyWh: uint40(claim.energyWh * (1 + _pick(4)) - (_oneIn(12) ? 1 : 0)),
            maxPriceMicroPerKwh: _oneIn(24) ? price - 1 : price + int32(int256(_pick(200_000))),
            maxCostMicro: uint96(claim.owedMicro * (1 + _pick(4)) - (_oneIn(12) ? 1 : 0)),
            dischargeAllowed: claim.discharge != _oneIn(8),
            notBefore: claim.start - uint40(_pick(2 days)) + (_oneIn(24) ? 3 days : 0),
            expiry: claim.end + uint40(_pick(2 days)),
            nonce: uint64(_pick(type(uint64).max))
        });
    }

    function _covers(IDisputeCourt.SessionAuthorisation memory shown, IDisputeCourt.Claim memory claim)
        private
        pure
        returns (bool)
    {
        bool who = shown.account == claim.payer && shown.station == claim.station;
        bool when = shown.notBefore <= claim.start && claim.end <= shown.expiry;
        bool what = claim.priceMicroPerKwh <= shown.maxPriceMicroPerKwh;
        return who && when && what && (shown.dischargeAllowed || !claim.discharge);
    }

    /// @return key the driver's, as a rule one that it had when the row began; another one now and then
    function _keyToSign(IDisputeCourt.Claim memory claim) private returns (uint256 key) {
        uint256[] storage keys = _keysOfDriver[claim.payer];
        if (keys.length == 0 || _oneIn(16)) return _newKey();
        key = _members[claim.payer].driverKey;
        if (key == 0 || _oneIn(6)) key = keys[_pick(keys.length)];
    }

    function _mayHaveSigned(IDisputeCourt.Claim memory claim, uint256 key) private view returns (bool) {
        if (_members[claim.payer].driverKey == key) return true;
        uint40 end = _driverKeyEnd[claim.payer][key];
        return end != 0 && claim.start <= end;
    }

    function _answer(
        Dispute storage disputed,
        IDisputeCourt.SessionAuthorisation memory shown,
        bytes32 digest,
        uint256 key
    ) private view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _sign(digest, key);
        return abi.encodeCall(court.justify, (disputed.station, disputed.sequence, disputed.row, shown, r, vs));
    }

    /* REVERSE */

    function reverse(uint256 seed) external step(seed) {
        _mostlyUnpausedForBatches();
        Dispute storage disputed = _someDispute(false);
        IDisputeCourt.Claim memory claim = disputed.claim;
        bool disputedStill = claim.status == IDisputeCourt.Status.Disputed;
        if (disputed.station == 0 || (!disputedStill && !_oneIn(8))) return;
        if (disputedStill && _now() <= claim.answerUntil && _oneIn(3)) _pass(claim.answerUntil - _now() + 1);
        (uint32 number, bool found) = _debtOf(claim);
        uint24 caller = _anyone();
        bool over = disputedStill && _now() > claim.answerUntil;
        bool expected = over && _isOpen(caller) && (!claim.setAside || found) && _canPayBack(claim, number);
        bytes memory data = abi.encodeCall(court.reverse, (disputed.station, disputed.sequence, disputed.row, number));
        _try(_ownerOf(caller), address(court), data, expected);
        if (!expected) return;
        disputed.claim.status = IDisputeCourt.Status.Reversed;
        ++disputed.reversals;
        if (!claim.setAside || !_takeOff(claim, number)) _payBack(claim);
        _unbond(claim.disputer, claim.disputer);
        // Once is all.
        _refused(_ownerOf(caller), address(court), data);
    }

    /// @return number of the payer's debt that the row is part of
    /// @return found  whether there is one
    function _debtOf(IDisputeCourt.Claim memory claim) private view returns (uint32 number, bool found) {
        if (!claim.setAside) return (0, false);
        for (number = 0; number < _debts[claim.payer].length; ++number) {
            IEscrow.Debt storage debt = _debts[claim.payer][number];
            if (debt.batch == claim.batch && debt.creditor == claim.payee) return (number, true);
        }
        return (0, false);
    }

    /// @dev A pause stops the operator's payment, but neither a debt nor its reduction.
    function _canPayBack(IDisputeCourt.Claim memory claim, uint32 number) private view returns (bool) {
        if (!_paused) return true;
        if (claim.setAside) {
            IEscrow.Debt storage debt = _debts[claim.payer][number];
            if (debt.writtenOff || debt.owedMicro != 0) return true;
        }
        return !_solvent(claim);
    }

    function _solvent(IDisputeCourt.Claim memory claim) private view returns (bool) {
        return
            claim.receivedMicro <= _spendable(claim.payee) && claim.owedMicro - claim.receivedMicro <= _spendable(DUST);
    }

    function _takeOff(IDisputeCourt.Claim memory claim, uint32 number) private returns (bool) {
        IEscrow.Debt storage debt = _debts[claim.payer][number];
        if (debt.writtenOff) return true;
        if (debt.owedMicro == 0) return false;
        debt.owedMicro -= claim.owedMicro;
        debt.shareMicro -= claim.receivedMicro;
        return true;
    }

    function _payBack(IDisputeCourt.Claim memory claim) private {
        if (!_solvent(claim)) {
            _debts[claim.payee].push(IEscrow.Debt(claim.payer, 0, false, claim.owedMicro, claim.owedMicro));
            return;
        }
        _settleDebit(claim.payee, claim.receivedMicro);
        _settleDebit(DUST, claim.owedMicro - claim.receivedMicro);
        _credit(claim.payer, claim.owedMicro);
    }

    function _unbond(uint24 disputer, uint24 to) private {
        if (_lockedFor[address(court)][disputer] < BOND_MICRO) return;
        _lockedFor[address(court)][disputer] -= BOND_MICRO;
        _members[disputer].locked -= BOND_MICRO;
        _credit(to, BOND_MICRO);
    }

    /// @param answerable whether it should still be open to an answer, rather than over
    /// @return one that is, if one is soon found; the first field is 0 if there is none at all
    function _someDispute(bool answerable) private returns (Dispute storage) {
        if (_disputes.length == 0) return _none;
        uint256 start = _pick(_disputes.length);
        uint256 tries = _disputes.length < 40 ? _disputes.length : 40;
        if (_oneIn(16)) return _disputes[start];
        for (uint256 i; i < tries; ++i) {
            Dispute storage disputed = _disputes[_disputes.length - 1 - (start + i) % tries];
            if (disputed.claim.status != IDisputeCourt.Status.Disputed) continue;
            if (answerable == (_now() <= disputed.claim.answerUntil)) return disputed;
            if (!answerable && _oneIn(6)) return disputed;
        }
        return _disputes[start];
    }

    Dispute private _none;
}
