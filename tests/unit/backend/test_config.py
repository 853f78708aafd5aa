"""Settings: clear about what is wrong, silent about secrets."""

from pathlib import Path

import pytest

from backend.config import SettingsInvalid, load_settings

TOKEN = "0123456789abcdef"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """All that must be set."""
    values = {}
    for name in ("DEPLOYMENT_FILE", "OPERATOR_KEYSTORE_FILE", "OPERATOR_PASSPHRASE_FILE", "API_TOKEN_FILE"):
        file = tmp_path / name.lower()
        file.write_text(TOKEN + "\n")
        values[f"WATTLEDGER_{name}"] = str(file)
    return values


def test_defaults_are_for_one_machine(environment: dict[str, str]) -> None:
    settings = load_settings(environment)

    assert (settings.host, settings.port, settings.body_limit_bytes) == ("127.0.0.1", 8000, 4 * 1024 * 1024)
    assert (settings.confirmations, settings.auto_settle) == (0, True)
    assert settings.api_token == TOKEN


def test_secrets_are_not_shown(environment: dict[str, str]) -> None:
    environment["WATTLEDGER_RPC_URL"] = "https://user:password@node"

    shown = repr(load_settings(environment))

    assert TOKEN not in shown
    assert "password@" not in shown


def test_everything_that_is_wrong_is_said_at_once(environment: dict[str, str]) -> None:
    del environment["WATTLEDGER_API_TOKEN_FILE"]
    environment |= {
        "WATTLEDGER_PORT": "70000",
        "WATTLEDGER_RPC_URL": "ws://node",
        "WATTLEDGER_AUTO_SETTLE": "maybe",
        "WATTLEDGER_CONFIRMATIONS": "1.0",
        "WATTLEDGER_DEPLOYMENT_FILE": "/nowhere",
    }

    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environment)

    for name in ("API_TOKEN_FILE", "PORT", "RPC_URL", "AUTO_SETTLE", "CONFIRMATIONS", "DEPLOYMENT_FILE"):
        assert f"WATTLEDGER_{name}" in str(caught.value)


@pytest.mark.parametrize("token", ["", "short", "0123456789abcde\x07f", "0123456789abcdé"])
def test_a_weak_token_is_refused(environment: dict[str, str], token: str) -> None:
    Path(environment["WATTLEDGER_API_TOKEN_FILE"]).write_text(token)

    with pytest.raises(SettingsInvalid, match="API_TOKEN_FILE"):
        load_settings(environment)
