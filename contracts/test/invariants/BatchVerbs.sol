// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../../interfaces/IEscrow.sol";
import {ISessionSettlement} from "../../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../../interfaces/ITariffBook.sol";
import {Roles} from "../../Roles.sol";
import {Vm} from "../Base.sol";
import {PositionVerbs} from "./PositionVerbs.sol";

/// @title States of the chain that can be dropped once they are gone back to.
interface States {
    function revertToStateAndDelete(uint256 id) external returns (bool);
}

/// @title Batches: right ones, wrong ones, old ones and shuffled ones.
abstract contract BatchVerbs is PositionVerbs {
    /* TYPES */

    /// What a batch is made of, and whether it can be settled as far as its statements go.
    struct Draft {
        Statement[] statements;
        bytes[] signed;
        bool valid;
        uint256 formerKeys;
    }

    struct Row {
        uint24 account;
        uint256 energyWh;
        uint256 startOffsetS;
        uint256 durationS;
        uint256 tariff;
    }

    /// What a row moves.
    struct Payment {
        bool billed;
        bool driverPays;
        uint24 payer;
        uint24 receiver;
        uint256 owed;
        uint256 received;
    }

    /// What a batch does, by accounts; debts by debtor times MOST plus creditor.
    struct Outcome {
        uint256[] debits;
        uint256[] credits;
        bool[] aside;
        uint256[] owed;
        uint256[] shares;
        uint256 dust;
    }

    /// What the handler keeps of a settled batch.
    struct Settled {
        bytes data;
        bytes32 evidence;
        bytes32[] hashes;
        uint24[] aside;
        bytes[] signed;
    }

    States private constant STATES = States(address(vm));
    uint256 internal constant MOST = 32;
    uint256 private constant ROW_BYTES = 13;

    Settled[] internal _batches;
    mapping(uint256 batch => Statement[]) internal _statements;
    bytes32[] internal _digests;

    /// @notice How many old batches and statements were sent again, in vain.
    uint256 public replays;
    /// @notice How many batches were settled in two orders, with the same outcome.
    uint256 public shuffles;
    /// @notice How many statements settled that a former key had signed.
    uint256 public formerKeys;
    /// @notice How many statements of keys that were cut off were refused.
    uint256 public revokedKeys;
    /// @notice How many rows were set aside.
    uint256 public rowsAside;

    /* VERBS */

    function settle(uint256 seed) external step(seed) {
        _settleDraft(_draft(1 + _pick(3), false), _with(OPERATOR_ACCOUNT));
    }

    function settleOne(uint256 seed) external step(seed) {
        _settleDraft(_draft(1, false), _with(OPERATOR_ACCOUNT));
    }

    function settleMore(uint256 seed) external step(seed) {
        _settleDraft(_draft(2 + _pick(2), false), _with(OPERATOR_ACCOUNT));
    }

    /// Evidence without statements.
    function settleNothing(uint256 seed) external step(seed) {
        if (!_oneIn(4)) return _settleDraft(_draft(1, false), _with(OPERATOR_ACCOUNT));
        _settleDraft(_draft(0, false), _with(OPERATOR_ACCOUNT));
    }

    /// The order of stations in a batch does not matter.
    function settleShuffled(uint256 seed) external step(seed) {
        _mostlyUnpausedForBatches();
        Draft memory draft = _draft(2 + _pick(2), true);
        if (!draft.valid || _paused || draft.signed.length < 2) return _settleDraft(draft, OPERATOR_ACCOUNT);
        uint256 state = vm.snapshotState();
        vm.prank(OPERATOR);
        settlement.settle(_packedBatch(draft.signed));
        bytes32 outcome = _fingerprint();
        STATES.revertToStateAndDelete(state);
        _rotate(draft);
        _settleDraft(draft, OPERATOR_ACCOUNT);
        _require(_fingerprint() == outcome, "the order of stations changed the outcome");
        ++shuffles;
    }

    /// No signature pays twice: neither its batch again, nor its statement alone in a new batch.
    function replay(uint256 seed) external step(seed) {
        _mostlyUnpausedForBatches();
        if (_batches.length == 0) return;
        Settled storage old = _batches[_pick(_batches.length)];
        if (old.signed.length == 0) return;
        bytes memory data = old.data;
        if (_oneIn(2)) {
            bytes[] memory one = new bytes[](1);
            one[0] = old.signed[_pick(old.signed.length)];
            data = _packedBatch(one);
        }
        _refused(OPERATOR, address(settlement), abi.encodeCall(settlement.settle, (data)));
        ++replays;
    }

    /// A batch with something wrong in it is refused.
    function settleFlawed(uint256 seed) external step(seed) {
        _mostlyUnpausedForBatches();
        Draft memory draft = _draft(1, false);
        if (draft.statements.length == 0) return;
        Statement memory s = draft.statements[0];
        uint256 key = _poles[s.station].key;
        if (key == 0) return;
        bytes32 domain = _domain();
        uint256 flaw = _pick(15);
        if (flaw == 0) s.startTime = _now() - s.durationS + 1;
        if (flaw == 1) s.sequence += 1;
        if (flaw == 2) s.importWh += 1;
        if (flaw == 3) s.exportWh += 1;
        if (flaw == 4) s.rows = bytes.concat(s.rows, _row(ALICE, 0, 0, 1, UNBILLED_IMPORT));
        if (flaw == 5) s.rows = bytes.concat(s.rows, _row(HOUSE, 0, uint24(s.durationS), 1, UNBILLED_IMPORT));
        if (flaw == 6) s.rows = bytes.concat(s.rows, _row(ALICE, 0, 0, 1, 253));
        if (flaw == 7) domain = _domain(CHAIN_ID + 1, address(stations));
        if (flaw == 8) domain = _domain(CHAIN_ID, address(settlement));
        if (flaw == 9) key = _newKey();
        if (flaw == 10) s.rows = bytes.concat(s.rows, _row(NOBODY, 0, 0, 1, _anyTariffOf(s)));
        if (flaw == 12) s.rows = bytes.concat(s.rows, _row(0, 0, 0, 1, _anyTariffOf(s)));
        if (flaw == 13) s.rows = bytes.concat(s.rows, _row(HOUSE, 0, 0, 1, _anyTariffOf(s)));
        if (flaw == 14) s.rows = bytes.concat(s.rows, _row(0, 0, 0, 1, UNBILLED_EXPORT));
        (bytes32 r, bytes32 vs) = _sign(_digest(domain, _structHash(s)), key);
        bytes[] memory signed = new bytes[](1);
        signed[0] = _packed(s, r, vs);
        bytes memory batch = _packedBatch(signed);
        // One bit of what was signed, or of the signature.
        if (flaw == 11) batch[36 + _pick(batch.length - 36)] ^= bytes1(uint8(1 << _pick(8)));
        _refused(OPERATOR, address(settlement), abi.encodeCall(settlement.settle, (batch)));
    }

    /// @return tariff one of the operator's own, valid or not, counted from the statement's base
    function _anyTariffOf(Statement memory s) private view returns (uint8 tariff) {
        for (uint256 i = s.tariffBase; i < _tariffs.length; ++i) {
            if (_tariffs[i].payee == _poles[s.station].payee && _tariffs[i].validTo > _now()) {
                return uint8(i - s.tariffBase);
            }
        }
    }

    /* MAKING A BATCH */

    /// @param distinct whether each statement is of another station
    function _draft(uint256 count, bool distinct) private returns (Draft memory draft) {
        draft.statements = new Statement[](count);
        draft.signed = new bytes[](count);
        draft.valid = true;
        uint256 made;
        for (uint256 i; i < count; ++i) {
            uint24 station = _station();
            if (distinct && _last(draft.statements, made, station) != made) continue;
            draft.statements[made] = _newStatement(draft.statements, made, station);
            bool valid;
            uint256 key;
            (draft.signed[made], key, valid) = _signedBySome(draft.statements[made]);
            draft.valid = draft.valid && valid;
            if (key != _poles[station].key) ++draft.formerKeys;
            ++made;
        }
        _shorten(draft, made);
    }

    function _shorten(Draft memory draft, uint256 made) private pure {
        Statement[] memory statements = draft.statements;
        bytes[] memory signed = draft.signed;
        assembly ("memory-safe") {
            mstore(statements, made)
            mstore(signed, made)
        }
    }

    /// @return station one that can sign and is not suspended, if one is soon found
    function _station() private returns (uint24 station) {
        for (uint256 i; i < 6; ++i) {
            station = uint24(1 + _pick(_poleCount));
            Pole storage pole = _poles[station];
            if (pole.key != 0 && !pole.byOperator && !pole.byGovernance) return station;
        }
    }

    /// @return place of the station's last statement among the first `made`; `made` if there is none
    function _last(Statement[] memory statements, uint256 made, uint24 station) private pure returns (uint256) {
        for (uint256 i = made; i > 0; --i) {
            if (statements[i - 1].station == station) return i - 1;
        }
        return made;
    }

    function _newStatement(Statement[] memory before, uint256 made, uint24 station)
        private
        returns (Statement memory s)
    {
        Pole storage pole = _poles[station];
        s.station = station;
        s.durationS = INTERVAL_S;
        s.startTime = _now() - INTERVAL_S - uint40(_oneIn(2) ? 0 : _pick(2 days));
        s.telemetryRoot = keccak256(abi.encode(_pick(type(uint256).max)));
        s.sequence = pole.sequence;
        s.importWh = pole.openingImport + uint40(pole.importedWh);
        s.exportWh = pole.openingExport + uint40(pole.exportedWh);
        uint256 last = _last(before, made, station);
        if (last != made) {
            (s.sequence, s.importWh, s.exportWh) = (before[last].sequence, before[last].importWh, before[last].exportWh);
        }
        ++s.sequence;
        s.tariffBase = uint24(_firstTariffOf(pole.payee));
        uint256 rows = _pick(5);
        for (uint256 i; i < rows; ++i) {
            _addRow(s, pole);
        }
    }

    function _addRow(Statement memory s, Pole storage pole) private {
        uint32 energyWh = uint32(_oneIn(6) ? _pick(3) : _pick(20_000));
        uint24 offset = uint24(_pick(INTERVAL_S));
        uint16 duration = uint16(_pick(INTERVAL_S - offset + 1));
        uint256 tariff = _oneIn(8) ? MOST_TARIFFS : _validTariff(s, pole);
        bool discharge = pole.bidirectional && _oneIn(2);
        if (tariff != MOST_TARIFFS) discharge = _discharges(_tariffs[tariff]);
        if (discharge) s.exportWh += energyWh;
        else s.importWh += energyWh;
        uint24 account = tariff == MOST_TARIFFS ? HOUSE : _driver();
        uint8 offer =
            tariff == MOST_TARIFFS ? (discharge ? UNBILLED_EXPORT : UNBILLED_IMPORT) : uint8(tariff - s.tariffBase);
        s.rows = bytes.concat(s.rows, _row(account, energyWh, offset, duration, offer));
    }

    /// @return tariff one of the operator's that holds for the whole statement, or MOST_TARIFFS
    function _validTariff(Statement memory s, Pole storage pole) private returns (uint256) {
        uint256 start = _pick(_tariffs.length);
        for (uint256 i; i < _tariffs.length; ++i) {
            uint256 number = (start + i) % _tariffs.length;
            ITariffBook.Tariff storage tariff = _tariffs[number];
            if (tariff.payee != pole.payee || tariff.validFrom > s.startTime) continue;
            if (tariff.validTo < s.startTime + s.durationS) continue;
            if (pole.bidirectional || !_discharges(tariff)) return number;
        }
        return MOST_TARIFFS;
    }

    /// @return number what a statement's tariffs are counted from: a tariff of the same operator, if it has one
    function _firstTariffOf(uint24 payee) private view returns (uint256 number) {
        for (number = 0; number < _tariffs.length; ++number) {
            if (_tariffs[number].payee == payee) return number;
        }
        return 0;
    }

    /// @return signed the statement, signed with the station's key or, now and then, one that it had
    /// @return key    the key
    /// @return valid  whether that key may still sign it, and the station may settle
    function _signedBySome(Statement memory s) private returns (bytes memory signed, uint256 key, bool valid) {
        Pole storage pole = _poles[s.station];
        key = pole.key;
        uint256[] storage keys = _keysOfPole[s.station];
        if (key == 0 || _oneIn(6)) key = keys[_pick(keys.length)];
        uint40 end = _poleKeyEnd[key];
        // Make it end when the key does, a second earlier or a second later, half of the time.
        if (key != pole.key && end > NOW && _oneIn(2)) s.startTime = end + 1 - s.durationS - uint40(_pick(3));
        valid = key == pole.key || (end != 0 && s.startTime + s.durationS <= end);
        if (!valid) ++revokedKeys;
        valid = valid && !pole.byOperator && !pole.byGovernance && _timesHold(s);
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), key);
        signed = _packed(s, r, vs);
    }

    /// @dev Tariffs were chosen for the time that the statement had before it was moved.
    function _timesHold(Statement memory s) private view returns (bool) {
        for (uint256 i; i < s.rows.length / ROW_BYTES; ++i) {
            Row memory row = _rowAt(s.rows, i);
            if (row.tariff >= UNBILLED_EXPORT) continue;
            ITariffBook.Tariff storage tariff = _tariffs[s.tariffBase + row.tariff];
            uint256 start = s.startTime + row.startOffsetS;
            if (start < tariff.validFrom || start + row.durationS > tariff.validTo) return false;
        }
        return s.startTime + s.durationS <= _now();
    }

    function _packedBatch(bytes[] memory signed) private returns (bytes memory batch) {
        batch = _header(uint8(5 + _pick(3)), uint16(signed.length));
        for (uint256 i; i < signed.length; ++i) {
            batch = bytes.concat(batch, signed[i]);
        }
    }

    function _rotate(Draft memory draft) private pure {
        uint256 count = draft.signed.length;
        (Statement memory first, bytes memory signed) = (draft.statements[0], draft.signed[0]);
        for (uint256 i = 1; i < count; ++i) {
            (draft.statements[i - 1], draft.signed[i - 1]) = (draft.statements[i], draft.signed[i]);
        }
        (draft.statements[count - 1], draft.signed[count - 1]) = (first, signed);
    }

    /* SETTLING IT, IN THE CONTRACTS AND IN THE MODEL */

    function _settleDraft(Draft memory draft, uint24 caller) private {
        _mostlyUnpausedForBatches();
        bytes memory batch = _packedBatch(draft.signed);
        bool expected = draft.valid && !_paused && _hasRole(caller, Roles.SETTLER);
        Outcome memory outcome = _outcomeOf(draft.statements);
        uint256 held = token.balanceOf(address(escrow));
        uint256 free = _freeOfAll();
        vm.recordLogs();
        _try(_ownerOf(caller), address(settlement), abi.encodeCall(settlement.settle, (batch)), expected);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        _require(free == _freeOfAll(), "a batch neither makes nor takes money");
        _require(held == token.balanceOf(address(escrow)), "a batch moves no token");
        if (!expected) return;
        formerKeys += draft.formerKeys;
        _checkRegisters(draft.statements);
        _bookMoney(outcome);
        _bookDebts(outcome);
        _bookStatements(draft, batch, _asideOf(outcome), logs);
    }

    function _freeOfAll() private view returns (uint256 sum) {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            sum += escrow.freeOf(account);
        }
    }

    /// @dev First as if all could pay; then without the rows of those that cannot pay all of theirs.
    function _outcomeOf(Statement[] memory statements) private view returns (Outcome memory outcome) {
        outcome.aside = new bool[](MOST);
        _walk(statements, outcome);
        bool again;
        for (uint24 account = 1; account <= _memberCount; ++account) {
            if (outcome.debits[account] <= _spendable(account)) continue;
            (outcome.aside[account], again) = (true, true);
        }
        if (again) _walk(statements, outcome);
    }

    function _walk(Statement[] memory statements, Outcome memory outcome) private view {
        (outcome.debits, outcome.credits) = (new uint256[](MOST), new uint256[](MOST));
        (outcome.owed, outcome.shares) = (new uint256[](MOST * MOST), new uint256[](MOST * MOST));
        outcome.dust = 0;
        for (uint256 i; i < statements.length; ++i) {
            for (uint256 j; j < statements[i].rows.length / ROW_BYTES; ++j) {
                _bookRow(_paymentOf(statements[i], j), outcome);
            }
        }
    }

    function _bookRow(Payment memory payment, Outcome memory outcome) private pure {
        if (!payment.billed) return;
        if (outcome.aside[payment.payer]) {
            uint256 pair = payment.payer * MOST + payment.receiver;
            outcome.owed[pair] += payment.owed;
            outcome.shares[pair] += payment.received;
            return;
        }
        outcome.debits[payment.payer] += payment.owed;
        outcome.credits[payment.receiver] += payment.received;
        outcome.dust += payment.owed - payment.received;
    }

    /// @dev What a row moves, as INV-19 has it: the payer's side rounded up, the other's down.
    function _paymentOf(Statement memory s, uint256 index) internal view returns (Payment memory payment) {
        Row memory row = _rowAt(s.rows, index);
        if (row.tariff >= UNBILLED_EXPORT) return payment;
        ITariffBook.Tariff storage tariff = _tariffs[s.tariffBase + row.tariff];
        if (tariff.direction >= ITariffBook.Direction.MarketCharge) return payment;
        int256 product = int256(row.energyWh) * tariff.priceMicroPerKwh;
        // A price below zero turns the payment round, and so does energy that is given back.
        payment.driverPays = (tariff.priceMicroPerKwh >= 0) == (tariff.direction == ITariffBook.Direction.Charge);
        uint256 size = uint256(product < 0 ? -product : product);
        payment.billed = true;
        (payment.owed, payment.received) = ((size + 999) / 1000, size / 1000);
        (payment.payer, payment.receiver) =
            payment.driverPays ? (row.account, tariff.payee) : (tariff.payee, row.account);
    }

    function _discharges(ITariffBook.Tariff storage tariff) private view returns (bool) {
        return tariff.direction == ITariffBook.Direction.Discharge
            || tariff.direction == ITariffBook.Direction.MarketDischarge;
    }

    function _rowAt(bytes memory rows, uint256 index) internal pure returns (Row memory row) {
        uint256 word;
        assembly ("memory-safe") {
            word := mload(add(add(rows, 32), mul(index, 13)))
        }
        row.account = uint24(word >> 232);
        row.energyWh = uint32(word >> 200);
        row.startOffsetS = uint24(word >> 176);
        row.durationS = uint16(word >> 160);
        row.tariff = uint8(word >> 152);
    }

    /* WHAT IT DID */

    /// @dev Registers and sequences rise, and by what the rows sum to.
    function _checkRegisters(Statement[] memory statements) private {
        for (uint256 i; i < statements.length; ++i) {
            Statement memory s = statements[i];
            Pole storage pole = _poles[s.station];
            for (uint256 j; j < s.rows.length / ROW_BYTES; ++j) {
                Row memory row = _rowAt(s.rows, j);
                bool discharge = row.tariff == UNBILLED_EXPORT;
                if (row.tariff < UNBILLED_EXPORT) {
                    ITariffBook.Tariff storage tariff = _tariffs[s.tariffBase + row.tariff];
                    discharge = _discharges(tariff);
                    if (tariff.direction >= ITariffBook.Direction.MarketCharge) {
                        _bookMetered(s.startTime + uint40(row.startOffsetS), row.account, discharge, row.energyWh);
                    }
                }
                if (discharge) pole.exportedWh += row.energyWh;
                else pole.importedWh += row.energyWh;
            }
            ++pole.sequence;
            ++pole.settled;
        }
    }

    function _bookMoney(Outcome memory outcome) private {
        for (uint24 account = 1; account <= _memberCount; ++account) {
            _settleDebit(account, outcome.debits[account]);
            _credit(account, outcome.credits[account]);
        }
        _credit(DUST, outcome.dust);
    }

    /// @dev In which order a batch's debts are numbered is the contracts' own affair; what they are is not.
    function _bookDebts(Outcome memory outcome) private {
        for (uint24 debtor = 1; debtor <= _memberCount; ++debtor) {
            if (!outcome.aside[debtor]) continue;
            (,, uint32 next) = escrow.debtsOf(debtor);
            for (uint32 number = uint32(_debts[debtor].length); number < next; ++number) {
                IEscrow.Debt memory debt = escrow.debtOf(debtor, number);
                uint256 pair = uint256(debtor) * MOST + debt.creditor;
                _require(debt.owedMicro == outcome.owed[pair] && debt.owedMicro != 0, "a debt is what the rows sum to");
                _require(debt.shareMicro == outcome.shares[pair], "a creditor's share is what the rows sum to");
                _require(debt.batch == _batches.length + 1, "a debt names its batch");
                outcome.owed[pair] = 0;
                _debts[debtor].push(debt);
            }
        }
        for (uint256 pair; pair < MOST * MOST; ++pair) {
            _require(outcome.owed[pair] == 0, "what cannot be paid is owed");
        }
    }

    function _asideOf(Outcome memory outcome) private view returns (uint24[] memory aside) {
        uint256 count;
        aside = new uint24[](MOST);
        for (uint24 account = 1; account <= _memberCount; ++account) {
            if (outcome.aside[account]) aside[count++] = account;
        }
        assembly ("memory-safe") {
            mstore(aside, count)
        }
    }

    function _bookStatements(Draft memory draft, bytes memory batch, uint24[] memory aside, Vm.Log[] memory logs)
        private
    {
        Settled storage settled = _batches.push();
        settled.data = batch;
        settled.evidence = EVIDENCE;
        for (uint256 i; i < draft.statements.length; ++i) {
            settled.hashes.push(_structHash(draft.statements[i]));
            settled.signed.push(draft.signed[i]);
            _statements[_batches.length - 1].push(draft.statements[i]);
            _succeeded(address(stations), IStationRegistry.advance.selector);
        }
        bytes32 digest = _digestIn(logs);
        bytes32 statements = settled.hashes.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(settled.hashes));
        _require(_findOrder(aside, aside.length, statements, digest), "the digest is that of the batch");
        settled.aside = aside;
        _digests.push(digest);
    }

    function _digestIn(Vm.Log[] memory logs) private returns (bytes32 digest) {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISessionSettlement.RowSetAside.selector) ++rowsAside;
            if (logs[i].topics[0] != ISessionSettlement.BatchSettled.selector) continue;
            _require(uint256(logs[i].topics[1]) == _batches.length, "batches are counted");
            bytes memory data = logs[i].data;
            assembly ("memory-safe") {
                digest := mload(add(data, 32))
            }
        }
    }

    /// @dev Brings the accounts whose rows were set aside into the order of the digest (Heap's permutations).
    function _findOrder(uint24[] memory aside, uint256 length, bytes32 statements, bytes32 digest)
        private
        pure
        returns (bool)
    {
        if (length <= 1) return keccak256(abi.encode(EVIDENCE, statements, aside)) == digest;
        for (uint256 i; i < length; ++i) {
            if (_findOrder(aside, length - 1, statements, digest)) return true;
            uint256 other = length % 2 == 0 ? i : 0;
            (aside[other], aside[length - 1]) = (aside[length - 1], aside[other]);
        }
        return false;
    }

    /* COMPARING TWO ORDERS */

    /// @return of all balances, debts and registers
    function _fingerprint() private view returns (bytes32) {
        uint256 debts;
        uint256[] memory words = new uint256[](2 * MOST);
        for (uint24 account = 1; account <= _memberCount; ++account) {
            words[account] = escrow.freeOf(account);
            (, uint32 first, uint32 next) = escrow.debtsOf(account);
            for (uint32 number = first; number < next; ++number) {
                unchecked {
                    debts += uint256(keccak256(abi.encode(account, escrow.debtOf(account, number))));
                }
            }
        }
        for (uint24 station = 1; station <= _poleCount; ++station) {
            words[MOST + station] = uint256(keccak256(abi.encode(stations.stationOf(station))));
        }
        return keccak256(abi.encode(words, debts));
    }
}
