"""One key that writes to the chain: it plans, signs and sends, and never shows the key."""

import json
from collections.abc import Sequence
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxParams, Wei

from backend.adapters.chain.reader import ChainReader
from backend.adapters.chain.refusals import Refusals
from backend.application.errors import TransactionRefused
from backend.application.records import OutboxEntry, PlannedCall, Receipt
from domain.chain import Call
from domain.errors import Malformed
from domain.text import parse_address

GAS_MARGIN_PERCENT = 20
_KNOWN = ("already known", "already imported", "known transaction", "already exists")
_USED = ("nonce too low", "nonce is too low", "old nonce")


class ChainWriter:
    """The operator's key. The node's state decides what it is asked for; nothing is kept here."""

    def __init__(self, reader: ChainReader, key: LocalAccount) -> None:
        self._reader = reader
        self._key = key
        self._refusals = Refusals(reader.deployment.contracts.values())
        self.address = parse_address(key.address)

    def call(self, contract: str, function: str, *args: object) -> Call:
        """A call of one of our contracts; addresses in `args` are 20 bytes."""
        data = self._reader.contract(contract).encode_abi(function, args=list(args))
        return Call(to=self._reader.deployment.contracts[contract].address, data=bytes(HexBytes(data)))

    def plan(self, calls: Sequence[Call]) -> list[PlannedCall]:
        """Gas with a margin and within the block's limit, a legacy gas price of twice the base fee, the nonce."""
        eth = self._reader.web3.eth
        block = eth.get_block("latest")
        nonce = eth.get_transaction_count(Web3.to_checksum_address(self.address))
        gas_price = 2 * int(block.get("baseFeePerGas", 0))
        limit = int(block["gasLimit"])
        return [
            PlannedCall(call=call, gas=self._gas(call, limit), gas_price=gas_price, chain_nonce=int(nonce))
            for call in calls
        ]

    def sign(self, planned: PlannedCall, nonce: int, purpose: str) -> OutboxEntry:
        """The signed transaction as it is to be kept."""
        signed = self._key.sign_transaction(
            {
                "to": Web3.to_checksum_address(planned.call.to),
                "data": planned.call.data,
                "value": 0,
                "nonce": nonce,
                "gas": planned.gas,
                "gasPrice": planned.gas_price,
                "chainId": self._reader.deployment.chain_id,
            }
        )
        return OutboxEntry(
            sender=self.address,
            nonce=nonce,
            raw=bytes(signed.raw_transaction),
            transaction=bytes(signed.hash),
            purpose=purpose,
        )

    def send(self, raw: bytes) -> bool:
        """Hands a signed transaction to the node; False if its nonce is used, by it or by another one."""
        try:
            self._reader.web3.eth.send_raw_transaction(HexBytes(raw))
        except Web3RPCError as error:
            text = str(error).lower()
            if any(words in text for words in _USED):
                return False
            if not any(words in text for words in _KNOWN):
                raise
        return True

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What became of a transaction; None as long as no block holds it."""
        try:
            receipt = self._reader.receipt(transaction)
        except TransactionNotFound:
            return None
        return Receipt(
            transaction=transaction,
            block=int(receipt["blockNumber"]),
            succeeded=receipt["status"] == 1,
            gas_used=int(receipt["gasUsed"]),
            events=tuple(self._reader.decoded(receipt["logs"])),
        )

    def nonce(self) -> int:
        """How many transactions of this key blocks hold."""
        return int(self._reader.web3.eth.get_transaction_count(Web3.to_checksum_address(self.address)))

    def _gas(self, call: Call, limit: int) -> int:
        transaction: TxParams = {
            "from": Web3.to_checksum_address(self.address),
            "to": Web3.to_checksum_address(call.to),
            "data": HexBytes(call.data),
            "value": Wei(0),
        }
        try:
            # The last block of a chain at rest may be long past, and contracts go by the time of the next one.
            needed = int(self._reader.web3.eth.estimate_gas(transaction, "pending"))
        except ContractLogicError as error:
            raise self._refusals.of(error.data) from error
        except Web3RPCError as error:
            # A node says in its own words that a call does not fit into a block, or that it is too long.
            raise TransactionRefused("OutOfGas", {"blockLimit": limit}) from error
        if needed > limit:
            raise TransactionRefused("OutOfGas", {"needed": needed, "blockLimit": limit})
        return min(needed * (100 + GAS_MARGIN_PERCENT) // 100, limit)


def open_keystore(keystore: Path, passphrase_file: Path) -> LocalAccount:
    """The key in a keystore file (Web3 Secret Storage); Malformed, without the key or passphrase, if it cannot."""
    try:
        passphrase = passphrase_file.read_text().strip()
        key: LocalAccount = Account.from_key(Account.decrypt(json.loads(keystore.read_text()), passphrase))
    except OSError as error:
        raise Malformed(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise Malformed(f"cannot open the keystore {keystore}; is it one, and is the passphrase right?") from None
    return key
