"""Reading the chain: blocks, decoded events, transactions and views. Never writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from eth_typing import ABIEvent
from eth_utils.abi import collapse_if_tuple
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3._utils.events import get_event_data
from web3.contract import Contract
from web3.exceptions import Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import LogReceipt, RPCEndpoint, RPCResponse, TxReceipt

from backend.adapters.chain.deployment import Deployment
from backend.adapters.chain.views import ViewCoder
from backend.application.errors import ChainUnreachable
from backend.application.records import Balance
from domain.chain import BlockRef, Call, ChainEvent, View
from domain.errors import Malformed
from domain.text import hex_text, parse_address
from domain.units import UnixSeconds

REQUEST_TIMEOUT_S = 20
LOG_BLOCKS = 2_000
"""How many blocks one request for logs spans."""
VIEWS_AT_ONCE = 200
"""How many views are asked for in one request."""
_BALANCE_VIEWS = [bytes(Web3.keccak(text=f"{view}(uint24)"))[:4] for view in ("freeOf", "spendableOf", "lockedOf")]


@dataclass(frozen=True, slots=True)
class EventKind:
    """An event that a contract can log: its names, where it is logged, its first topic and its ABI."""

    contract: str
    name: str
    address: bytes
    topic: bytes
    abi: Mapping[str, Any]

    @property
    def args(self) -> list[str]:
        """The names of its arguments, in the order of the ABI."""
        return [str(one["name"]) for one in self.abi["inputs"]]


class NodeProvider(HTTPProvider):
    """JSON-RPC over HTTP; ChainUnreachable if the node does not answer."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request."""
        try:
            return super().make_request(method, params)
        except OSError as error:
            raise ChainUnreachable(f"no chain answers at the RPC address ({type(error).__name__})") from error

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Several requests in one."""
        try:
            return super().make_batch_request(batch_requests)
        except OSError as error:
            raise ChainUnreachable(f"no chain answers at the RPC address ({type(error).__name__})") from error


class ChainReader:
    """Reads one deployment over JSON-RPC."""

    def __init__(self, rpc_url: str, deployment: Deployment) -> None:
        self.deployment = deployment
        self._provider = NodeProvider(rpc_url, request_kwargs={"timeout": REQUEST_TIMEOUT_S})
        self.web3 = Web3(self._provider)
        self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self._names = {c.address: name for name, c in deployment.contracts.items()}
        kinds = [
            EventKind(c.name, str(entry["name"]), c.address, _topic(entry), entry)
            for c in deployment.contracts.values()
            for entry in c.abi
            if entry["type"] == "event"
        ]
        self._events = {(kind.address, kind.topic): kind for kind in kinds}

        self._coders = {
            (c.name, entry["name"]): ViewCoder(c.address, entry)
            for c in deployment.contracts.values()
            for entry in c.abi
            if entry["type"] == "function"
        }

    def check_chain(self) -> None:
        """ChainUnreachable unless the chain of the deployments file answers."""
        chain_id = self.web3.eth.chain_id
        if chain_id != self.deployment.chain_id:
            raise ChainUnreachable(f"chain {chain_id} answers, the deployments file is of {self.deployment.chain_id}")

    def contract(self, name: str) -> Contract:
        """A web3 contract of the deployment."""
        deployed = self.deployment.contracts[name]
        address = Web3.to_checksum_address(deployed.address)
        return self.web3.eth.contract(address=address, abi=deployed.abi, decode_tuples=True)

    def head(self) -> int:
        return int(self.web3.eth.block_number)

    def block(self, number: int) -> BlockRef:
        block = self.web3.eth.get_block(number)
        return BlockRef(
            number=number,
            block_hash=bytes(block["hash"]),
            parent_hash=bytes(block["parentHash"]),
            time_s=UnixSeconds(int(block["timestamp"])),
        )

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]:
        """All events of the deployment's contracts in these blocks, in the order of the chain."""
        yield from self.events_among(list(self._events.values()), first_block, last_block)

    def kinds(self, contract: str | None, name: str | None) -> list[EventKind]:
        """The kinds of events of a contract, or of all, that have a name, or any; Malformed if there is none."""
        contracts = sorted(self.deployment.contracts)
        if contract is not None and contract not in contracts:
            raise Malformed(f"no contract is named {contract[:40]!r}; there are {', '.join(contracts)}")
        own = [kind for kind in self._events.values() if contract in (None, kind.contract)]
        found = [kind for kind in own if name in (None, kind.name)]
        if not found:
            names = ", ".join(sorted({kind.name for kind in own}))
            raise Malformed(f"no event is named {str(name)[:40]!r}; there are {names}")
        return found

    def events_among(self, kinds: Sequence[EventKind], first_block: int, last_block: int) -> Iterator[ChainEvent]:
        """Events of these kinds, in the order of the chain; those of LOG_BLOCKS blocks are held at a time."""
        wanted = {(kind.address, kind.topic) for kind in kinds}
        for start in range(first_block, last_block + 1, LOG_BLOCKS):
            end = min(start + LOG_BLOCKS - 1, last_block)
            for log in self._logs(kinds, start, end):
                if log["topics"] and (parse_address(log["address"]), bytes(log["topics"][0])) in wanted:
                    yield from self.decoded([log])

    def _logs(self, kinds: Sequence[EventKind], first: int, last: int) -> Iterator[LogReceipt]:
        """The logs of these blocks; if the node finds that too many, of half of them at a time."""
        addresses = [Web3.to_checksum_address(address) for address in sorted({kind.address for kind in kinds})]
        topics: list[HexBytes | Sequence[HexBytes]] = [sorted({HexBytes(kind.topic) for kind in kinds})]
        try:
            logs = self.web3.eth.get_logs({"address": addresses, "fromBlock": first, "toBlock": last, "topics": topics})
        except Web3RPCError:
            if first == last:
                raise
            middle = (first + last) // 2
            yield from self._logs(kinds, first, middle)
            yield from self._logs(kinds, middle + 1, last)
        else:
            yield from logs

    def decoded(self, logs: list[LogReceipt]) -> Iterator[ChainEvent]:
        """The events among these logs that our ABIs know."""
        for log in logs:
            address = parse_address(log["address"])
            kind = self._events.get((address, bytes(log["topics"][0]))) if log["topics"] else None
            if kind is None:
                continue
            data = get_event_data(self.web3.codec, cast(ABIEvent, kind.abi), log)
            yield ChainEvent(
                block=int(log["blockNumber"]),
                block_hash=bytes(log["blockHash"]),
                log_index=int(log["logIndex"]),
                tx=bytes(log["transactionHash"]),
                contract=self._names[address],
                name=str(data["event"]),
                args=_plain(cast(Mapping[str, Any], data["args"]), kind.abi),
            )

    def time_of(self, block: int) -> UnixSeconds:
        """When a block was made."""
        return self.block(block).time_s

    def call_of(self, tx: bytes) -> Call:
        """Target and data of a transaction."""
        transaction = self.web3.eth.get_transaction(HexBytes(tx))
        to = transaction.get("to")
        return Call(to=parse_address(to) if to else b"", data=bytes(transaction["input"]))

    def receipt(self, tx: bytes) -> TxReceipt:
        return self.web3.eth.get_transaction_receipt(HexBytes(tx))

    def balances_of(self, accounts: Sequence[int]) -> list[Balance]:
        """What accounts have in the escrow now."""
        if not accounts:
            return []
        escrow = Web3.to_checksum_address(self.deployment.contracts["Escrow"].address)
        views = [view + account.to_bytes(32, "big") for account in accounts for view in _BALANCE_VIEWS]
        calls = [{"to": escrow, "data": hex_text(view)} for view in views]
        requests = [(RPCEndpoint("eth_call"), [call, "latest"]) for call in calls]
        answers = self._provider.make_batch_request(requests)
        if not isinstance(answers, list) or not all("result" in answer for answer in answers):
            raise ChainUnreachable("the node refuses to call views in a batch")
        numbers = [int(answer["result"], 16) for answer in answers]
        return [
            Balance(free_micro=numbers[at], spendable_micro=numbers[at + 1], locked_micro=numbers[at + 2])
            for at in range(0, len(numbers), len(_BALANCE_VIEWS))
        ]

    def views(self, asked: Sequence[View], block: int) -> list[Any]:
        """What view functions return after a block, each as `view` does; a structure comes as a tuple by its names."""
        answers: list[Any] = []
        for start in range(0, len(asked), VIEWS_AT_ONCE):
            part = asked[start : start + VIEWS_AT_ONCE]
            calls = [self._coders[view.contract, view.function].call(view.args) for view in part]
            requests = [(RPCEndpoint("eth_call"), [call, hex(block)]) for call in calls]
            found = self._provider.make_batch_request(requests)
            if not isinstance(found, list) or not all("result" in answer for answer in found):
                raise ChainUnreachable("the node refuses to call views in a batch, or does not know that block's state")
            answers += [
                self._coders[view.contract, view.function].answer(answer["result"])
                for view, answer in zip(part, found, strict=True)
            ]
        return answers

    def view(self, contract: str, function: str, *args: object, block: int | None = None) -> Any:
        """What a view function returns, at the head or after a block."""
        call = self.contract(contract).functions[function](*args)
        return call.call(block_identifier="latest" if block is None else block)


def _topic(event: Mapping[str, Any]) -> bytes:
    types = ",".join(collapse_if_tuple(parameter) for parameter in event["inputs"])
    return bytes(Web3.keccak(text=f"{event['name']}({types})"))


def _plain(args: Mapping[str, Any], abi: Mapping[str, Any]) -> dict[str, Any]:
    """Event arguments with addresses and hashes as bytes, and structures as mappings by their names."""
    return {parameter["name"]: _plain_value(args[parameter["name"]], parameter) for parameter in abi["inputs"]}


def _plain_value(value: Any, parameter: Mapping[str, Any]) -> Any:
    if parameter["type"] == "address":
        return parse_address(value)
    if parameter["type"] == "bytes32":
        return bytes(value)
    if parameter["type"] == "tuple":
        parts = value.values() if isinstance(value, Mapping) else value
        return {part["name"]: _plain_value(one, part) for one, part in zip(parts, parameter["components"], strict=True)}
    return value
