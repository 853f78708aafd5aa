"""One key on one chain: connects, opens keystores, sends step by step, and says in words why a contract refused.

Fees are legacy gas prices, blocks may be a proof-of-authority chain's, and no wait is without a limit.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint, TxReceipt

from domain.keccak import keccak

REQUEST_LIMIT_S = 20
RECEIPT_LIMIT_S = 120.0
POLL_S = 0.05
TELL_EVERY_S = 15
GAS_MARGIN_PERCENT = 20
_SELECTOR_BYTES = 4
_CHAIN_ID = RPCEndpoint("eth_chainId")
_Found = TypeVar("_Found")
_STANDARD: list[dict[str, Any]] = [
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]


class ChainFailed(Exception):
    """The chain does not answer, or refuses; the text says what to do."""


class CallRefused(ChainFailed):
    """A contract refused a call with one of its own errors."""

    def __init__(self, what: str, error: str, values: Mapping[str, object]) -> None:
        shown = ", ".join(f"{name} {value}" for name, value in values.items())
        super().__init__(f"{what}: the contract refuses with {error}" + (f" ({shown})" if shown else ""))
        self.what, self.error, self.values = what, error, dict(values)


def connect(rpc: str) -> Web3:
    """A connection to the chain; ChainFailed if none answers."""
    provider = HTTPProvider(
        rpc,
        request_kwargs={"timeout": REQUEST_LIMIT_S},
        cache_allowed_requests=True,
        cacheable_requests={_CHAIN_ID},  # web3 would ask for it before each call
    )
    web3 = Web3(provider)
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    if not web3.is_connected():
        raise ChainFailed(f"no chain answers at {rpc}; start one, for example with anvil")
    return web3


def open_key(keystore: Path, passphrase_file: Path | None) -> LocalAccount:
    """The key in an encrypted keystore file; the passphrase is in a file or in WATTLEDGER_PASSPHRASE."""
    try:
        passphrase = passphrase_file.read_text().strip() if passphrase_file else os.environ.get("WATTLEDGER_PASSPHRASE")
        if not passphrase:
            raise ChainFailed("give --passphrase-file or set WATTLEDGER_PASSPHRASE")
        key: LocalAccount = Account.from_key(Account.decrypt(json.loads(keystore.read_text()), passphrase))
    except OSError as error:
        raise ChainFailed(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise ChainFailed(f"cannot open the keystore {keystore}; is it one, and is the passphrase right?") from None
    return key


@dataclass(slots=True)
class Sender:
    """Sends calls with one key, one after the other, each mined before the next.

    `errors` are the ABI entries by which refusals are read. `gas_price_wei` is twice the base fee if not given.
    """

    web3: Web3
    key: LocalAccount
    say: Callable[[str], None]
    errors: Iterable[Mapping[str, Any]] = ()
    gas_price_wei: int | None = None
    limit_s: float = RECEIPT_LIMIT_S

    def nonce(self) -> int:
        """The next nonce. Waits until what the key sent before is mined: a run may have been cut off in between."""
        address = self.key.address

        def mined() -> int | None:
            count = self.web3.eth.get_transaction_count(address)
            return int(count) if count >= self.web3.eth.get_transaction_count(address, "pending") else None

        return self._wait(mined, f"earlier transactions of {address}")

    def send(self, call: Any, what: str, *, nonce: int | None = None) -> TxReceipt:
        """Sends and waits. CallRefused if the contract refuses, ChainFailed if the chain does."""
        nonce = self.nonce() if nonce is None else nonce
        try:
            gas = int(call.estimate_gas({"from": self.key.address})) * (100 + GAS_MARGIN_PERCENT) // 100
            limit = int(self.web3.eth.get_block("latest")["gasLimit"])
            transaction = call.build_transaction(
                {
                    "from": self.key.address,
                    "nonce": nonce,
                    "chainId": self.web3.eth.chain_id,
                    "gas": min(gas, limit),
                    "gasPrice": self._gas_price(),
                }
            )
            signed = self.key.sign_transaction(transaction)
            self.web3.eth.send_raw_transaction(signed.raw_transaction)
        except ContractLogicError as error:
            raise refusal(what, error.data, self.errors) from error
        except (Web3Exception, RequestException) as error:
            raise ChainFailed(f"{what}: the node refuses: {_words(error)}") from error
        receipt = self._wait(lambda: self._receipt(signed.hash), what)
        if receipt["status"] != 1:
            raise ChainFailed(f"{what}: transaction {signed.hash.to_0x_hex()} was reverted")
        self.say(f"{what} · {receipt['gasUsed']:,} gas")
        return receipt

    def _receipt(self, transaction: HexBytes) -> TxReceipt | None:
        try:
            return self.web3.eth.get_transaction_receipt(transaction)
        except TransactionNotFound:
            return None

    def _gas_price(self) -> int:
        if self.gas_price_wei is not None:
            return self.gas_price_wei
        base_fee = self.web3.eth.get_block("latest").get("baseFeePerGas")
        return int(self.web3.eth.gas_price) if base_fee is None else 2 * int(base_fee)

    def _wait(self, look: Callable[[], _Found | None], what: str) -> _Found:
        began = told = time.monotonic()
        while (found := look()) is None:
            now = time.monotonic()
            if now - began > self.limit_s:
                raise ChainFailed(
                    f"{what}: not mined within {self.limit_s:.0f} s; run the same command again, it goes on from here"
                )
            if now - told > TELL_EVERY_S:
                told = now
                self.say(f"{what}: waiting since {now - began:.0f} s")
            time.sleep(POLL_S)
        return found


def refusal(what: str, data: object, errors: Iterable[Mapping[str, Any]]) -> CallRefused:
    """What revert data says, read by the ABI entries of all contracts: one contract passes on another one's."""
    try:
        raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        raw = b""
    for entry in [*_STANDARD, *errors]:
        inputs = entry["inputs"]
        types = [parameter["type"] for parameter in inputs]
        if raw[:_SELECTOR_BYTES] == keccak(f"{entry['name']}({','.join(types)})".encode())[:_SELECTOR_BYTES]:
            try:
                values = decode(types, raw[_SELECTOR_BYTES:])
            except DecodingError:
                values = ()
            named = zip(inputs, values, strict=False)
            return CallRefused(what, entry["name"], {p["name"]: _plain(value, p["type"]) for p, value in named})
    return CallRefused(what, f"an error that is not in its ABI: {data}", {})


def _plain(value: object, abi_type: str) -> object:
    return Web3.to_checksum_address(value) if abi_type == "address" and isinstance(value, str) else value


def _words(error: Exception) -> str:
    if isinstance(error, Web3RPCError) and error.rpc_response is not None:
        return str(error.rpc_response.get("error", {}).get("message", error))
    return str(error)
