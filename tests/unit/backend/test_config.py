"""Settings: clear about what is wrong, silent about secrets."""

from pathlib import Path

import pytest

from backend.config import MIN_RETENTION_DAYS, SettingsInvalid, load_settings
from scripts.anvil import ROOT

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


def test_there_is_no_grid_operator_unless_it_is_given_a_token(environment: dict[str, str], tmp_path: Path) -> None:
    assert load_settings(environment).grid_operator_token is None
    (tmp_path / "grid").write_text("fedcba9876543210\n")
    settings = load_settings(environment | {"WATTLEDGER_GRID_OPERATOR_TOKEN_FILE": str(tmp_path / "grid")})

    assert settings.grid_operator_token == "fedcba9876543210"
    assert "fedcba9876543210" not in repr(settings)


@pytest.mark.parametrize("token", ["", "short", "0123456789abcde\x07f", "0123456789abcdé", TOKEN])
def test_token_of_a_grid_operator_that_is_weak_or_the_operators_is_refused(
    environment: dict[str, str], tmp_path: Path, token: str
) -> None:
    (tmp_path / "grid").write_text(token)

    with pytest.raises(SettingsInvalid, match="WATTLEDGER_GRID_OPERATOR_TOKEN_FILE names a file with"):
        load_settings(environment | {"WATTLEDGER_GRID_OPERATOR_TOKEN_FILE": str(tmp_path / "grid")})


def test_evidence_is_embedded_and_kept_for_ever_unless_told_otherwise(environment: dict[str, str]) -> None:
    settings = load_settings(environment)

    assert (settings.evidence, settings.evidence_retention_days, settings.ipfs_secret) == ("embedded", None, None)
    assert settings.ipfs_api == "/ip4/127.0.0.1/tcp/5001"


def test_kubo_is_set_up_with_its_address_and_secret(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("bearer:not to be shown\n")
    environment |= {
        "WATTLEDGER_EVIDENCE": "kubo",
        "WATTLEDGER_IPFS_API": "/ip4/10.0.0.1/tcp/5001/https",
        "WATTLEDGER_IPFS_AUTH_FILE": str(tmp_path / "secret"),
        "WATTLEDGER_EVIDENCE_RETENTION_DAYS": "3660",
    }

    settings = load_settings(environment)

    assert (settings.evidence, settings.ipfs_api) == ("kubo", "/ip4/10.0.0.1/tcp/5001/https")
    assert (settings.ipfs_secret, settings.evidence_retention_days) == ("bearer:not to be shown", 3660)
    assert "not to be shown" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVIDENCE", "ipfs"),
        ("IPFS_API", "127.0.0.1:5001"),
        ("IPFS_AUTH_FILE", "/nowhere"),
        ("EVIDENCE_RETENTION_DAYS", "365"),
        ("EVIDENCE_RETENTION_DAYS", "-1"),
        ("EVIDENCE_RETENTION_DAYS", "for ever"),
    ],
)
def test_evidence_settings_that_are_wrong_are_named(environment: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"WATTLEDGER_{name} "):
        load_settings(environment | {f"WATTLEDGER_{name}": value})


def test_no_row_can_be_disputed_after_the_shortest_retention() -> None:
    court = (ROOT / "contracts" / "DisputeCourt.sol").read_text()

    assert "MAX_WINDOW_S = 366 days" in court
    assert MIN_RETENTION_DAYS == 366
