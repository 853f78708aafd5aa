// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IModuleGate} from "../interfaces/IModuleGate.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Base, ISettlementToken, Vm} from "./Base.sol";

/// @title The batches that domain/ made and signed, settled by the contracts: amounts equal the Python model's.
/// @notice tests/vectors/make_vectors.py writes the file; a Python test holds the file against what it writes.
contract VectorsTest is Base {
    string private constant PATH = "tests/vectors/vectors.json";
    uint256 private constant BATCHES = 12;

    string private _json;
    /// @dev Debtor and creditor of each debt that a batch must leave, and whether it was seen.
    mapping(uint256 debtor => mapping(uint256 creditor => IEscrow.NewDebt)) private _owed;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile(PATH);
        vm.assertEq(vm.parseJsonUint(_json, ".chain_id"), CHAIN_ID);
        _deployForTheVectors();
        _registerTheirStations();
        _publishTheirTariffs();
    }

    /* THE WORLD OF THE VECTORS */

    /// @dev The members of the fixture, and all else anew: the station registry at the address that was signed for.
    function _deployForTheVectors() private {
        address signedFor = vm.parseJsonAddress(_json, ".domains.stations.contract");
        bytes memory code = vm.getCode("StationRegistry.sol:StationRegistry");
        vm.etch(signedFor, bytes.concat(code, abi.encode(accounts, MODULE_DELAY)));
        (bool done, bytes memory runtime) = signedFor.call("");
        vm.assertTrue(done);
        vm.etch(signedFor, runtime);
        stations = IStationRegistry(signedFor);
        vm.assertEq(stations.domainSeparator(), bytes32(_bytes(".domains.stations.separator")));
        token = ISettlementToken(_deploy("SettlementToken", abi.encode(accounts)));
        escrow = IEscrow(_deploy("Escrow", abi.encode(accounts, token, WITHDRAWAL_DELAY, MODULE_DELAY)));
        tariffBook = ITariffBook(_deploy("TariffBook", abi.encode(accounts)));
        bytes memory bookArguments = abi.encode(accounts, tariffBook, escrow, CLOSE_AFTER_S, SETTLE_WITHIN_S);
        positions = IPositionBook(_deploy("PositionBook", bookArguments));
        bytes memory settlementArguments = abi.encode(accounts, stations, tariffBook, escrow, positions);
        settlement = ISessionSettlement(_deploy("SessionSettlement", settlementArguments));
        vm.startPrank(GOVERNOR);
        token.setEscrow(address(escrow));
        IModuleGate(address(escrow)).proposeModule(address(settlement));
        // This contract spends for accounts that have spent before the batch.
        IModuleGate(address(escrow)).proposeModule(address(this));
        IModuleGate(signedFor).proposeModule(address(settlement));
        IModuleGate(address(escrow)).sealModules();
        IModuleGate(signedFor).sealModules();
        vm.stopPrank();
    }

    function _registerTheirStations() private {
        for (uint256 i; _exists(string.concat(".stations", _at(i))); ++i) {
            string memory at = string.concat(".stations", _at(i));
            vm.prank(_ownerOf(_uint(string.concat(at, ".payee"))));
            uint24 station = stations.registerStation(
                vm.parseJsonAddress(_json, string.concat(at, ".signer")),
                RATED_POWER_W,
                vm.parseJsonBool(_json, string.concat(at, ".bidirectional")),
                uint40(_uint(string.concat(at, ".import_wh"))),
                uint40(_uint(string.concat(at, ".export_wh")))
            );
            vm.assertEq(station, _uint(string.concat(at, ".station")));
        }
        vm.assertEq(stations.stationCount(), 3);
    }

    function _publishTheirTariffs() private {
        for (uint256 i; _exists(string.concat(".tariffs", _at(i))); ++i) {
            string memory at = string.concat(".tariffs", _at(i));
            string memory direction = vm.parseJsonString(_json, string.concat(at, ".direction"));
            ITariffBook.Tariff[] memory one = new ITariffBook.Tariff[](1);
            one[0] = ITariffBook.Tariff({
                payee: uint24(_uint(string.concat(at, ".payee"))),
                direction: keccak256(bytes(direction)) == keccak256("charge")
                    ? ITariffBook.Direction.Charge
                    : ITariffBook.Direction.Discharge,
                priceMicroPerKwh: int32(vm.parseJsonInt(_json, string.concat(at, ".price_micro_per_kwh"))),
                validFrom: uint40(_uint(string.concat(at, ".valid_from"))),
                validTo: uint40(_uint(string.concat(at, ".valid_to")))
            });
            vm.prank(_ownerOf(one[0].payee));
            vm.assertEq(tariffBook.publish(one), _uint(string.concat(at, ".tariff")));
        }
        vm.assertEq(tariffBook.tariffCount(), 7);
    }

    /* THE BATCHES */

    function test_eachBatchOfTheVectorsGivesTheirAmounts() public {
        uint256 count;
        for (; _exists(string.concat(".batches", _at(count))); ++count) {
            uint256 before = vm.snapshotState();
            _checkBatch(string.concat(".batches", _at(count)));
            vm.revertToState(before);
        }
        vm.assertTrue(count >= BATCHES);
    }

    function _checkBatch(string memory at) private {
        uint256[ACCOUNTS + 1] memory free;
        for (uint24 account = DUST; account <= ACCOUNTS; ++account) {
            string memory path = string.concat(at, ".free_micro.", vm.toString(account));
            free[account] = _exists(path) ? _uint(path) : 0;
            _prepare(account, free[account], string.concat(at, ".caps.", vm.toString(account)));
        }
        free[HOUSE] = _free(HOUSE);
        vm.recordLogs();
        _settle(_bytes(string.concat(at, ".batch")));
        _checkLogs(vm.getRecordedLogs(), at);
        _checkDebts(at);
        for (uint256 i; _exists(string.concat(at, ".entries", _at(i))); ++i) {
            string memory entry = string.concat(at, ".entries", _at(i));
            uint256 account = _uint(string.concat(entry, ".account"));
            free[account] += _uint(string.concat(entry, ".credit_micro"));
            free[account] -= _uint(string.concat(entry, ".debit_micro"));
        }
        for (uint24 account; account <= ACCOUNTS; ++account) {
            _assertFree(account, free[account]);
        }
    }

    /// @dev Gives the account its money and, if it has one, its daily cap with what it spent already.
    function _prepare(uint24 account, uint256 free, string memory cap) private {
        bool capped = _exists(cap);
        uint96 spent = capped ? uint96(_uint(string.concat(cap, ".spent_micro"))) : 0;
        if (free + spent != 0) _fund(_ownerOf(account), account, uint96(free + spent));
        if (!capped) return;
        vm.prank(_ownerOf(account));
        escrow.setDailyCap(account, type(uint64).max);
        if (spent != 0) escrow.applyBatch(_entries(_entry(account, spent, 0), _entry(HOUSE, 0, spent)));
        uint64 capMicro = uint64(_uint(string.concat(cap, ".cap_micro")));
        vm.prank(_ownerOf(account));
        escrow.setDailyCap(account, capMicro);
    }

    /// @dev The rows that were set aside, in their order, and the batch's own numbers.
    function _checkLogs(Vm.Log[] memory logs, string memory at) private {
        uint256 aside;
        for (uint256 i; i < logs.length - 1; ++i) {
            if (logs[i].topics[0] == IEscrow.DebtRecorded.selector) {
                _noteDebt(logs[i]);
                continue;
            }
            vm.assertEq(logs[i].topics[0], ISessionSettlement.RowSetAside.selector);
            _checkSetAside(logs[i], string.concat(at, ".set_aside", _at(aside++)));
        }
        vm.assertFalse(_exists(string.concat(at, ".set_aside", _at(aside))));
        Vm.Log memory last = logs[logs.length - 1];
        vm.assertEq(last.topics[0], ISessionSettlement.BatchSettled.selector);
        (bytes32 digest,, uint256 paidMicro, uint256 dustMicro,) =
            abi.decode(last.data, (bytes32, uint256, uint256, uint256, uint256[]));
        vm.assertEq(digest, bytes32(_bytes(string.concat(at, ".batch_digest"))));
        vm.assertEq(paidMicro, _uint(string.concat(at, ".paid_micro")));
        vm.assertEq(dustMicro, _uint(string.concat(at, ".dust_micro")));
    }

    function _noteDebt(Vm.Log memory log) private {
        (, uint96 owedMicro, uint96 shareMicro) = abi.decode(log.data, (uint40, uint96, uint96));
        (uint24 debtor, uint24 creditor) = (uint24(uint256(log.topics[1])), uint24(uint256(log.topics[3])));
        vm.assertEq(_owed[debtor][creditor].owedMicro, 0);
        _owed[debtor][creditor] = IEscrow.NewDebt(debtor, creditor, owedMicro, shareMicro);
    }

    /// @dev Each debt of the vectors was recorded, and nobody owes anything else.
    function _checkDebts(string memory at) private view {
        uint256 total;
        for (uint256 i; _exists(string.concat(at, ".debts", _at(i))); ++i) {
            string memory debt = string.concat(at, ".debts", _at(i));
            IEscrow.NewDebt memory found =
                _owed[_uint(string.concat(debt, ".debtor"))][_uint(string.concat(debt, ".creditor"))];
            vm.assertEq(found.owedMicro, _uint(string.concat(debt, ".owed_micro")));
            vm.assertEq(found.shareMicro, _uint(string.concat(debt, ".share_micro")));
            total += found.owedMicro;
        }
        for (uint24 account; account <= ACCOUNTS; ++account) {
            (uint96 owedMicro,,) = escrow.debtsOf(account);
            total -= owedMicro;
        }
        vm.assertEq(total, 0);
    }

    function _checkSetAside(Vm.Log memory log, string memory at) private view {
        uint256 owedMicro = _uint(string.concat(at, ".owed_micro"));
        vm.assertEq(uint256(log.topics[1]), _uint(string.concat(at, ".station")));
        vm.assertEq(uint256(log.topics[3]), _uint(string.concat(at, ".payer")));
        vm.assertEq(
            log.data, abi.encode(_uint(string.concat(at, ".sequence")), _uint(string.concat(at, ".row")), owedMicro)
        );
    }

    /* THE CHAIN OF BATCHES */

    /// @dev With the head of the vectors in its place, their digests up to there are the page.
    function test_theHeadsOfTheVectorsAreThoseOfTheirDigests() public {
        vm.assertEq(settlement.PAGE(), _uint(".chain.page"));
        uint256 count;
        while (_exists(string.concat(".chain.batches", _at(count)))) ++count;
        vm.assertTrue(count >= BATCHES && count <= settlement.PAGE());
        bytes32[] memory digests = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            digests[i] = bytes32(_bytes(string.concat(".chain.batches", _at(i), ".digest")));
        }
        for (uint256 i; i < count; ++i) {
            // Slot 0 is the head.
            vm.store(address(settlement), 0, bytes32(_bytes(string.concat(".chain.batches", _at(i), ".head"))));
            vm.assertEq(settlement.batchCount(), i + 1);
            bytes32[] memory page = new bytes32[](i + 1);
            for (uint256 j; j <= i; ++j) {
                page[j] = digests[j];
            }
            vm.assertTrue(settlement.isPage(0, page));
        }
    }

    /* THE DIGESTS */

    function test_theDigestOfAMeterReplacementIsThatOfTheVectors() public view {
        string memory at = _digestNamed("MeterReplacement");
        string memory value = string.concat(at, ".value");
        IStationRegistry.MeterReplacement memory m = IStationRegistry.MeterReplacement({
            station: uint24(_uint(string.concat(value, ".station"))),
            sequence: uint24(_uint(string.concat(value, ".sequence"))),
            time: uint40(_uint(string.concat(value, ".time"))),
            closingImportWh: uint40(_uint(string.concat(value, ".closing_import_wh"))),
            closingExportWh: uint40(_uint(string.concat(value, ".closing_export_wh"))),
            openingImportWh: uint40(_uint(string.concat(value, ".opening_import_wh"))),
            openingExportWh: uint40(_uint(string.concat(value, ".opening_export_wh")))
        });
        // The registry is at the address that was signed for.
        vm.assertEq(_replacementDigest(m), bytes32(_bytes(string.concat(at, ".digest"))));
    }

    function test_theDigestOfAnAuthorisationIsThatOfTheVectors() public view {
        string memory at = _digestNamed("SessionAuthorisation");
        string memory value = string.concat(at, ".value");
        IDisputeCourt.SessionAuthorisation memory authorisation = IDisputeCourt.SessionAuthorisation({
            account: uint24(_uint(string.concat(value, ".account"))),
            station: uint24(_uint(string.concat(value, ".station"))),
            maxEnergyWh: uint40(_uint(string.concat(value, ".max_energy_wh"))),
            maxPriceMicroPerKwh: int32(vm.parseJsonInt(_json, string.concat(value, ".max_price_micro_per_kwh"))),
            maxCostMicro: uint96(_uint(string.concat(value, ".max_cost_micro"))),
            dischargeAllowed: vm.parseJsonBool(_json, string.concat(value, ".discharge_allowed")),
            notBefore: uint40(_uint(string.concat(value, ".not_before"))),
            expiry: uint40(_uint(string.concat(value, ".expiry"))),
            nonce: uint64(_uint(string.concat(value, ".nonce")))
        });
        bytes32 structHash = keccak256(bytes.concat(abi.encode(AUTHORISATION_TYPEHASH), abi.encode(authorisation)));
        vm.assertEq(structHash, bytes32(_bytes(string.concat(at, ".struct_hash"))));
        address registry = vm.parseJsonAddress(_json, ".domains.accounts.contract");
        vm.assertEq(_domain(CHAIN_ID, registry), bytes32(_bytes(".domains.accounts.separator")));
        vm.assertEq(_digest(_domain(CHAIN_ID, registry), structHash), bytes32(_bytes(string.concat(at, ".digest"))));
    }

    /* READING THE FILE */

    function _digestNamed(string memory name) private view returns (string memory at) {
        uint256 i;
        do {
            at = string.concat(".digests", _at(i++));
        } while (keccak256(bytes(vm.parseJsonString(_json, string.concat(at, ".type")))) != keccak256(bytes(name)));
    }

    function _exists(string memory path) private view returns (bool) {
        return vm.keyExistsJson(_json, path);
    }

    function _uint(string memory path) private view returns (uint256) {
        return vm.parseJsonUint(_json, path);
    }

    function _bytes(string memory path) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, path);
    }

    function _at(uint256 index) private pure returns (string memory) {
        return string.concat("[", vm.toString(index), "]");
    }

    function _ownerOf(uint256 account) private view returns (address) {
        return accounts.ownerOf(uint24(account));
    }
}
