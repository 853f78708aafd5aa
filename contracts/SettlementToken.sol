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

    /// @notice The escrow and the account registry must be contracts.
    error NotAContract(address account);

    IAccountRegistry public immutable accounts;
    address public escrow;

    constructor(IAccountRegistry accounts_) ERC20("Wattledger Euro", "WEUR") {
        if (address(accounts_).code.length == 0) revert NotAContract(address(accounts_));
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

    /// @inheritdoc ERC20
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        _requireParty(msg.sender);
        return super.transferFrom(from, to, value);
    }

    /// @dev Nobody but members and the escrow has a part in a transfer, be it of nothing.
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0)) _requireParty(from);
        if (to != address(0)) _requireParty(to);
        super._update(from, to, value);
    }

    function _approve(address owner, address spender, uint256 value, bool emitEvent) internal override {
        _requireParty(owner);
        super._approve(owner, spender, value, emitEvent);
    }

    function _requireParty(address account) private view {
        if (account != escrow && !accounts.isMember(account)) revert NotAMember(account);
    }
}
