// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {BatchDecoder} from "../BatchDecoder.sol";
import {Entry, entryOf} from "../Entries.sol";
import {IAccountRegistry} from "../interfaces/IAccountRegistry.sol";
import {IAuctionHouse} from "../interfaces/IAuctionHouse.sol";
import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IModuleGate} from "../interfaces/IModuleGate.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ISessionSettlement} from "../interfaces/ISessionSettlement.sol";
import {IStationRegistry} from "../interfaces/IStationRegistry.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Roles} from "../Roles.sol";

/// @title The cheatcodes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function assertEq(address left, address right) external pure;
    function assertEq(bool left, bool right) external pure;
    function assertEq(bytes calldata left, bytes calldata right) external pure;
    function assertEq(bytes32 left, bytes32 right) external pure;
    function assertEq(uint256 left, uint256 right) external pure;
    function assertEq(uint256 left, uint256 right, string calldata what) external pure;
    function assertFalse(bool value) external pure;
    function assertTrue(bool value) external pure;
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function deployCode(string calldata artifact, bytes calldata arguments) external returns (address);
    function etch(address target, bytes calldata code) external;
    function expectEmit(address emitter) external;
    function expectRevert() external;
    function expectRevert(bytes calldata data) external;
    function getCode(string calldata artifact) external view returns (bytes memory);
    function getRecordedLogs() external returns (Log[] memory);
    function keyExistsJson(string calldata json, string calldata path) external view returns (bool);
    function parseJsonAddress(string calldata json, string calldata path) external pure returns (address);
    function parseJsonBool(string calldata json, string calldata path) external pure returns (bool);
    function parseJsonBytes(string calldata json, string calldata path) external pure returns (bytes memory);
    function parseJsonInt(string calldata json, string calldata path) external pure returns (int256);
    function parseJsonIntArray(string calldata json, string calldata path) external pure returns (int256[] memory);
    function parseJsonString(string calldata json, string calldata path) external pure returns (string memory);
    function parseJsonUint(string calldata json, string calldata path) external pure returns (uint256);
    function prank(address caller) external;
    function readFile(string calldata path) external view returns (string memory);
    function recordLogs() external;
    function revertToState(uint256 id) external returns (bool);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function snapshotState() external returns (uint256 id);
    function startPrank(address caller) external;
    function stopPrank() external;
    function store(address target, bytes32 slot, bytes32 value) external;
    function toString(uint256 value) external pure returns (string memory);
    function warp(uint256 time) external;
}

/// @title What the tests call of SettlementToken.
interface ISettlementToken is IERC20 {
    event EscrowSet(address indexed escrow);

    error NotAMember(address holder);
    error EscrowAlreadySet(address escrow);
    error NotAContract(address account);

    function setEscrow(address escrow_) external;
    function mint(address to, uint256 amountMicro) external;
    function burn(uint256 amountMicro) external;
    function escrow() external view returns (address);
    function decimals() external view returns (uint8);
}

/// @title The whole system with its members, stations and tariffs, and a builder of signed batches.
/// @notice Contracts are deployed from their artifacts, so that a change in one does not recompile the tests.
abstract contract Base {
    /// @dev A statement as it is signed. `rows` is packed.
    struct Statement {
        uint24 station;
        uint24 sequence;
        uint40 startTime;
        uint24 durationS;
        uint40 importWh;
        uint40 exportWh;
        uint24 tariffBase;
        bytes32 telemetryRoot;
        bytes rows;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 internal constant STATEMENT_TYPEHASH = keccak256(
        "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
    );
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant AUTHORISATION_TYPEHASH = keccak256(
        "SessionAuthorisation(uint24 account,uint24 station,uint40 maxEnergyWh,int32 maxPriceMicroPerKwh,uint96 maxCostMicro,bool dischargeAllowed,uint40 notBefore,uint40 expiry,uint64 nonce)"
    );
    bytes32 internal constant REPLACEMENT_TYPEHASH = keccak256(
        "MeterReplacement(uint24 station,uint24 sequence,uint40 time,uint40 closingImportWh,uint40 closingExportWh,uint40 openingImportWh,uint40 openingExportWh)"
    );
    uint256 internal constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 internal constant CHAIN_ID = 31337;

    uint40 internal constant NOW = 1_800_000_000;
    /// @dev Statements of the tests start here and last a market interval.
    uint40 internal constant START = NOW - 3600;
    uint24 internal constant INTERVAL_S = 900;
    uint40 internal constant WITHDRAWAL_DELAY = 1 days;
    uint40 internal constant MAX_FREEZE_S = 72 hours;
    /// @dev Longer than a withdrawal that was requested and then frozen for 72 hours.
    uint40 internal constant MODULE_DELAY = 7 days;
    uint96 internal constant BOND_MICRO = 1_000_000;
    uint40 internal constant DISPUTE_WINDOW_S = 90 days;
    uint40 internal constant ANSWER_WINDOW_S = 7 days;
    uint40 internal constant CLOSE_AFTER_S = 900;
    uint40 internal constant SETTLE_WITHIN_S = 6 hours;

    address internal constant HOUSE_OWNER = address(0x1001);
    address internal constant DUST_OWNER = address(0x1002);
    address internal constant GOVERNOR = address(0x1003);
    address internal constant OPERATOR = address(0x1004);
    address internal constant RIVAL = address(0x1005);
    address internal constant ALICE_OWNER = address(0x1006);
    address internal constant BOB_OWNER = address(0x1007);
    address internal constant CAROL_OWNER = address(0x1008);
    uint256 internal constant ALICE_VEHICLE_KEY = 0xA11CE;
    /// @dev The address of ALICE_VEHICLE_KEY.
    address internal constant ALICE_VEHICLE = 0xe05fcC23807536bEe418f142D19fa0d21BB0cfF7;
    address internal constant STRANGER = address(0x9999);

    uint24 internal constant HOUSE = 1;
    uint24 internal constant DUST = 2;
    uint24 internal constant GOVERNOR_ACCOUNT = 3;
    /// @dev Operator, settler and issuer.
    uint24 internal constant OPERATOR_ACCOUNT = 4;
    /// @dev The second operator.
    uint24 internal constant RIVAL_ACCOUNT = 5;
    uint24 internal constant ALICE = 6;
    uint24 internal constant BOB = 7;
    /// @dev A member without money.
    uint24 internal constant CAROL = 8;
    uint24 internal constant ACCOUNTS = 8;
    uint24 internal constant NOBODY = 99;
    /// @dev What the operators, Alice and Bob hold, micro-euro.
    uint96 internal constant RICH = 100_000_000;

    /// @dev Gives energy back too; the operator's.
    uint24 internal constant V2G_STATION = 1;
    /// @dev Only charges; the operator's.
    uint24 internal constant CHARGE_STATION = 2;
    /// @dev Gives energy back too; the rival's.
    uint24 internal constant RIVAL_STATION = 3;
    uint32 internal constant RATED_POWER_W = 22_000;

    /// @dev Tariffs 0 to 5 are the operator's, 6 and 7 the rival's; none has a price in whole micro-euro per Wh.
    uint8 internal constant CHARGE = 0;
    uint8 internal constant DISCHARGE = 1;
    uint8 internal constant NEGATIVE_CHARGE = 2;
    uint8 internal constant NEGATIVE_DISCHARGE = 3;
    uint8 internal constant ENDED = 4;
    uint8 internal constant NOT_YET = 5;
    uint8 internal constant RIVAL_CHARGE = 6;
    uint8 internal constant RIVAL_DISCHARGE = 7;
    uint24 internal constant TARIFFS = 8;
    uint8 internal constant UNBILLED_EXPORT = 254;
    uint8 internal constant UNBILLED_IMPORT = 255;

    int32 internal constant CHARGE_PRICE = 300_001;
    int32 internal constant DISCHARGE_PRICE = 200_001;
    int32 internal constant NEGATIVE_CHARGE_PRICE = -50_003;
    int32 internal constant NEGATIVE_DISCHARGE_PRICE = -20_003;

    bytes32 internal constant EVIDENCE = keccak256("evidence");
    bytes32 internal constant TELEMETRY_ROOT = keccak256("telemetry");
    uint8 internal constant TABLE_BITS = 4;

    IAccountRegistry internal accounts;
    IStationRegistry internal stations;
    ITariffBook internal tariffBook;
    ISettlementToken internal token;
    IEscrow internal escrow;
    IPositionBook internal positions;
    ISessionSettlement internal settlement;
    IAuctionHouse internal auctions;
    IDisputeCourt internal court;
    /// @dev The module gates of escrow and station registry.
    IModuleGate internal escrowGate;
    IModuleGate internal stationGate;

    function setUp() public virtual {
        vm.warp(NOW);
        _deploySystem();
        _openAccounts();
        _registerStations();
        _publishTariffs();
        _fund(OPERATOR, OPERATOR_ACCOUNT, RICH);
        _fund(RIVAL, RIVAL_ACCOUNT, RICH);
        _fund(ALICE_OWNER, ALICE, RICH);
        _fund(BOB_OWNER, BOB, RICH);
    }

    /* THE SYSTEM */

    function _deploySystem() private {
        accounts = IAccountRegistry(_deploy("AccountRegistry", abi.encode(HOUSE_OWNER, DUST_OWNER, GOVERNOR)));
        stations = IStationRegistry(_deploy("StationRegistry", abi.encode(accounts, MODULE_DELAY)));
        tariffBook = ITariffBook(_deploy("TariffBook", abi.encode(accounts)));
        token = ISettlementToken(_deploy("SettlementToken", abi.encode(accounts)));
        escrow = IEscrow(_deploy("Escrow", abi.encode(accounts, token, WITHDRAWAL_DELAY, MODULE_DELAY)));
        escrowGate = IModuleGate(address(escrow));
        stationGate = IModuleGate(address(stations));
        bytes memory bookArguments = abi.encode(accounts, tariffBook, escrow, CLOSE_AFTER_S, SETTLE_WITHIN_S);
        positions = IPositionBook(_deploy("PositionBook", bookArguments));
        bytes memory settlementArguments = abi.encode(accounts, stations, tariffBook, escrow, positions);
        settlement = ISessionSettlement(_deploy("SessionSettlement", settlementArguments));
        auctions = IAuctionHouse(_deploy("AuctionHouse", abi.encode(accounts, escrow, positions)));
        bytes memory courtArguments =
            abi.encode(accounts, tariffBook, escrow, settlement, BOND_MICRO, DISPUTE_WINDOW_S, ANSWER_WINDOW_S);
        court = IDisputeCourt(_deploy("DisputeCourt", courtArguments));
        vm.startPrank(GOVERNOR);
        token.setEscrow(address(escrow));
        accounts.setTreasury(address(escrow));
        escrowGate.proposeModule(address(positions));
        escrowGate.proposeModule(address(settlement));
        escrowGate.proposeModule(address(court));
        escrowGate.proposeModule(address(auctions));
        stationGate.proposeModule(address(settlement));
        _proposeOtherModules();
        escrowGate.sealModules();
        stationGate.sealModules();
        vm.stopPrank();
    }

    /// @dev Called as governor before the gates are sealed: modules that a test brings itself are active at once.
    function _proposeOtherModules() internal virtual {}

    function _deploy(string memory name, bytes memory arguments) internal returns (address) {
        return vm.deployCode(string.concat(name, ".sol:", name), arguments);
    }

    function _openAccounts() private {
        vm.startPrank(GOVERNOR);
        accounts.openAccount(OPERATOR, address(0));
        accounts.openAccount(RIVAL, address(0));
        accounts.openAccount(ALICE_OWNER, ALICE_VEHICLE);
        accounts.openAccount(BOB_OWNER, address(0));
        accounts.openAccount(CAROL_OWNER, address(0));
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.OPERATOR);
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.SETTLER);
        accounts.grantRole(OPERATOR_ACCOUNT, Roles.ISSUER);
        accounts.grantRole(RIVAL_ACCOUNT, Roles.OPERATOR);
        vm.stopPrank();
    }

    function _registerStations() private {
        vm.startPrank(OPERATOR);
        stations.registerStation(_signerOf(V2G_STATION), RATED_POWER_W, true, 0, 0);
        stations.registerStation(_signerOf(CHARGE_STATION), RATED_POWER_W, false, 0, 0);
        vm.stopPrank();
        vm.prank(RIVAL);
        stations.registerStation(_signerOf(RIVAL_STATION), RATED_POWER_W, true, 0, 0);
    }

    function _publishTariffs() private {
        ITariffBook.Tariff[] memory own = new ITariffBook.Tariff[](6);
        own[0] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, CHARGE_PRICE);
        own[1] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Discharge, DISCHARGE_PRICE);
        own[2] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, NEGATIVE_CHARGE_PRICE);
        own[3] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Discharge, NEGATIVE_DISCHARGE_PRICE);
        own[4] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, CHARGE_PRICE);
        own[4].validTo = START + 100;
        own[5] = _tariff(OPERATOR_ACCOUNT, ITariffBook.Direction.Charge, CHARGE_PRICE);
        own[5].validFrom = START + 100;
        vm.prank(OPERATOR);
        tariffBook.publish(own);
        ITariffBook.Tariff[] memory rivals = new ITariffBook.Tariff[](2);
        rivals[0] = _tariff(RIVAL_ACCOUNT, ITariffBook.Direction.Charge, 400_003);
        rivals[1] = _tariff(RIVAL_ACCOUNT, ITariffBook.Direction.Discharge, 100_003);
        vm.prank(RIVAL);
        tariffBook.publish(rivals);
    }

    /// @dev A tariff that is valid a day around now.
    function _tariff(uint24 payee, ITariffBook.Direction direction, int32 price)
        internal
        pure
        returns (ITariffBook.Tariff memory)
    {
        return ITariffBook.Tariff(payee, direction, price, NOW - 1 days, NOW + 1 days);
    }

    function _mint(address owner, uint256 amountMicro) internal {
        vm.prank(OPERATOR);
        token.mint(owner, amountMicro);
    }

    /// @dev Mints to the owner and pays it into the account.
    function _fund(address owner, uint24 account, uint96 amountMicro) internal {
        _mint(owner, amountMicro);
        vm.startPrank(owner);
        token.approve(address(escrow), amountMicro);
        escrow.deposit(account, amountMicro);
        vm.stopPrank();
    }

    /* STATEMENTS */

    function _keyOf(uint24 station) internal pure returns (uint256) {
        return 0xA110 + station;
    }

    function _signerOf(uint24 station) internal pure returns (address) {
        return vm.addr(_keyOf(station));
    }

    /// @dev A row of the statement's whole interval.
    function _row(uint24 account, uint32 energyWh, uint8 tariff) internal pure returns (bytes memory) {
        return _row(account, energyWh, 0, uint16(INTERVAL_S), tariff);
    }

    function _row(uint24 account, uint32 energyWh, uint24 startOffsetS, uint16 durationS, uint8 tariff)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(account, energyWh, startOffsetS, durationS, tariff);
    }

    /// @dev A statement with tariffs counted from 0. Registers are closing registers.
    function _statement(uint24 station, uint24 sequence, uint40 importWh, uint40 exportWh, bytes memory rows)
        internal
        pure
        returns (Statement memory)
    {
        return Statement(station, sequence, START, INTERVAL_S, importWh, exportWh, 0, TELEMETRY_ROOT, rows);
    }

    /// @dev The V2G station's first statement.
    function _first(uint40 importWh, uint40 exportWh, bytes memory rows) internal pure returns (Statement memory) {
        return _statement(V2G_STATION, 1, importWh, exportWh, rows);
    }

    /// @dev The V2G station's first statement: Alice charges, at the full price.
    function _aliceCharges(uint32 energyWh) internal pure returns (Statement memory) {
        return _first(energyWh, 0, _row(ALICE, energyWh, CHARGE));
    }

    function _structHash(Statement memory s) internal pure returns (bytes32) {
        bytes memory numbers =
            abi.encode(s.station, s.sequence, s.startTime, s.durationS, s.importWh, s.exportWh, s.tariffBase);
        return keccak256(
            bytes.concat(abi.encode(STATEMENT_TYPEHASH), numbers, abi.encode(s.telemetryRoot, keccak256(s.rows)))
        );
    }

    /// @dev EIP-712 domain, on purpose not the one that the registry tells.
    function _domain(uint256 chainId, address registry) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Wattledger"), keccak256("1"), chainId, registry));
    }

    function _domain() internal view returns (bytes32) {
        return _domain(CHAIN_ID, address(stations));
    }

    function _digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev A compact signature (EIP-2098).
    function _sign(bytes32 digest, uint256 key) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        bytes32 s;
        (v, r, s) = vm.sign(key, digest);
        vs = bytes32(uint256(s) | uint256(v - 27) << 255);
    }

    /// @dev The statement's bytes in a batch, signed with the station's key.
    function _signed(Statement memory s) internal view returns (bytes memory) {
        return _signedBy(_keyOf(s.station), s);
    }

    function _signedBy(uint256 key, Statement memory s) internal view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _sign(_digest(_domain(), _structHash(s)), key);
        return _packed(s, r, vs);
    }

    function _packed(Statement memory s, bytes32 r, bytes32 vs) internal pure returns (bytes memory) {
        bytes memory numbers =
            abi.encodePacked(s.station, s.sequence, s.startTime, s.durationS, s.importWh, s.exportWh, s.tariffBase);
        return abi.encodePacked(numbers, uint16(s.rows.length / 13), s.telemetryRoot, r, vs, s.rows);
    }

    /// @dev The address that a signature leads to over what the contracts hash.
    function _recovered(Statement memory s, bytes32 r, bytes32 vs) internal view returns (address) {
        uint256 sAndV = uint256(vs);
        return ecrecover(
            _digest(_domain(), _structHash(s)), uint8(27 + (sAndV >> 255)), r, bytes32(sAndV & type(uint256).max >> 1)
        );
    }

    /* BATCHES */

    function _header(uint8 tableBits, uint16 statements) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), tableBits, statements, EVIDENCE);
    }

    function _batch(bytes memory statement) internal pure returns (bytes memory) {
        return bytes.concat(_header(TABLE_BITS, 1), statement);
    }

    function _batch(bytes memory one, bytes memory two) internal pure returns (bytes memory) {
        return bytes.concat(_header(TABLE_BITS, 2), one, two);
    }

    function _batchOf(Statement memory s) internal view returns (bytes memory) {
        return _batch(_signed(s));
    }

    function _settle(bytes memory batch) internal returns (uint64) {
        vm.prank(OPERATOR);
        return settlement.settle(batch);
    }

    function _settleRefused(bytes memory batch, bytes memory why) internal {
        vm.expectRevert(why);
        _settle(batch);
    }

    /// @dev Settles batches without statements, each with other evidence, and tells what the chain keeps of them.
    function _anchor(uint256 count) internal returns (bytes32[] memory digests) {
        digests = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            bytes32 evidence = keccak256(abi.encode("anchored", i));
            _settle(abi.encodePacked(uint8(1), uint8(1), uint16(0), evidence));
            digests[i] = _batchDigest(evidence, 0, new uint24[](0));
        }
    }

    /// @dev What the chain of batches keeps of a batch.
    /// @param statements keccak256 of the statements' hashes one behind the other; 0 if there are none
    function _batchDigest(bytes32 evidence, bytes32 statements, uint24[] memory setAside)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(evidence, statements, setAside));
    }

    /// @dev A statement's numbers in one word, as BatchSettled tells them.
    function _numbers(Statement memory s) internal pure returns (uint256) {
        bytes memory packed =
            abi.encodePacked(s.station, s.sequence, s.startTime, s.durationS, s.importWh, s.exportWh, s.tariffBase);
        return uint256(bytes32(abi.encodePacked(packed, uint16(s.rows.length / 13), bytes3(s.telemetryRoot))));
    }

    function _list(uint256 word) internal pure returns (uint256[] memory one) {
        one = new uint256[](1);
        one[0] = word;
    }

    /* MONEY */

    function _entry(uint24 account, uint96 debitMicro, uint96 creditMicro) internal pure returns (Entry) {
        return entryOf(account, debitMicro, creditMicro);
    }

    function _entries(Entry one, Entry two) internal pure returns (Entry[] memory entries) {
        entries = new Entry[](2);
        (entries[0], entries[1]) = (one, two);
    }

    function _entries(Entry one, Entry two, Entry three) internal pure returns (Entry[] memory entries) {
        entries = new Entry[](3);
        (entries[0], entries[1], entries[2]) = (one, two, three);
    }

    function _request(address owner, uint24 account, uint96 amountMicro) internal {
        vm.prank(owner);
        escrow.requestWithdrawal(account, amountMicro);
    }

    /// @dev All that the escrow keeps of an account, to tell whether anything of it changed.
    function _moneyOf(uint24 account) internal view returns (bytes memory) {
        (uint96 requestedMicro, uint40 availableAt) = escrow.withdrawalOf(account);
        (uint96 owedMicro, uint32 first, uint32 next) = escrow.debtsOf(account);
        (uint64 capMicro, uint64 spentMicro, uint24 day) = escrow.dailyCapOf(account);
        return abi.encode(
            escrow.freeOf(account),
            requestedMicro,
            availableAt,
            escrow.lockedOf(account),
            abi.encode(owedMicro, first, next),
            abi.encode(capMicro, spentMicro, day)
        );
    }

    /// @dev What all of the fixture's accounts have in the escrow, free, requested and locked, micro-euro.
    function _totalHeld() internal view returns (uint256 total) {
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            (uint96 requestedMicro,) = escrow.withdrawalOf(account);
            total += _free(account) + requestedMicro + escrow.lockedOf(account);
        }
    }

    /* DISPUTES */

    /// @dev Proves a row of a batch with the fixture's evidence that is the chain's only one.
    function _proofOf(Statement memory s, uint256 row) internal pure returns (IDisputeCourt.Proof memory) {
        return _proofOf(s, row, new uint24[](0));
    }

    function _proofOf(Statement memory s, uint256 row, uint24[] memory setAside)
        internal
        pure
        returns (IDisputeCourt.Proof memory)
    {
        Statement[] memory all = new Statement[](1);
        all[0] = s;
        return _proofOf(1, new bytes32[](0), all, setAside, 0, row);
    }

    /// @dev Proves a row of a batch with the fixture's evidence.
    /// @param before digests of the batches before it on its page
    function _proofOf(
        uint64 batch,
        bytes32[] memory before,
        Statement[] memory all,
        uint24[] memory setAside,
        uint256 index,
        uint256 row
    ) internal pure returns (IDisputeCourt.Proof memory proof) {
        proof.statements = new bytes32[](all.length);
        for (uint256 i; i < all.length; ++i) {
            proof.statements[i] = _structHash(all[i]);
        }
        proof.batch = batch;
        proof.evidence = EVIDENCE;
        proof.setAside = setAside;
        proof.page = new bytes32[](before.length + 1);
        for (uint256 i; i < before.length; ++i) {
            proof.page[i] = before[i];
        }
        bytes32 statements = keccak256(abi.encodePacked(proof.statements));
        proof.page[before.length] = _batchDigest(EVIDENCE, statements, setAside);
        (proof.index, proof.row, proof.rows) = (index, row, all[index].rows);
        proof.statement = _decoded(all[index]);
    }

    function _decoded(Statement memory s) internal pure returns (BatchDecoder.Statement memory) {
        return BatchDecoder.Statement({
            station: s.station,
            sequence: s.sequence,
            startTime: s.startTime,
            durationS: s.durationS,
            importWh: s.importWh,
            exportWh: s.exportWh,
            tariffBase: s.tariffBase,
            telemetryRoot: s.telemetryRoot
        });
    }

    /// @dev Alice allows everything at the V2G station during the tests' interval.
    function _authorisation() internal pure returns (IDisputeCourt.SessionAuthorisation memory) {
        return IDisputeCourt.SessionAuthorisation({
            account: ALICE,
            station: V2G_STATION,
            maxEnergyWh: type(uint40).max,
            maxPriceMicroPerKwh: type(int32).max,
            maxCostMicro: type(uint96).max,
            dischargeAllowed: true,
            notBefore: START,
            expiry: START + INTERVAL_S,
            nonce: 1
        });
    }

    /// @dev The digest that a driver signs, which is the session's id.
    function _authorisationDigest(IDisputeCourt.SessionAuthorisation memory authorisation)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(bytes.concat(abi.encode(AUTHORISATION_TYPEHASH), abi.encode(authorisation)));
        return _digest(_domain(CHAIN_ID, address(accounts)), structHash);
    }

    /* METERS */

    /// @dev What the station's key signs when its meter is replaced.
    function _replacementDigest(IStationRegistry.MeterReplacement memory m) internal view returns (bytes32) {
        return _digest(_domain(), keccak256(bytes.concat(abi.encode(REPLACEMENT_TYPEHASH), abi.encode(m))));
    }

    /* CHECKS */

    function _free(uint24 account) internal view returns (uint256) {
        return escrow.freeOf(account);
    }

    function _assertFree(uint24 account, uint256 micro) internal view {
        vm.assertEq(_free(account), micro, "free balance");
    }

    /// @dev Free money of the fixture's accounts, micro-euro.
    function _totalFree() internal view returns (uint256 total) {
        for (uint24 account = 1; account <= ACCOUNTS; ++account) {
            total += _free(account);
        }
    }

    function _missingRole(address caller, uint16 roles) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.MissingRole.selector, caller, roles);
    }

    function _notAMember(address caller) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.NotAMember.selector, caller);
    }

    function _notAccountOwner(address caller, uint24 account) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.NotAccountOwner.selector, caller, account);
    }

    function _notAModule(address caller) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IModuleGate.NotAModule.selector, caller);
    }

    function _isPaused() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IEscrow.IsPaused.selector);
    }

    function _unknownAccount(uint24 account) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccountRegistry.UnknownAccount.selector, account);
    }

    function _panic(uint256 code) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Panic(uint256)", code);
    }

    function _between(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    /// @dev An address that nothing else uses.
    function _fresh(uint256 seed) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("fresh", seed)))));
    }
}
