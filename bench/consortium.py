"""A small consortium on a fresh chain, with keys in memory: what the benchmarks settle for."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import coincurve
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.types import RPCEndpoint, TxReceipt

from domain.batch import SettlementBatch, encode_batch, table_bits_for
from domain.keccak import keccak
from domain.signing import SigningDomain
from domain.statement import IntervalStatement, Row, SignedStatement
from domain.text import address_text
from domain.units import AccountId, EnergyWh, StationId, TariffId, UnixSeconds
from scripts.compile import Artifact, compiled

DAY_S = 86_400
DAY_START = UnixSeconds(1_562_716_800)
CHARGE_PRICES = (280_123, 360_451, 490_787)
DISCHARGE_PRICE = 380_333
RATED_POWER_W = 22_000
OPERATOR_ROLES = (2, 4, 16)
DEPOSIT_MICRO = 10**9
OPERATOR_DEPOSIT_MICRO = 10**12
WITHDRAWAL_DELAY_S = 3_600
MODULE_DELAY_S = 7 * 86_400
CLOSE_AFTER_S, SETTLE_WITHIN_S = 900, 21_600
GAS = 500_000_000
"""The limit of each transaction; half a block."""
OTHER_ACCOUNTS = ("house", "dust", "governor", "operator")
_ZERO = "0x" + "00" * 20


def key_of(name: str) -> coincurve.PrivateKey:
    """A key for benchmarks, the same in every run."""
    return coincurve.PrivateKey(keccak(f"benchmark {name}".encode()))


def address_of(key: coincurve.PrivateKey) -> str:
    return address_text(keccak(key.public_key.format(compressed=False)[1:])[12:])


@dataclass(slots=True)
class Consortium:
    """Contracts, stations and accounts on the chain at `rpc`."""

    rpc: str
    stations: int
    accounts: int
    bidirectional: bool = False
    web3: Web3 = field(init=False)
    contracts: dict[str, Contract] = field(init=False, default_factory=dict)
    domain: SigningDomain = field(init=False)
    sequence: dict[int, int] = field(init=False, default_factory=dict)
    registers: dict[int, list[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.web3 = Web3(HTTPProvider(self.rpc, request_kwargs={"timeout": 60}))
        self._deploy()
        self._enrol()
        self.domain = SigningDomain(
            self.web3.eth.chain_id, bytes.fromhex(self.contracts["StationRegistry"].address[2:])
        )

    def key(self, name: str) -> LocalAccount:
        account: LocalAccount = Account.from_key(key_of(name).secret)
        return account

    def send(self, call: ContractFunction | ContractConstructor, sender: str = "governor") -> TxReceipt:
        """Signs, sends and waits; ValueError if the chain reverts it."""
        key = self.key(sender)
        nonce = self.web3.eth.get_transaction_count(key.address)
        fields = {"from": key.address, "nonce": nonce, "gasPrice": 0, "gas": GAS}
        signed = key.sign_transaction(call.build_transaction(fields))  # type: ignore[arg-type]
        self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(signed.hash, timeout=60, poll_latency=0.02)
        if receipt["status"] != 1:
            raise ValueError(f"transaction {signed.hash.hex()} was reverted")
        return receipt

    def send_together(self, calls: Iterable[tuple[ContractFunction, str]]) -> None:
        """Sends calls, each with the name of its sender, in one block; ValueError if the chain reverts one of them."""
        chain_id, nonces, sent = self.web3.eth.chain_id, dict[str, int](), 0
        self._request("evm_setAutomine", False)
        for call, sender in calls:
            key = self.key(sender)
            if sender not in nonces:
                nonces[sender] = self.web3.eth.get_transaction_count(key.address)
            fields = {"from": key.address, "nonce": nonces[sender], "gasPrice": 0, "gas": GAS, "chainId": chain_id}
            signed = key.sign_transaction(call.build_transaction(fields))  # type: ignore[arg-type]
            self.web3.eth.send_raw_transaction(signed.raw_transaction)
            nonces[sender], sent = nonces[sender] + 1, sent + 1
        self._request("evm_mine")
        self._request("evm_setAutomine", True)
        done = [receipt["status"] for receipt in self.web3.eth.get_block_receipts("latest")]
        if done != [1] * sent:
            raise ValueError(f"{sent} transactions were sent, of {len(done)} in the block {done.count(1)} succeeded")

    def deployed(self, artifact: Artifact, *args: object) -> Contract:
        """Deploys a contract."""
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        address = self.send(factory.constructor(*args))["contractAddress"]
        contract: Contract = self.web3.eth.contract(address=address, abi=artifact.abi)  # type: ignore[assignment]
        return contract

    def wait(self, seconds: int) -> None:
        """Moves the chain's clock on."""
        self._request("evm_increaseTime", seconds)

    def settle(self, data: bytes) -> TxReceipt:
        """Settles a batch; ValueError if a row was set aside."""
        receipt = self.send(self.contracts["SessionSettlement"].functions.settle(data), "operator")
        if len(receipt["logs"]) != 1:
            raise ValueError("not every row was paid; the benchmark's accounts hold too little")
        return receipt

    def batch(self, rng: random.Random, sessions: int, drivers: list[int], *, discharge: bool = False) -> bytes:
        """A signed batch of one-row sessions, spread evenly over the stations."""
        statements = [
            self._statement(rng, StationId(station), sessions // self.stations, drivers, discharge=discharge)
            for station in range(1, self.stations + 1)
        ]
        operator = AccountId(len(OTHER_ACCOUNTS))
        met = [row.account for signed in statements for row in signed.statement.rows] + [operator]
        bits = table_bits_for(met)
        return encode_batch(SettlementBatch(keccak(b"manifest"), tuple(statements), bits))

    def _statement(
        self, rng: random.Random, station: StationId, sessions: int, drivers: list[int], *, discharge: bool
    ) -> SignedStatement:
        rows = tuple(self._row(rng, rng.choice(drivers), discharge=discharge) for _ in range(sessions))
        registers = self.registers.setdefault(station, [0, 0])
        registers[int(discharge)] += sum(row.energy_wh for row in rows)
        self.sequence[station] = self.sequence.get(station, 0) + 1
        statement = IntervalStatement(
            station=station,
            sequence=self.sequence[station],
            start_s=DAY_START,
            duration_s=DAY_S,
            import_wh=EnergyWh(registers[0]),
            export_wh=EnergyWh(registers[1]),
            tariff_base=TariffId(0),
            telemetry_root=keccak(b"telemetry" + bytes([station])),
            rows=rows,
        )
        signature = key_of(f"station {station}").sign_recoverable(
            self.domain.digest(statement.struct_hash()), hasher=None
        )
        return SignedStatement(statement, signature[:64] + bytes([signature[64] + 27]))

    def _row(self, rng: random.Random, driver: int, *, discharge: bool) -> Row:
        start_s = rng.randrange(0, DAY_S // 900) * 900
        return Row(
            account=AccountId(driver),
            energy_wh=EnergyWh(rng.randrange(300, 20_000)),
            start_offset_s=start_s + rng.randrange(0, 300),
            duration_s=rng.randrange(60, 600),
            tariff_offset=len(CHARGE_PRICES) if discharge else start_s * len(CHARGE_PRICES) // DAY_S,
        )

    def drivers(self) -> list[int]:
        """Numbers of the accounts that have money."""
        first = len(OTHER_ACCOUNTS) + 1
        return list(range(first, first + self.accounts))

    def _deploy(self) -> None:
        accounts = self._contract("AccountRegistry", *(self.key(n).address for n in OTHER_ACCOUNTS[:3]))
        stations = self._contract("StationRegistry", accounts.address, MODULE_DELAY_S)
        tariffs = self._contract("TariffBook", accounts.address)
        token = self._contract("SettlementToken", accounts.address)
        escrow = self._contract("Escrow", accounts.address, token.address, WITHDRAWAL_DELAY_S, MODULE_DELAY_S)
        shared = (accounts.address, tariffs.address, escrow.address)
        positions = self._contract("PositionBook", *shared, CLOSE_AFTER_S, SETTLE_WITHIN_S)
        settlement = self._contract(
            "SessionSettlement", accounts.address, stations.address, *shared[1:], positions.address
        )
        self.send(token.functions.setEscrow(escrow.address))
        self.send(accounts.functions.setTreasury(escrow.address))
        self.send(escrow.functions.proposeModule(positions.address))
        for gate in (stations, escrow):
            self.send(gate.functions.proposeModule(settlement.address))
            self.send(gate.functions.sealModules())

    def _contract(self, name: str, *args: object) -> Contract:
        self.contracts[name] = self.deployed(compiled()[name], *args)
        return self.contracts[name]

    def _enrol(self) -> None:
        accounts, token, escrow = (self.contracts[n] for n in ("AccountRegistry", "SettlementToken", "Escrow"))
        operator = self.key("operator").address
        self.send(accounts.functions.openAccount(operator, _ZERO))
        number = accounts.functions.accountOf(operator).call()
        for role in OPERATOR_ROLES:
            self.send(accounts.functions.grantRole(number, role))
        owners = [address_of(key_of(f"driver {i}")) for i in range(self.accounts)]
        for at in range(0, len(owners), 500):
            part = owners[at : at + 500]
            self.send(accounts.functions.openAccounts(part, [_ZERO] * len(part)), "operator")
        signers = [address_of(key_of(f"station {i}")) for i in range(1, self.stations + 1)]
        stations = self.contracts["StationRegistry"].functions
        self.send(stations.registerStations(signers, RATED_POWER_W, self.bidirectional), "operator")
        self._publish(number)
        deposits = dict.fromkeys(self.drivers(), DEPOSIT_MICRO) | {number: OPERATOR_DEPOSIT_MICRO}
        self.send(token.functions.mint(operator, sum(deposits.values())), "operator")
        self.send(token.functions.approve(escrow.address, sum(deposits.values())), "operator")
        deposit = escrow.functions.deposit
        self.send_together((deposit(account, amount_micro), "operator") for account, amount_micro in deposits.items())

    def _request(self, method: str, *parameters: object) -> None:
        self.web3.provider.make_request(RPCEndpoint(method), list(parameters))

    def _publish(self, operator: int) -> None:
        third = DAY_S // len(CHARGE_PRICES)
        charge = [
            (operator, 0, price, DAY_START + i * third, DAY_START + (i + 1) * third)
            for i, price in enumerate(CHARGE_PRICES)
        ]
        discharge = (operator, 1, DISCHARGE_PRICE, DAY_START, DAY_START + DAY_S)
        self.send(self.contracts["TariffBook"].functions.publish([*charge, discharge]), "operator")
