// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// @title The cheatcodes that the proofs use. halmos answers them; forge does not know all of them.
interface Cheats {
    function assume(bool condition) external pure;
    function getCode(string calldata artifact) external view returns (bytes memory);
    function prank(address caller) external;
    function warp(uint256 time) external;
}

/// @title halmos's own cheatcodes.
interface SymbolicCheats {
    /// @dev Every storage word of the account may hold anything.
    function enableSymbolicStorage(address account) external;

    /// @dev A call of any function of the contract that changes state, with any arguments.
    function createCalldata(string calldata contractName) external view returns (bytes memory);
}

/// @title What all proofs share: contracts as they are deployed, in any state whatever.
/// @notice Each function `check_<property>` is a proof: halmos looks for arguments and storage for which an
///         assertion fails. Arguments are symbolic. A path that reverts proves nothing and is left out, so
///         that a check says what holds after a call that succeeded, unless it makes the call by `_try`.
///
///         What the proofs take for granted: keccak256 has no collisions, and ecrecover is some function of
///         its four arguments. Contracts start from storage that may hold anything at all, which includes
///         every state that transactions lead to. Arrays have the length that the check gives them. The time
///         is one and the same within a check, unless the check itself moves it.
///
///         `forge test` runs none of this: it looks for other names. tests/services/test_halmos.py runs it.
abstract contract ProofBase {
    Cheats internal constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    SymbolicCheats internal constant symbolic = SymbolicCheats(address(uint160(uint256(keccak256("svm cheat code")))));

    address internal constant GOVERNOR = address(0x1003);

    /// @dev Deploys the bytecode that the default compiler settings give: optimized, by way of the IR.
    function _deploy(string memory name, bytes memory arguments) internal returns (address account) {
        bytes memory code = vm.getCode(string.concat("build/proofs/out/", name, ".sol/", name, ".json"));
        bytes memory creation = bytes.concat(code, arguments);
        assembly ("memory-safe") {
            account := create(0, add(creation, 32), mload(creation))
        }
        require(account != address(0), "not deployed");
    }

    /// @dev The registry of accounts with any members, keys and roles.
    function _anyAccounts() internal returns (address accounts) {
        accounts = _deploy("AccountRegistry", abi.encode(address(0x1001), address(0x1002), GOVERNOR));
        symbolic.enableSymbolicStorage(accounts);
    }

    /// @dev Calls, and keeps going if the call reverts.
    function _try(address target, bytes memory data) internal returns (bool done, bytes memory answer) {
        (done, answer) = target.call(data);
    }
}
