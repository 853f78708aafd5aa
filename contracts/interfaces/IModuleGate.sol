// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Which contracts may move what this one keeps: settlement modules, replaceable after a wait.
/// @notice Until the gate is sealed, modules are active at once, and nothing of value may be here. After it,
///         each new one waits `moduleDelay`, in which everybody can see it come and leave.
interface IModuleGate {
    /// @notice A module may act from `activeFrom` on, Unix seconds.
    event ModuleProposed(address indexed module, uint40 activeFrom);
    /// @notice A module may no longer act, or a proposal was taken back.
    event ModuleRemoved(address indexed module);
    /// @notice From now on each new module waits this many seconds.
    event ModulesSealed(uint40 moduleDelay);

    /// @notice Only an active module may do this.
    error NotAModule(address caller);
    /// @notice The module is active already, or waits to be.
    error ModuleKnown(address module, uint40 activeFrom);
    /// @notice A module, a registry or a token must be a contract.
    error NotAContract(address account);
    /// @notice The gate was sealed before.
    error AlreadySealed();
    /// @notice Nothing of value comes in before the gate is sealed.
    error NotSealed();

    /// @notice Lets a contract act after the wait. Needs the governor role.
    function proposeModule(address module) external;

    /// @notice Stops a module, or takes a proposal back, at once. Needs the governor role.
    function removeModule(address module) external;

    /// @notice Ends the time in which modules are active at once. Needs the governor role; cannot be undone.
    function sealModules() external;

    /// @notice From when on a module may act, Unix seconds; 0 if it is none.
    function moduleActiveFrom(address module) external view returns (uint40);

    /// @notice Whether a module may act now.
    function isModule(address module) external view returns (bool);

    /// @notice How long a new module waits, s.
    function moduleDelay() external view returns (uint40);

    /// @notice Whether new modules wait.
    function sealedModules() external view returns (bool);
}
