"""`wattledger bid`: signs an order and sends it, cancels one, or sends one to the chain past the operator."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception

from backend.adapters.chain.deployment import Deployment, load_deployment
from backend.adapters.chain.reader import ChainReader
from backend.adapters.chain.refusals import Refusals
from backend.adapters.clock import SystemClock
from backend.adapters.keys import FileKey, file_key
from backend.application.errors import TransactionPending, TransactionRefused
from backend.cli.rest import DEFAULT_BACKEND, BackendFailed, Rest
from domain.auction.forced import forced_of
from domain.auction.order import NONCES, Order, SignedOrder
from domain.auction.zone import GATE_S
from domain.errors import Malformed, WattledgerError
from domain.order_cancel import cancel_digest
from domain.signing import SigningDomain
from domain.text import hex_text, parse_address, parse_hex
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from domain.wire import order_to_json

COULD_NOT_RUN = 2
POLL_S = 1.0
RECEIPT_LIMIT_S = 60
WAIT_LIMIT_S = 8 * 3_600
HASH_BYTES = 32
OPEN = ("open", "booked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line. None stands for what is found out."""

    account: int | None
    zone: int
    interval_s: int | None
    sell: bool
    wh: int | None
    limit: int | None
    nonce: int | None


def bid_command(
    keystore: Annotated[Path, typer.Option(help="Keystore file of the driver key; with --force, of the owner's")],
    passphrase_file: Annotated[Path, typer.Option(help="File with the keystore's passphrase")],
    account: Annotated[int | None, typer.Option(min=1, help="Whose order it is")] = None,
    wh: Annotated[int | None, typer.Option(min=1, help="Energy, Wh")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Worst price, micro-euro per kWh; for a buyer with the fee in it")
    ] = None,
    sell: Annotated[bool, typer.Option("--sell", help="Sell; without it, buy")] = False,
    zone: Annotated[int, typer.Option(min=0, help="Zone of the market")] = 1,
    interval: Annotated[int | None, typer.Option(help="Its first second; else the next one whose book is open")] = None,
    nonce: Annotated[int | None, typer.Option(min=0, max=NONCES - 1, help="Else the lowest that is not used")] = None,
    cancel: Annotated[str | None, typer.Option(help="Hash of an order to cancel instead")] = None,
    force: Annotated[bool, typer.Option("--force", help="Send it to the chain: no operator can leave it out")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what becomes of it")] = False,
    backend: Annotated[str, typer.Option(help="Address of the backend")] = DEFAULT_BACKEND,
    deployment: Annotated[
        Path | None, typer.Option(help="Deployments file; else the backend says where the contracts are")
    ] = None,
    rpc: Annotated[str | None, typer.Option(help="JSON-RPC address of a node, for --force")] = None,
) -> None:
    """Signs an order for an auction and sends it; prints it as JSON."""
    wanted = Wanted(account=account, zone=zone, interval_s=interval, sell=sell, wh=wh, limit=limit, nonce=nonce)
    try:
        key, rest = file_key(keystore, passphrase_file), Rest(backend)
        deployed = load_deployment(deployment) if deployment is not None else None
        if cancel is not None:
            found = _cancel(rest, key, _domain(rest, deployed), cancel)
        elif force:
            found = _force(rest, key, deployed, rpc, wanted)
        else:
            found = _place(rest, key, _domain(rest, deployed), wanted)
            found = _waited(rest, found) if wait else found
    except (WattledgerError, BackendFailed, Web3Exception, ValueError, OSError) as error:
        Console(stderr=True).print(f"bid: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error
    sys.stdout.write(json.dumps(found) + "\n")


def _domain(rest: Rest, deployed: Deployment | None) -> SigningDomain:
    if deployed is not None:
        return deployed.order_domain
    network = rest.get("/v1/network")
    return SigningDomain(int(network["chain_id"]), parse_address(network["contracts"]["AuctionHouse"]))


def _place(rest: Rest, key: FileKey, domain: SigningDomain, wanted: Wanted) -> Any:
    order = _order(rest, wanted)
    return rest.post("/v1/orders", order_to_json(SignedOrder(order, key.sign(order.order_hash(domain)))))


def _order(rest: Rest, wanted: Wanted) -> Order:
    """The order, with the interval and the nonce that were left open."""
    if wanted.account is None or wanted.wh is None or wanted.limit is None:
        raise Malformed("an order needs --account, --wh and --limit")
    interval_s = wanted.interval_s if wanted.interval_s is not None else _next_interval()
    query = {"account": wanted.account, "zone": wanted.zone, "interval": interval_s, "limit": 500}
    used = (int(one["nonce"]) for one in rest.get("/v1/orders", **query)["items"])
    return Order(
        account=AccountId(wanted.account),
        zone=wanted.zone,
        interval_s=UnixSeconds(interval_s),
        sell=wanted.sell,
        quantity_wh=EnergyWh(wanted.wh),
        limit_micro_per_kwh=PriceMicroPerKwh(wanted.limit),
        expiry_s=UnixSeconds(interval_s - GATE_S),
        nonce=_free_nonce(used) if wanted.nonce is None else wanted.nonce,
    )


def _next_interval() -> int:
    """The next one whose gate is not closed."""
    after_s = SystemClock().now_s() + GATE_S
    return after_s + MARKET_INTERVAL_S - after_s % MARKET_INTERVAL_S


def _free_nonce(used: Iterable[int]) -> int:
    left = sorted(set(range(NONCES)) - set(used))
    if not left:
        raise Malformed(f"the account used all of its {NONCES} nonces of this interval; take another interval")
    return left[0]


def _cancel(rest: Rest, key: FileKey, domain: SigningDomain, order: str) -> Any:
    signature = key.sign(cancel_digest(parse_hex(order, HASH_BYTES), domain))
    return rest.delete(f"/v1/orders/{order}", signature=hex_text(signature))


def _waited(rest: Rest, placed: Any) -> Any:
    """The order once something became of it."""
    clock = SystemClock()
    until_s = clock.monotonic_s() + WAIT_LIMIT_S
    while clock.monotonic_s() < until_s:
        found = rest.get(f"/v1/orders/{placed['order']}")
        if found["state"] not in OPEN:
            return found
        clock.sleep(POLL_S)
    raise BackendFailed(f"nothing became of order {placed['order']} in {WAIT_LIMIT_S} s; ask for it later")


def _force(rest: Rest, key: FileKey, deployed: Deployment | None, rpc: str | None, wanted: Wanted) -> Any:
    if deployed is None or rpc is None:
        raise Malformed("--force sends to the chain: it needs --rpc and --deployment")
    order = _order(rest, wanted)
    word = forced_of(order).encode()
    sent = _sent(ChainReader(rpc, deployed), key, word)
    return {"tx": hex_text(sent), "zone": order.zone, "interval": order.interval_s, "nonce": order.nonce}


def _sent(reader: ChainReader, key: FileKey, word: bytes) -> bytes:
    """The transaction, once a block holds it. TransactionRefused says why the contract would not take it."""
    reader.check_chain()
    eth, call = reader.web3.eth, reader.contract("AuctionHouse").functions.force(word)
    try:
        gas = call.estimate_gas({"from": key.account.address})
    except ContractLogicError as error:
        raise Refusals(reader.deployment.contracts.values()).of(error.data) from error
    price = 2 * int(eth.get_block("latest").get("baseFeePerGas", 0))
    transaction = call.build_transaction(
        {
            "from": key.account.address,
            "nonce": eth.get_transaction_count(key.account.address),
            "gas": gas * 2,
            "gasPrice": Web3.to_wei(price, "wei"),
            "chainId": reader.deployment.chain_id,
        }
    )
    signed = key.account.sign_transaction(cast(dict[str, Any], transaction))
    sent = bytes(eth.send_raw_transaction(signed.raw_transaction))
    try:
        receipt = eth.wait_for_transaction_receipt(signed.hash, timeout=RECEIPT_LIMIT_S)
    except Web3Exception as error:
        raise TransactionPending(sent, RECEIPT_LIMIT_S) from error
    if receipt["status"] != 1:
        raise TransactionRefused("Reverted", {"transaction": sent})
    return sent
