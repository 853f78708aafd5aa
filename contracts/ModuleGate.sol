// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAccountRegistry} from "./interfaces/IAccountRegistry.sol";
import {IModuleGate} from "./interfaces/IModuleGate.sol";
import {Roles} from "./Roles.sol";

/// @title Which contracts may move what this one keeps. Described in IModuleGate.
abstract contract ModuleGate is IModuleGate {
    IAccountRegistry public immutable accounts;
    uint40 public immutable moduleDelay;

    bool public sealedModules;
    mapping(address module => uint40) private _activeFrom;

    /// @param moduleDelay_ how long a module that was proposed waits, s
    constructor(IAccountRegistry accounts_, uint40 moduleDelay_) {
        if (address(accounts_).code.length == 0) revert NotAContract(address(accounts_));
        accounts = accounts_;
        moduleDelay = moduleDelay_;
    }

    /// @inheritdoc IModuleGate
    function proposeModule(address module) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (module.code.length == 0) revert NotAContract(module);
        if (_activeFrom[module] != 0) revert ModuleKnown(module, _activeFrom[module]);
        uint40 activeFrom = uint40(block.timestamp) + (sealedModules ? moduleDelay : 0);
        _activeFrom[module] = activeFrom;
        emit ModuleProposed(module, activeFrom);
    }

    /// @inheritdoc IModuleGate
    function removeModule(address module) external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (_activeFrom[module] == 0) revert NotAModule(module);
        delete _activeFrom[module];
        emit ModuleRemoved(module);
    }

    /// @inheritdoc IModuleGate
    function sealModules() external {
        accounts.requireRole(msg.sender, Roles.GOVERNOR);
        if (sealedModules) revert AlreadySealed();
        sealedModules = true;
        emit ModulesSealed(moduleDelay);
    }

    /// @inheritdoc IModuleGate
    function moduleActiveFrom(address module) external view returns (uint40) {
        return _activeFrom[module];
    }

    /// @inheritdoc IModuleGate
    function isModule(address module) public view returns (bool) {
        uint40 activeFrom = _activeFrom[module];
        return activeFrom != 0 && activeFrom <= block.timestamp;
    }

    function _requireModule() internal view {
        if (!isModule(msg.sender)) revert NotAModule(msg.sender);
    }

    function _requireSealed() internal view {
        if (!sealedModules) revert NotSealed();
    }
}
