"""What contracts refuse, in words that say what to do."""

from collections.abc import Mapping
from datetime import UTC, datetime

from scripts.chain import CallRefused
from scripts.plan import role_names

_WORDS = {
    "MissingRole": "{caller} lacks the role for this: it needs {role}",
    "NotAMember": "{caller} owns no open account",
    "AlreadyMember": "{owner} owns account {account} already",
    "UnknownAccount": "account {account} does not exist, or is closed",
    "NotAccountOwner": "{caller} does not own account {account}",
    "CannotClose": "account {account} is closed already, or is the house or the dust account, which stay",
    "NotClear": "account {account} must be empty to be closed: its owner holds {tokenMicro} micro-euro of the token, "
    "its roles are {roles}; if both are nothing, then the escrow holds or locks something for it, or it owes something",
    "NotClosed": "account {account} is not closed",
    "LastGovernor": "account {account} is the last governor; grant the role to another one first",
    "IsPaused": "settlement and deposits are paused",
    "NotPaused": "nothing is paused",
    "FreezeTooLong": "a freeze of {durationS} s is too long; at most {mostS} s",
    "FreezeTooSoon": "the next freeze is possible from {possibleFrom} on: members must have had time to leave",
    "NoDebt": "account {debtor} has no open debt with number {number}",
    "ModuleKnown": "{module} is a module already, active from {activeFrom} on",
    "NotAModule": "{caller} is no module here",
    "NotAContract": "there is no contract at {account}",
    "UnknownStation": "there is no station {station}",
    "NoChange": "station {station} is like this already, as far as this key's account can decide it",
    "NotAKey": "{signer} is not, and never was, a key of station {station}",
    "CannotExtend": "a key can be cut off only in the past, and only earlier than it already is; {validUntil} is not",
    "NotStationOperator": "account {caller} does not operate station {station}: account {payee} does",
    "SignerTaken": "{signer} is or was a key of station {station}; make a new one",
    "ZeroSigner": "a station needs a key",
}
_TIMES = {"possibleFrom", "activeFrom", "validUntil", "frozenUntil"}


def in_words(refused: CallRefused) -> str:
    """The refusal as a sentence; its name and values, if there is none for it."""
    words = _WORDS.get(refused.error)
    if words is None:
        return str(refused)
    return f"{refused.what}: refused; {words.format_map(_Shown(refused.values))}"


def time_text(seconds: int) -> str:
    """A moment as people read it, UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


class _Shown(dict[str, str]):
    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__({name: _shown(name, value) for name, value in values.items()})

    def __missing__(self, key: str) -> str:
        return f"({key}?)"


def _shown(name: str, value: object) -> str:
    if isinstance(value, int) and name in _TIMES:
        return time_text(value)
    if isinstance(value, int) and name in ("role", "roles"):
        return role_names(value)
    return str(value)
