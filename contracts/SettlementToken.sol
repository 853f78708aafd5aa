// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {Roles} from "./Roles.sol";

/// @title Euro of the consortium: an ERC-20 with 6 decimals that only members and the escrow can hold.
contract SettlementToken is ERC20 {
    /// @notice The escrow was named. It happens once.
    event EscrowSet(address indexed escrow);

    /// @notice Only members and the escrow can hold the token.
    error NotAMember(address holder);
    /// @notice The escrow is named once and for all.
    error EscrowAlreadySet(address escrow);

    /// @notice The escrow must be a contract.
    error NotAContract(address account);

    IAccountRegistry public immutable accounts;
    address public escrow;

    constructor(IAccountRegistry accounts_) ERC20("Wattledger Euro", "WEUR") {
        accounts = accounts_;
    }

    /// @notice Names the escrow, once. Needs the governor role.
    function setEscrow(address escrow_) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (escrow != address(0)) revert EscrowAlreadySet(escrow);
        if (escrow_.code.length == 0) revert NotAContract(escrow_);
        escrow = escrow_;
        emit EscrowSet(escrow_);
    }

    /// @notice Issues euro to a member. Needs the issuer role.
    /// @param amountMicro micro-euro
    function mint(address to, uint256 amountMicro) external {
        accounts.requireRole(msg.sender, Roles.ISSUER);
        _mint(to, amountMicro);
    }

    /// @notice Redeems the caller's own euro. Needs the issuer role.
    /// @param amountMicro micro-euro
    function burn(uint256 amountMicro) external {
        accounts.requireRole(msg.sender, Roles.ISSUER);
        _burn(msg.sender, amountMicro);
    }

    /// @notice One unit is a micro-euro.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to != address(0) && to != escrow && !accounts.isMember(to)) revert NotAMember(to);
        super._update(from, to, value);
    }
}
