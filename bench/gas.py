"""Gas of a settled session, measured on anvil with the deployed contracts.

A session is one 13-byte row: one driver, one tariff, one market interval. Each batch is settled by one
transaction, intrinsic gas and calldata included. All accounts and stations have settled before, so that
the figures are those of the running platform; the first batch, which fills empty storage, stands beside.

Beside it, compiled alike and on the same chain, is the field's way: one transaction a session, with a packed
record and an ERC-20 payment (bench/naive). The members' other transactions are those of an owner that has
money on both sides before and after.
"""

import random
from typing import Any

from bench.books import AuctionZone
from bench.consortium import WITHDRAWAL_DELAY_S, Consortium, address_of, key_of
from bench.figures import command_line, show
from bench.packed import PackedPlatform
from domain.auction.clearing import clear
from scripts.anvil import anvil

TEXTBOOK_GAS = 320_750
PACKED_PEER_GAS = 142_444
SEED = 20_190_710
NAIVE_SESSIONS = 64
NAIVE_DRIVERS = 20
PURSE_MICRO = 10**9
AMOUNT_MICRO = 12_345_678
LARGE_ORDERS, LARGE_ACCOUNTS = 2_500, 64


def measure(sessions: int, stations: int, accounts: int, *, discharge: bool = False) -> dict[str, float]:
    """Gas a session in the first batch and in a later one; accounts are picked from ten times as many."""
    rng = random.Random(SEED)
    with anvil() as rpc:
        consortium = Consortium(rpc, stations=stations, accounts=10 * accounts, bidirectional=discharge)
        drivers = rng.sample(consortium.drivers(), accounts)
        gas = [
            consortium.settle(consortium.batch(rng, sessions, drivers, discharge=discharge))["gasUsed"]
            for _ in range(3)
        ]
    return {"first": gas[0] / sessions, "later": max(gas[1:]) / sessions}


def measure_naive() -> float:
    """Gas a session of the packed design, all parties holding money."""
    rng = random.Random(SEED)
    with anvil() as rpc:
        platform = PackedPlatform(Consortium(rpc, stations=1, accounts=1), NAIVE_DRIVERS)
        return sum(platform.pay(rng) for _ in range(NAIVE_SESSIONS)) / NAIVE_SESSIONS


def measure_members() -> dict[str, int]:
    """Gas of what members do beside settlement, one transaction each."""
    with anvil() as rpc:
        consortium = Consortium(rpc, stations=1, accounts=1)
        owner, account = "driver 0", consortium.drivers()[0]
        token, escrow = (consortium.contracts[name] for name in ("SettlementToken", "Escrow"))
        consortium.send(token.functions.mint(consortium.key(owner).address, PURSE_MICRO), "operator")
        consortium.send(token.functions.approve(escrow.address, 2**256 - 1), owner)
        deposit = consortium.send(escrow.functions.deposit(account, AMOUNT_MICRO), owner)
        request = consortium.send(escrow.functions.requestWithdrawal(account, AMOUNT_MICRO), owner)
        consortium.wait(WITHDRAWAL_DELAY_S)
        payout = consortium.send(escrow.functions.withdraw(account), owner)
        stations = consortium.contracts["StationRegistry"].functions
        rotate = consortium.send(stations.rotateKey(1, address_of(key_of("station 1, second key"))), "operator")
    return {
        "gas_deposit": deposit["gasUsed"],
        "gas_withdraw": request["gasUsed"] + payout["gasUsed"],
        "gas_withdraw_request": request["gasUsed"],
        "gas_withdraw_payout": payout["gasUsed"],
        "gas_rotate_key": rotate["gasUsed"],
    }


def measure_book(orders: int, accounts: int) -> dict[str, float]:
    """Gas an order of a book of signed orders: commitment and clearing, and settling, each in whole transactions.

    The book before it in the same place of the ring has filled the contract's storage; positions are new, as they are
    in every interval. `first` is what commitment and clearing cost where the ring was empty.
    """
    rng = random.Random(SEED)
    with anvil() as rpc:
        zone = AuctionZone(Consortium(rpc, stations=1, accounts=accounts))
        made = zone.book(rng, orders)
        first = zone.commit(made)["gasUsed"] + zone.clear(made)["gasUsed"]
        zone.next_turn()
        made = zone.book(rng, orders)
        verified = zone.commit(made)["gasUsed"] + zone.clear(made)["gasUsed"]
        settled = sum(one["gasUsed"] for one in zone.settle(made))
    return {"first": first / orders, "verified": verified / orders, "settled": settled / orders}


def measure_large(orders: int, accounts: int) -> dict[str, float | int]:
    """How many orders were cleared and settled in one book, by several transactions, and the gas of an order.

    They count only if the contract's positions then have what the auction trades, on both sides.
    """
    with anvil() as rpc:
        zone = AuctionZone(Consortium(rpc, stations=1, accounts=accounts))
        made = zone.book(random.Random(SEED), orders)
        sent = [zone.commit(made), *zone.clear_in_parts(made), *zone.settle(made)]
        volume_wh = clear(made.book, zone.terms).volume_wh
        whole = volume_wh > 0 and zone.filled_wh() == (volume_wh, volume_wh)
    gas = sum(one["gasUsed"] for one in sent)
    return {
        "orders_cleared_max_tested": orders if whole else 0,
        "gas_per_order_of_the_largest": round(gas / orders, 1),
    }


def measure_forced() -> dict[str, int]:
    """Gas of a forced bid, where the ring was empty and a turn later, and of giving its money back."""
    with anvil() as rpc:
        zone = AuctionZone(Consortium(rpc, stations=1, accounts=1))
        zone.join(0)
        first = zone.force(0)
        void = zone.void(0)
        zone.next_turn()
        later = zone.force(0)
    return {
        "gas_forced_bid": later["gasUsed"],
        "gas_forced_bid_first_turn": first["gasUsed"],
        "gas_void_one_forced_bid": void["gasUsed"],
    }


def measure_books() -> dict[str, float | int]:
    """Figures of auctions, by their names."""
    books = {accounts: measure_book(256, accounts) for accounts in (20, 64, 256)}
    return {
        "gas_per_order_verified_256": round(books[20]["verified"], 1),
        "gas_per_order_verified_256_first_turn": round(books[20]["first"], 1),
        "gas_per_order_settled_256": round(books[20]["settled"], 1),
        "gas_per_order_settled_256_of_64_accounts": round(books[64]["settled"], 1),
        "gas_per_order_settled_256_of_256_accounts": round(books[256]["settled"], 1),
        **measure_forced(),
        **measure_large(LARGE_ORDERS, LARGE_ACCOUNTS),
    }


def run() -> dict[str, Any]:
    """All figures, by their names."""
    day = measure(256, 8, 20)
    region = measure(1024, 32, 20)
    v2g = measure(256, 8, 20, discharge=True)
    naive = measure_naive()
    return {
        "benchmark": "gas",
        "chain": "anvil",
        "compiler": "solc 0.8.30, viaIR, paris",
        "gas_per_session_256x8x20": round(day["later"], 1),
        "gas_per_session_256x8x20_first_batch": round(day["first"], 1),
        "gas_per_session_1024x32x20": round(region["later"], 1),
        "gas_per_v2g_row": round(v2g["later"], 1),
        "gas_naive_packed_session": round(naive, 1),
        "ratio_to_naive": round(naive / day["later"], 1),
        **measure_members(),
        **measure_books(),
        "peer_packed_struct_gas": PACKED_PEER_GAS,
        "peer_textbook_gas": TEXTBOOK_GAS,
    }


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    arguments = command_line(__doc__).parse_args()
    figures = run()
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
