"""Errors of the use cases: what the chain answers, and what the service lacks.

They belong to the tree of `domain.errors`; HTTP status codes are in `backend.api.problems`.
"""

from collections.abc import Mapping

from domain.errors import AuthorisationRefused, NotFound, WattledgerError


class ChainUnavailable(WattledgerError):
    """The chain cannot be asked now."""


class ChainUnreachable(ChainUnavailable):
    """No chain answers, or another one than the deployments file names."""


class EvidenceUnavailable(WattledgerError):
    """The evidence store does not answer, or answers nothing that it should."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"the evidence store at {address} does not do its part: {reason}; check that it runs")
        self.address, self.reason = address, reason


class TransactionPending(WattledgerError):
    """A transaction is on its way, but no block holds it yet."""

    def __init__(self, transaction: bytes, waited_s: int) -> None:
        super().__init__(
            f"transaction 0x{transaction.hex()} is in no block after {waited_s} s; it is sent again until it is, "
            "ask for its effect later"
        )
        self.transaction, self.waited_s = transaction, waited_s


class TransactionRefused(WattledgerError):
    """The contracts refuse a call; nothing was sent. `name` and `values` are those of the contract's error."""

    def __init__(self, name: str, values: Mapping[str, object] | None = None) -> None:
        self.name, self.values = name, dict(values or {})
        shown = ", ".join(f"{key}={_shown(value)}" for key, value in self.values.items())
        super().__init__(f"{name}({shown})")


class SettlementRefused(TransactionRefused):
    """The contracts refuse a settlement batch; nothing was sent."""


class SettlementPaused(WattledgerError):
    """Nothing is settled for now."""

    def __init__(self) -> None:
        super().__init__("governance paused the escrow; what waits for settlement is kept, and settled once it goes on")


class Overloaded(WattledgerError):
    """More waits than the service takes on; nothing of the request was kept."""

    def __init__(self, what: str, retry_after_s: int) -> None:
        super().__init__(f"too many {what} wait to be taken in; send them again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class NoDriverKey(AuthorisationRefused):
    """Nobody can sign for a vehicle of this account."""

    def __init__(self, account: int) -> None:
        super().__init__(f"account {account} has no driver key; its owner must set one on chain first")
        self.account = account


class UnknownStatement(NotFound):
    """The station sent no statement of this number."""

    def __init__(self, station: int, sequence: int) -> None:
        super().__init__(f"station {station} sent no statement {sequence}")
        self.station, self.sequence = station, sequence


class UnknownSettlement(NotFound):
    """No settlement has this id."""

    def __init__(self, settlement: str) -> None:
        super().__init__("no settlement has this id")
        self.settlement = settlement[:64]


class NoOperatorAccount(NotFound):
    """The operator is no member yet."""

    def __init__(self, operator: bytes) -> None:
        super().__init__(f"the operator's address 0x{operator.hex()} owns no account; a governor must open one first")
        self.operator = operator


class IdempotencyKeyReused(WattledgerError):
    """The same idempotency key came with another request before."""

    def __init__(self, key: str) -> None:
        super().__init__("this idempotency key was used for another request before; take a new key for a new request")
        self.key = key


class OtherDeployment(WattledgerError):
    """The data belong to other contracts or another chain than the deployments file names."""


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


class AuditStopped(WattledgerError):
    """An audit that cannot go on. The service never answers with it."""


class WorkerDied(AuditStopped):
    """A process that proves blobs ended before its time."""

    def __init__(self, cid: str) -> None:
        super().__init__(
            f"a process that proves blobs ended before its time, at blob {cid} or near it; was it killed, or short of "
            "memory? Run the audit again, with --jobs 1 to use no such process"
        )
        self.cid = cid


class ChainMoved(AuditStopped):
    """The chain is not what it was when the audit began, or when its checkpoint was written."""


class ClaimsNotComparable(AuditStopped):
    """What a server says holds at another block than any that the audit can reach."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the claims cannot be compared: {reason}; run the audit again")


class CheckpointUnusable(AuditStopped):
    """A checkpoint that nobody can go on from; the text says what to do."""
