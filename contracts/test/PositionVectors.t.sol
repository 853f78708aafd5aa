// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IPositionBook} from "../interfaces/IPositionBook.sol";
import {ITariffBook} from "../interfaces/ITariffBook.sol";
import {Vm} from "./Base.sol";
import {MarketBase} from "./MarketBase.sol";

/// @title The positions that domain/market.py closed, closed by the contract: amounts equal the Python twin's.
/// @notice tests/vectors/make_position_vectors.py writes the file; a Python test holds the file against what it writes.
contract PositionVectorsTest is MarketBase {
    string private constant PATH = "tests/vectors/positions.json";
    uint40 private constant FIRST = NOW + 1 days;
    uint256 private constant POSITIONS = 336;
    uint256 private constant CLOSINGS = 6;

    struct Energies {
        int256[] bought;
        int256[] sold;
        int256[] imported;
        int256[] exported;
    }

    struct Prices {
        int256[] crossed;
        int256[] clearing;
        int256[] fee;
        int256[] charge;
        int256[] discharge;
    }

    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile(PATH);
        vm.assertEq(vm.parseJsonUint(_json, ".grid"), GRID);
        vm.assertEq(vm.parseJsonUint(_json, ".dust"), DUST);
    }

    function test_eachPositionComesToWhatTheVectorsSay() public {
        Energies memory energies = _energies(".positions");
        Prices memory prices = Prices({
            crossed: _column(".positions.crossed"),
            clearing: _column(".positions.clearing"),
            fee: _column(".positions.fee"),
            charge: _column(".positions.charge"),
            discharge: _column(".positions.discharge")
        });
        int256[] memory pays = _column(".positions.account_pays");
        int256[] memory owed = _column(".positions.owed_micro");
        int256[] memory received = _column(".positions.received_micro");
        int256[] memory empty = _column(".positions.empty");
        vm.assertEq(owed.length, POSITIONS);
        for (uint256 i; i < owed.length; ++i) {
            uint40 interval = FIRST + uint40(i) * INTERVAL_S;
            _enter(interval, ALICE, energies, i);
            _price(interval, prices, i);
            uint256 state = vm.snapshotState();
            vm.warp(interval + INTERVAL_S + CLOSE_AFTER_S);
            if (empty[i] != 0) {
                vm.expectRevert(abi.encodeWithSelector(IPositionBook.NothingToClose.selector, ZONE, interval, ALICE));
            }
            vm.recordLogs();
            positions.close(ZONE, interval, _accounts(ALICE), chargeTariff, dischargeTariff);
            if (empty[i] == 0) _checkEvent(vm.getRecordedLogs(), pays[i] != 0, owed[i], received[i]);
            // What this one leaves owing is of no use to the next one.
            vm.revertToState(state);
        }
    }

    function test_eachClosingMovesWhatTheVectorsSay() public {
        for (uint256 i; i < CLOSINGS; ++i) {
            string memory at = string.concat(".closings[", vm.toString(i), "]");
            vm.assertTrue(vm.keyExistsJson(_json, at));
            uint256 state = vm.snapshotState();
            _checkClosing(at);
            vm.revertToState(state);
        }
        vm.assertFalse(vm.keyExistsJson(_json, string.concat(".closings[", vm.toString(CLOSINGS), "]")));
    }

    function _checkClosing(string memory at) private {
        uint24[] memory list = _accounts(ALICE, BOB, CAROL);
        Energies memory energies = _energies(at);
        int256[] memory spendable = _column(string.concat(at, ".spendable_micro"));
        for (uint256 i; i < list.length; ++i) {
            vm.assertTrue(_column(string.concat(at, ".accounts"))[i] == int256(uint256(list[i])));
            _enter(FIRST, list[i], energies, i);
            _leave(list[i], spendable[i]);
        }
        _leave(GRID, spendable[3]);
        _price(FIRST, _pricesOf(at), 0);
        vm.warp(FIRST + INTERVAL_S + CLOSE_AFTER_S);
        positions.close(ZONE, FIRST, list, chargeTariff, dischargeTariff);
        int256[] memory gains = _column(string.concat(at, ".gains_micro"));
        uint24[5] memory all = [ALICE, BOB, CAROL, GRID, DUST];
        for (uint256 i; i < all.length; ++i) {
            int256 before = i < spendable.length ? spendable[i] : int256(0);
            vm.assertTrue(int256(_free(all[i])) == before + gains[i]);
        }
        _checkDebts(at);
    }

    /// @dev They are in the order of the accounts, and each debtor's are numbered.
    function _checkDebts(string memory at) private view {
        int256[] memory debtors = _column(string.concat(at, ".debtors"));
        int256[] memory creditors = _column(string.concat(at, ".creditors"));
        int256[] memory owed = _column(string.concat(at, ".owed_micro"));
        int256[] memory shares = _column(string.concat(at, ".share_micro"));
        uint32 ofTheGrid;
        for (uint256 i; i < debtors.length; ++i) {
            uint24 debtor = uint24(uint256(debtors[i]));
            IEscrow.Debt memory debt = escrow.debtOf(debtor, debtor == GRID ? ofTheGrid++ : 0);
            vm.assertEq(debt.creditor, uint256(creditors[i]));
            vm.assertEq(debt.owedMicro, uint256(owed[i]));
            vm.assertEq(debt.shareMicro, uint256(shares[i]));
            vm.assertEq(debt.batch, (1 << 31) + FIRST / 900);
        }
        (,, uint32 next) = escrow.debtsOf(GRID);
        vm.assertEq(next, ofTheGrid);
    }

    function _checkEvent(Vm.Log[] memory logs, bool pays, int256 owed, int256 received) private view {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(positions)) continue;
            (,,,, bool accountPays, uint96 owedMicro, uint96 receivedMicro,) =
                abi.decode(logs[i].data, (uint40, uint40, uint40, uint40, bool, uint96, uint96, bool));
            vm.assertEq(accountPays, pays);
            vm.assertEq(owedMicro, uint256(owed));
            vm.assertEq(receivedMicro, uint256(received));
            return;
        }
        vm.assertTrue(false);
    }

    /* WHAT THE VECTORS SAY */

    function _enter(uint40 interval, uint24 account, Energies memory energies, uint256 i) private {
        _trade(ZONE, interval, account, false, uint40(uint256(energies.bought[i])), 0);
        _trade(ZONE, interval, account, true, uint40(uint256(energies.sold[i])), 1);
        uint32 importedWh = uint32(uint256(energies.imported[i]));
        _metered(GRID, interval, account, importedWh, uint32(uint256(energies.exported[i])));
    }

    /// @dev Publishes the interval's imbalance prices and ends its auction.
    function _price(uint40 interval, Prices memory prices, uint256 i) private {
        ITariffBook.Tariff memory tariff = _marketTariff(GRID, false, int32(prices.charge[i]));
        (tariff.validFrom, tariff.validTo) = (interval, interval + INTERVAL_S);
        chargeTariff = _publishMarket(OPERATOR, tariff);
        tariff = _marketTariff(GRID, true, int32(prices.discharge[i]));
        (tariff.validFrom, tariff.validTo) = (interval, interval + INTERVAL_S);
        dischargeTariff = _publishMarket(OPERATOR, tariff);
        int32 clearing = int32(prices.clearing[i]);
        uint32 fee = uint32(uint256(prices.fee[i]));
        positions.conclude(ZONE, interval, IPositionBook.Result(true, prices.crossed[i] != 0, clearing, fee));
    }

    /// @dev Leaves the account this much free money.
    function _leave(uint24 account, int256 micro) private {
        uint256 free = _free(account);
        address owner = accounts.ownerOf(account);
        if (free > uint256(micro)) _request(owner, account, uint96(free - uint256(micro)));
        if (free < uint256(micro)) _fund(owner, account, uint96(uint256(micro) - free));
    }

    function _energies(string memory at) private view returns (Energies memory) {
        return Energies({
            bought: _column(string.concat(at, ".bought_wh")),
            sold: _column(string.concat(at, ".sold_wh")),
            imported: _column(string.concat(at, ".imported_wh")),
            exported: _column(string.concat(at, ".exported_wh"))
        });
    }

    function _pricesOf(string memory at) private view returns (Prices memory) {
        return Prices({
            crossed: _single(at, ".crossed"),
            clearing: _single(at, ".clearing"),
            fee: _single(at, ".fee"),
            charge: _single(at, ".charge"),
            discharge: _single(at, ".discharge")
        });
    }

    function _single(string memory at, string memory name) private view returns (int256[] memory one) {
        one = new int256[](1);
        one[0] = vm.parseJsonInt(_json, string.concat(at, name));
    }

    function _column(string memory path) private view returns (int256[] memory) {
        return vm.parseJsonIntArray(_json, path);
    }
}
