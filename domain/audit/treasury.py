"""The escrow's money between batches: deposits, withdrawals, caps, freezes, debts and locks, and what guards them."""

from dataclasses import dataclass

from domain.audit.findings import FindingCode
from domain.audit.gates import Gates
from domain.audit.ledger import AccountBook, Args, Books, DebtBook
from domain.audit.report import Report
from domain.chain import ChainEvent
from domain.units import DUST_ACCOUNT, UnixSeconds

MAX_FREEZE_S = 72 * 3600


@dataclass(slots=True)
class Guards:
    """What governance has set for the whole escrow."""

    paused: bool = False
    balance_cap_micro: int = 0
    frozen_until_s: int = 0


@dataclass(slots=True)
class _Budget:
    """What may still be collected from an account in one transaction."""

    tx: bytes
    account: int
    left_micro: int


class Treasury:
    """Takes the escrow's events into the books, in their order, and reports what its rules do not allow."""

    def __init__(self, books: Books, gates: Gates, report: Report) -> None:
        self._books, self._gates, self._report = books, gates, report
        self.guards = Guards()
        self._budget = _Budget(b"", 0, 0)
        self._deposits: list[tuple[str, int]] = []

    def note(self, event: ChainEvent, time_s: UnixSeconds) -> None:  # noqa: C901, PLR0912 - one case for each event
        """Takes an event of a block of this time. KeyError if no earlier event knows its account."""
        args = event.args
        where = f"block {event.block}, {event.name}"
        match event.name:
            case "Deposited":
                self._deposited(event, time_s, where)
            case "WithdrawalRequested":
                self._requested(args, where)
            case "WithdrawalCancelled":
                book = self._books.accounts[args["account"]]
                book.requested_micro -= args["amountMicro"]
                book.free_micro += args["amountMicro"]
            case "Withdrawn":
                self._withdrawn(args, time_s, where)
            case "DailyCapSet":
                book = self._books.accounts[args["account"]]
                book.cap = book.cap.with_cap(args["capMicro"])
            case "BalanceCapSet":
                self.guards.balance_cap_micro = args["capMicro"]
            case "Paused" | "Unpaused":
                self.guards.paused = event.name == "Paused"
            case "WithdrawalsFrozen":
                self._frozen(args["until"], time_s, where)
            case "WithdrawalsThawed":
                self.guards.frozen_until_s = min(self.guards.frozen_until_s, time_s)
            case "DebtRecorded":
                self._recorded(args, where)
            case "DebtCollected":
                self._collected(event, time_s, where)
            case "DebtWrittenOff" | "DebtReduced":
                self._lowered(event, where)
            case "Locked":
                self._locked(args, where)
            case "Released":
                self._released(args, where)

    def end_transaction(self) -> None:
        """Holds deposits against the balance cap: what pays debts in the same transaction does not count."""
        for where, account in self._deposits:
            free_micro = self._books.accounts[account].free_micro
            if 0 < self.guards.balance_cap_micro < free_micro:
                most = f"at most {self.guards.balance_cap_micro} micro-euro"
                self._guard(f"{where}: account {account}", most, f"{free_micro} micro-euro")
        self._deposits.clear()

    def check_closed(self, account: int, where: str) -> None:
        """An account that is closed must hold nothing and owe nothing."""
        money = self._books.accounts[account].money_micro
        if any(money):
            self._guard(
                f"{where}: account {account} (free, withdrawal, locked, owed)", "an account that is clear", money
            )

    # --- in and out ------------------------------------------------------------------------------

    def _deposited(self, event: ChainEvent, time_s: int, where: str) -> None:
        account, amount_micro = event.args["account"], event.args["amountMicro"]
        self._check_running(where)
        if not self._gates.is_sealed("Escrow"):
            self._guard(where, "a gate that is sealed before money comes in", "one that is not")
        book = self._books.accounts[account]
        book.free_micro += amount_micro
        self._deposits.append((where, account))
        # A deposit pays debts beside the daily cap.
        spendable_micro = book.cap.spendable_micro(book.free_micro, time_s)
        self._budget = _Budget(event.tx, account, min(spendable_micro + amount_micro, book.free_micro))

    def _requested(self, args: Args, where: str) -> None:
        book = self._books.accounts[args["account"]]
        if book.free_micro < args["amountMicro"] + book.owed_micro:
            self._guard(f"{where}: account {args['account']}", f"{book.owed_micro} micro-euro owed to stay", "less")
        book.free_micro -= args["amountMicro"]
        book.requested_micro += args["amountMicro"]
        book.available_at_s = args["availableAt"]

    def _withdrawn(self, args: Args, time_s: int, where: str) -> None:
        book = self._books.accounts[args["account"]]
        earliest_s = max(book.available_at_s, self.guards.frozen_until_s)
        if time_s < earliest_s:
            self._guard(f"{where}: account {args['account']}", f"no payout before {earliest_s}", f"one at {time_s}")
        book.requested_micro -= args["amountMicro"]

    def _frozen(self, until_s: int, time_s: int, where: str) -> None:
        if until_s > time_s + MAX_FREEZE_S:
            self._guard(where, f"a freeze until {time_s + MAX_FREEZE_S} at most", f"one until {until_s}")
        possible_from_s = self.guards.frozen_until_s + self._gates.module_delay_s
        if self.guards.frozen_until_s and time_s < possible_from_s:
            self._guard(where, f"no other freeze before {possible_from_s}", f"one at {time_s}")
        self.guards.frozen_until_s = until_s

    # --- debts -----------------------------------------------------------------------------------

    def _recorded(self, args: Args, where: str) -> None:
        debts = self._books.account(args["debtor"]).debts
        if args["number"] != len(debts):
            self._report(FindingCode.DEBT_MISMATCH, where, f"debt number {len(debts)}", f"number {args['number']}")
        debts.append(DebtBook(args["creditor"], args["batch"], args["owedMicro"], args["shareMicro"]))

    def _collected(self, event: ChainEvent, time_s: int, where: str) -> None:
        args = event.args
        debtor, owed_micro, share_micro = args["debtor"], args["owedMicro"], args["shareMicro"]
        self._check_running(where)
        book = self._books.accounts[debtor]
        place = f"{where}: debt {args['number']} of account {debtor}"
        debt = self._debt(book, args["number"])
        expected = (debt.creditor, debt.owed_micro, debt.share_micro) if debt else None
        found = (args["creditor"], owed_micro, share_micro)
        if debt is None or expected != found or owed_micro == 0:
            self._report(
                FindingCode.DEBT_COLLECTION, f"{place} (creditor, owed, share)", str(expected or "no debt"), str(found)
            )
        if any(earlier.owed_micro for earlier in book.debts[: args["number"]]):
            self._report(FindingCode.DEBT_COLLECTION, place, "older debts first", "one that is not the oldest")
        if (self._budget.tx, self._budget.account) != (event.tx, debtor):
            self._budget = _Budget(event.tx, debtor, book.cap.spendable_micro(book.free_micro, time_s))
        if owed_micro > self._budget.left_micro:
            left = f"at most {self._budget.left_micro} micro-euro that could be spent"
            self._report(FindingCode.DEBT_COLLECTION, place, left, f"{owed_micro} micro-euro")
        self._budget.left_micro -= owed_micro
        book.pay(owed_micro, time_s)
        self._books.account(args["creditor"]).free_micro += share_micro
        self._books.account(DUST_ACCOUNT).free_micro += owed_micro - share_micro
        if debt is not None:
            debt.owed_micro = debt.share_micro = 0

    def _lowered(self, event: ChainEvent, where: str) -> None:
        """A debt that was written off, or a part of one that is not owed."""
        args = event.args
        place = f"{where}: debt {args['number']} of account {args['debtor']}"
        debt = self._debt(self._books.accounts[args["debtor"]], args["number"])
        if debt is None or debt.owed_micro == 0:
            self._report(FindingCode.DEBT_MISMATCH, place, "an open debt", "none")
            return
        if event.name == "DebtWrittenOff":
            if (debt.creditor, debt.owed_micro) != (args["creditor"], args["owedMicro"]):
                self._report(
                    FindingCode.DEBT_MISMATCH,
                    f"{place} (creditor, owed)",
                    str((debt.creditor, debt.owed_micro)),
                    str((args["creditor"], args["owedMicro"])),
                )
            debt.owed_micro, debt.share_micro, debt.written_off = 0, 0, True
            return
        left = (debt.owed_micro - args["owedMicro"], debt.share_micro - args["shareMicro"])
        if not 0 <= left[1] <= left[0]:
            self._report(FindingCode.DEBT_MISMATCH, f"{place} (owed, share)", "no more than is owed", f"{left} left")
        debt.owed_micro, debt.share_micro = left

    def _debt(self, book: AccountBook, number: int) -> DebtBook | None:
        return book.debts[number] if number < len(book.debts) else None

    # --- locks -----------------------------------------------------------------------------------

    def _locked(self, args: Args, where: str) -> None:
        self._check_running(where)
        book = self._books.accounts[args["account"]]
        if book.free_micro < args["amountMicro"]:
            free = f"at most {book.free_micro} micro-euro"
            self._report(FindingCode.BOND_MISMATCH, where, free, f"{args['amountMicro']} micro-euro")
        book.free_micro -= args["amountMicro"]
        book.locked_micro[args["module"]] = book.locked_micro.get(args["module"], 0) + args["amountMicro"]

    def _released(self, args: Args, where: str) -> None:
        locked = self._books.accounts[args["account"]].locked_micro
        held_micro = locked.get(args["module"], 0)
        if held_micro < args["amountMicro"]:
            held = f"at most {held_micro} micro-euro"
            self._report(FindingCode.BOND_MISMATCH, where, held, f"{args['amountMicro']} micro-euro")
        locked[args["module"]] = held_micro - args["amountMicro"]
        self._books.account(args["to"]).free_micro += args["amountMicro"]

    def _check_running(self, where: str) -> None:
        if self.guards.paused:
            self._guard(where, "nothing while the escrow is paused", "a movement")

    def _guard(self, where: str, expected: str, found: object) -> None:
        self._report(FindingCode.GUARD_PASSED, where, expected, str(found))
