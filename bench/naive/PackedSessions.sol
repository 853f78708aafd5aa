// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Sessions as the field settles them: one transaction, one packed record and one payment for each.
/// @notice It is measured beside batched settlement and never deployed for anything else. It trusts its settler
///         with every number: no meter signs, no tariff is looked up, no register must move.
contract PackedSessions is AccessControl {
    using SafeERC20 for IERC20;

    /// What the field keeps of a session, in four words: three parties do not fit in fewer.
    struct Session {
        address driver;
        uint40 start;
        uint16 durationS;
        uint24 station;
        address operator;
        uint32 energyWh;
        uint32 priceMicroPerKwh;
        uint24 account;
        address settler;
        uint40 recordedAt;
        uint96 costMicro;
    }

    bytes32 public constant SETTLER = keccak256("SETTLER");
    uint256 private constant WH_PER_KWH = 1000;

    IERC20 public immutable token;

    mapping(bytes32 sessionId => Session) public sessions;
    mapping(uint24 account => address) public driverOf;
    mapping(uint24 station => address) public operatorOf;

    /// @notice The session is on record and paid.
    event SessionPaid(bytes32 indexed sessionId, uint24 indexed station, uint24 indexed account, uint256 costMicro);

    error AlreadyRecorded(bytes32 sessionId);
    error UnknownParty(uint24 station, uint24 account);

    constructor(IERC20 token_, address settler) {
        token = token_;
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(SETTLER, settler);
    }

    function enrolDrivers(uint24 first, address[] calldata drivers) external onlyRole(DEFAULT_ADMIN_ROLE) {
        for (uint256 i; i < drivers.length; ++i) {
            driverOf[uint24(first + i)] = drivers[i];
        }
    }

    function enrolStation(uint24 station, address operator) external onlyRole(DEFAULT_ADMIN_ROLE) {
        operatorOf[station] = operator;
    }

    /// @notice Keeps a session on record and takes its price from the driver, who approved this contract before.
    function recordAndPay(
        bytes32 sessionId,
        uint24 station,
        uint24 account,
        uint32 energyWh,
        uint40 start,
        uint16 durationS,
        uint32 priceMicroPerKwh
    ) external onlyRole(SETTLER) {
        address driver = driverOf[account];
        address operator = operatorOf[station];
        if (driver == address(0) || operator == address(0)) revert UnknownParty(station, account);
        Session storage session = sessions[sessionId];
        if (session.driver != address(0)) revert AlreadyRecorded(sessionId);
        uint96 costMicro = uint96((uint256(energyWh) * priceMicroPerKwh + (WH_PER_KWH - 1)) / WH_PER_KWH);
        (session.driver, session.start, session.durationS, session.station) = (driver, start, durationS, station);
        (session.operator, session.energyWh, session.priceMicroPerKwh, session.account) =
            (operator, energyWh, priceMicroPerKwh, account);
        (session.settler, session.recordedAt, session.costMicro) = (msg.sender, uint40(block.timestamp), costMicro);
        emit SessionPaid(sessionId, station, account, costMicro);
        token.safeTransferFrom(driver, operator, costMicro);
    }
}

/// @title The token that it pays with: OpenZeppelin's ERC-20 and nothing else.
contract PlainEuro is ERC20 {
    constructor(address holder, uint256 amountMicro) ERC20("Plain Euro", "PEUR") {
        _mint(holder, amountMicro);
    }
}
