"""Settings from the environment, WATTLEDGER_*. Secrets are in files and never shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from backend.application.settlements import BatchPolicy

PREFIX = "WATTLEDGER_"
MIN_TOKEN_CHARACTERS = 16
MIN_RETENTION_DAYS, MAX_RETENTION_DAYS = 366, 36_600
"""A court of disputes gives at most 366 days to dispute a row; until then its evidence must be there."""
EVIDENCE_STORES = ("embedded", "kubo")
MARKET_CLOCKS = ("system", "blocks")

Value = TypeVar("Value")


class SettingsInvalid(Exception):
    """What is missing or wrong in the environment, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are and how the service behaves."""

    data_dir: Path
    rpc_url: str = field(repr=False)  # May hold a user's name and password.
    deployment_file: Path
    keystore_file: Path
    passphrase_file: Path
    api_token: str = field(repr=False)
    grid_operator_token: str | None = field(repr=False)
    host: str
    port: int
    body_limit_bytes: int
    confirmations: int
    poll_ms: int
    auto_settle: bool
    auto_auction: bool
    auto_schedule: bool
    plan_deadline_ms: int
    market_clock: str
    batch_statements: int
    batch_age_s: int
    batch_gas: int
    batches_in_flight: int
    evidence: str
    ipfs_api: str
    ipfs_secret: str | None = field(repr=False)
    evidence_retention_days: int | None

    @property
    def database(self) -> Path:
        return self.data_dir / "wattledger.sqlite"

    @property
    def batch_policy(self) -> BatchPolicy:
        return BatchPolicy(self.batch_statements, self.batch_age_s, self.batches_in_flight)

    @property
    def evidence_dir(self) -> Path:
        return self.data_dir / "evidence"


def load_settings(environment: Mapping[str, str]) -> Settings:
    """The settings; SettingsInvalid names everything that is wrong, all at once."""
    source = _Source(environment)
    settings = Settings(
        data_dir=source.value("DATA_DIR", _path, "var/backend"),
        rpc_url=source.value("RPC_URL", _url, "http://127.0.0.1:8545"),
        deployment_file=source.value("DEPLOYMENT_FILE", _file, "var/deployment.json"),
        keystore_file=source.value("OPERATOR_KEYSTORE_FILE", _file),
        passphrase_file=source.value("OPERATOR_PASSPHRASE_FILE", _file),
        api_token=source.value("API_TOKEN_FILE", _token),
        grid_operator_token=source.value("GRID_OPERATOR_TOKEN_FILE", _optional(_token), ""),
        host=source.value("HOST", str, "127.0.0.1"),
        port=source.value("PORT", _within(1, 65_535), "8000"),
        body_limit_bytes=source.value("BODY_LIMIT_BYTES", _within(1024, 1 << 30), str(4 * 1024 * 1024)),
        confirmations=source.value("CONFIRMATIONS", _within(0, 1000), "0"),
        poll_ms=source.value("POLL_MS", _within(10, 60_000), "200"),
        auto_settle=source.value("AUTO_SETTLE", _flag, "true"),
        auto_auction=source.value("AUTO_AUCTION", _flag, "true"),
        auto_schedule=source.value("AUTO_SCHEDULE", _flag, "true"),
        plan_deadline_ms=source.value("PLAN_DEADLINE_MS", _within(10, 60_000), "1000"),
        market_clock=source.value("MARKET_CLOCK", _one_of(MARKET_CLOCKS), "system"),
        batch_statements=source.value("BATCH_STATEMENTS", _within(1, 65_535), "32"),
        batch_age_s=source.value("BATCH_AGE_S", _within(0, 86_400), "60"),
        batch_gas=source.value("BATCH_GAS", _within(100_000, 1 << 40), "10000000"),
        batches_in_flight=source.value("BATCHES_IN_FLIGHT", _within(1, 1000), "16"),
        evidence=source.value("EVIDENCE", _one_of(EVIDENCE_STORES), "embedded"),
        ipfs_api=source.value("IPFS_API", _multiaddr, "/ip4/127.0.0.1/tcp/5001"),
        ipfs_secret=source.value("IPFS_AUTH_FILE", _optional(read_secret), ""),
        evidence_retention_days=source.value(
            "EVIDENCE_RETENTION_DAYS", _optional(_within(MIN_RETENTION_DAYS, MAX_RETENTION_DAYS)), ""
        ),
    )
    if settings.api_token is not None and settings.grid_operator_token == settings.api_token:
        source.refuse("GRID_OPERATOR_TOKEN_FILE", "names a file with the operator's token; give another one")
    source.check()
    return settings


class _Source:
    """Reads one variable after the other and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._wrong: list[str] = []

    def value(self, name: str, parse: Callable[[str], Value], default: str | None = None) -> Value:
        text = self._environment.get(PREFIX + name, default)
        try:
            if text is None:
                raise ValueError("is not set")
            return parse(text)
        except (ValueError, OSError) as error:
            self.refuse(name, str(error))
            # Never used: `check` raises before the settings leave this file.
            return None  # type: ignore[return-value]

    def refuse(self, name: str, why: str) -> None:
        """Counts a variable that was read as wrong."""
        self._wrong.append(f"{PREFIX}{name} {why}")

    def check(self) -> None:
        if self._wrong:
            raise SettingsInvalid("; ".join(self._wrong))


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _file(text: str) -> Path:
    path = _path(text)
    if not path.is_file():
        raise ValueError(f"names no file: {path}")
    return path


def _token(text: str) -> str:
    token = _file(text).read_text().strip()
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
        raise ValueError(f"names a file without a token of at least {MIN_TOKEN_CHARACTERS} printable characters")
    return token


def read_secret(file: str) -> str:
    """The secret in a file: what Kubo's API.Authorizations ask for. ValueError if it is no single line of text."""
    secret = _file(file).read_text().strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("names a file that is not one line of printable characters")
    return secret


def _multiaddr(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable():
        raise ValueError("must be a multiaddr, such as /ip4/127.0.0.1/tcp/5001")
    return text


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be {' or '.join(names)}")
        return text

    return parse


def _optional(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    return lambda text: parse(text) if text else None


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return text


def _flag(text: str) -> bool:
    flags = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
    if text.lower() not in flags:
        raise ValueError("must be true or false")
    return flags[text.lower()]


def _within(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return int(text)

    return parse
