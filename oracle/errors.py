"""What can go wrong beside a station or a vehicle. Each error carries its values and says what to do."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from domain.errors import WattledgerError
from domain.text import address_text


class OracleError(WattledgerError):
    """Root of the oracle's own errors."""


# --- keys --------------------------------------------------------------------------------------


class KeystoreInvalid(OracleError):
    """A keystore, or a folder of them, that cannot be used as it is."""


class WrongPassphrase(OracleError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: the passphrase does not open this keystore")
        self.path = path


class PassphraseMissing(OracleError):
    pass


class KeyMissing(OracleError):
    """A device whose registered key is not among ours."""

    def __init__(self, who: str, address: bytes) -> None:
        super().__init__(
            f"{who} is registered with key {address_text(address)}, which is not in the keystore; check --keystore"
        )
        self.who, self.address = who, address


# --- input files -------------------------------------------------------------------------------


class SessionsFileInvalid(OracleError):
    """A file of sessions with something in it that cannot have happened."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class NoSessionsOnDate(OracleError):
    def __init__(self, path: Path, day: date, present: Sequence[date]) -> None:
        shown = ", ".join(map(str, present)) or "none"
        super().__init__(f"{path}: no session arrives on {day}; the file has sessions on: {shown}")
        self.path, self.day, self.present = path, day, present


class SiteMapInvalid(OracleError):
    """A map from the file's names to on-chain numbers that does not fit."""


class RecordingUnfit(OracleError):
    """Recorded sessions that cannot be replayed as asked."""


class PlanInvalid(OracleError):
    """A file of plans that cannot be followed."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}, line {line}: not a plan of one interval; let the bidding agents write a new file")
        self.path, self.line = path, line


# --- spool -------------------------------------------------------------------------------------


class SpoolUnusable(OracleError):
    """A spool that is in use, or holds another network's or service's messages."""


class SignedDifferently(OracleError):
    """Something else was already signed under this number; signing it again would be two truths."""

    def __init__(self, kind: str, device: int, sequence: int) -> None:
        super().__init__(f"{kind} {sequence} of {device} was already signed with other content; nothing was sent")
        self.kind, self.device, self.sequence = kind, device, sequence


class SpoolBehind(OracleError):
    """The backend knows more of a device's series than its spool: the spool was lost or exchanged."""

    def __init__(self, who: str, what: str, ours: int, theirs: int) -> None:
        super().__init__(
            f"{who}: the backend has {what} {theirs}, this spool ends at {ours}; use the spool it was signed with"
        )
        self.who, self.what, self.ours, self.theirs = who, what, ours, theirs


class TimeAlreadyPassed(OracleError):
    """A session that starts before something the station has already signed."""

    def __init__(self, station: int, key: str, arrival_s: int, last_s: int) -> None:
        super().__init__(
            f"station {station}: session {key} arrives at {arrival_s}, but its readings have reached {last_s}; "
            "replay days in order, or use a new deployment and spool"
        )
        self.station, self.key, self.arrival_s, self.last_s = station, key, arrival_s, last_s


# --- backend -----------------------------------------------------------------------------------


class BackendUnavailable(OracleError):
    def __init__(self, url: str, tries: int, reason: str) -> None:
        super().__init__(f"{url} did not answer in {tries} tries ({reason}); start the backend and run this again")
        self.url, self.tries, self.reason = url, tries, reason


class BackendRefused(OracleError):
    """The backend understood and said no. `problem` is the last part of the problem's type (RFC 9457)."""

    def __init__(self, path: str, status: int, problem: str, detail: str) -> None:
        super().__init__(f"{path}: {status} {problem}: {detail}")
        self.path, self.status, self.problem, self.detail = path, status, problem, detail


class BackendAnswerInvalid(OracleError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: the answer cannot be understood: {reason}")
        self.path, self.reason = path, reason


class DevicesHalted(OracleError):
    """Some devices could not go on; the others are done."""

    def __init__(self, halted: Sequence[str]) -> None:
        super().__init__(f"{len(halted)} could not go on, the others are done; the first: {halted[0]}")
        self.halted = halted


# --- the market --------------------------------------------------------------------------------


class NoMarketPrice(OracleError):
    """Nobody knows what energy costs that is not traded in an interval."""

    def __init__(self, grid: int, direction: str, interval_s: int) -> None:
        super().__init__(
            f"grid account {grid} published no {direction} price that holds in all of interval {interval_s}; "
            "publish one before vehicles bid"
        )
        self.grid, self.direction, self.interval_s = grid, direction, interval_s
