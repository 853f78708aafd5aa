"""Members: opening accounts and paying in for them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.application.filters import AccountFilter, Page
from backend.application.idempotency import Once
from backend.application.operations import Operations
from backend.application.ports import ChainView, Store
from backend.application.records import AccountRecord, Balance, DebtRecord, OutboxState
from domain.errors import Malformed, OutOfRange, UnknownAccount
from domain.units import AccountId

MEMBERS_PER_CALL = 100
MAX_MEMBERS = 500
MAX_DEPOSIT_MICRO = (1 << 63) - 1
NO_KEY = bytes(20)
MAX_DEBTS_SHOWN = 100
_MINT, _DEPOSITS = "mint", "deposits"


@dataclass(frozen=True, slots=True)
class Member:
    """Whom to open an account for; without a driver key it cannot charge."""

    owner: bytes
    driver_key: bytes | None


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money for one account, micro-euro."""

    account: int
    amount_micro: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account with what it has in the escrow now and owes. `debts` are the oldest of its open ones."""

    record: AccountRecord
    balance: Balance
    owed_micro: int
    debts: Sequence[DebtRecord] = ()


@dataclass(frozen=True, slots=True)
class Accounts:
    """The use cases around accounts."""

    store: Store
    chain: ChainView
    operations: Operations
    _paying_in: threading.Lock = field(default_factory=threading.Lock)

    def get(self, account: int) -> AccountView:
        """UnknownAccount if there is none."""
        with self.store.read() as unit:
            record = unit.accounts.find(account)
            if record is None:
                raise UnknownAccount(account)
            owed_micro, debts = unit.debts.owed_micro(account), unit.debts.open_of(account, MAX_DEBTS_SHOWN)
        return AccountView(record, self.chain.balances_of([account])[0], owed_micro, debts)

    def page(self, page: Page, wanted: AccountFilter) -> list[AccountView]:
        with self.store.read() as unit:
            records = unit.accounts.page(page, wanted)
            owed = [unit.debts.owed_micro(record.account) for record in records]
        balances = self.chain.balances_of([record.account for record in records])
        return [AccountView(*one) for one in zip(records, balances, owed, strict=True)]

    def open(self, members: Sequence[Member], once: Once | None = None) -> list[AccountId]:
        """Opens one account for each member, all or none if the contracts refuse one now; their numbers."""
        if not 1 <= len(members) <= MAX_MEMBERS:
            raise OutOfRange("number of members", len(members), 1, MAX_MEMBERS)
        keys = [member.driver_key for member in members if member.driver_key]
        if len({member.owner for member in members}) < len(members) or len(set(keys)) < len(keys):
            raise Malformed("two members have the same owner or driver key; each needs its own")
        calls = [
            self.operations.transactions.call(
                "AccountRegistry",
                "openAccounts",
                [member.owner for member in some],
                [member.driver_key or NO_KEY for member in some],
            )
            for some in (members[at : at + MEMBERS_PER_CALL] for at in range(0, len(members), MEMBERS_PER_CALL))
        ]
        events = self.operations.run(calls, "accounts", once)
        return [AccountId(event.args["account"]) for event in events if event.name == "AccountOpened"]

    def pay_in(self, deposits: Sequence[Deposit], once: Once | None = None) -> None:
        """The operator mints what is paid in and deposits it for the members."""
        if not 1 <= len(deposits) <= MAX_MEMBERS:
            raise OutOfRange("number of deposits", len(deposits), 1, MAX_MEMBERS)
        with self.store.read() as unit:
            for deposit in deposits:
                if not 1 <= deposit.amount_micro <= MAX_DEPOSIT_MICRO:
                    raise OutOfRange("amount_micro", deposit.amount_micro, 1, MAX_DEPOSIT_MICRO)
                if unit.accounts.find(deposit.account) is None:
                    raise UnknownAccount(deposit.account)
        call, escrow = self.operations.transactions.call, self.operations.transactions.contract("Escrow")
        total = sum(deposit.amount_micro for deposit in deposits)
        mint = call("SettlementToken", "mint", self.operations.transactions.operator, total)
        approve = call("SettlementToken", "approve", escrow, total)
        # The allowance is a single number: two runs at the same time would take it from each other.
        with self._paying_in:
            stopped = once is not None and self._stopped_after_minting(once)
            self.operations.run([mint, approve], _MINT, once)
            if stopped:
                self.operations.run([approve], _MINT)
            calls = [call("Escrow", "deposit", d.account, d.amount_micro) for d in deposits]
            self.operations.run(calls, _DEPOSITS, once)

    def _stopped_after_minting(self, once: Once) -> bool:
        """Whether deposits are left to send after a stop; others may have used the allowance since."""
        keys = self.operations.keys
        sent = keys.sent(once, _DEPOSITS).values()
        return bool(keys.sent(once, _MINT)) and (not sent or any(one.state == OutboxState.LOST for one in sent))
