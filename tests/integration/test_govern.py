"""Governing from the command line, on a real chain: each verb does what it says, each refusal says why."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from scripts.anvil import ROOT
from scripts.deploy import run
from scripts.govern import app
from scripts.plan import Role
from tests.integration.deployed import (
    AUDITOR,
    GOVERNOR,
    ISSUER,
    OPERATOR,
    STRANGER,
    Deployed,
    deployed,
    key_of,
    keystore,
    undone,
)

STATION_KEY, NEW_KEY, MEMBER = key_of(0x21), key_of(0x22), key_of(0x23)
STATION = 1
WEEK_S = 7 * 86_400
MONEY_MICRO = 3_000_000
VERBS = {str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands}


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("govern")) as place:
        place.transact(OPERATOR, "StationRegistry", "registerStation", STATION_KEY.address, 22_000, True, 0, 0)
        place.transact(OPERATOR, "AccountRegistry", "openAccount", MEMBER.address, MEMBER.address)
        for key in (GOVERNOR, OPERATOR, STRANGER):
            keystore(place.file.parent, key)
        yield place


@pytest.fixture
def at(unchanged: Deployed) -> Iterator[Deployed]:
    with undone(unchanged.rpc):
        yield unchanged


def govern(
    at: Deployed, *words: object, key: LocalAccount | None = GOVERNOR, file: Path | None = None, status: int = 0
) -> str:
    """Runs the command; what it said, spaces and line breaks made one."""
    options = ["--rpc", at.rpc, "--deployment", str(file or at.file)]
    if key is not None:
        folder = at.file.parent
        options += ["--keystore", str(folder / f"{key.address}.json")]
        options += ["--passphrase-file", str(folder / "passphrase")]
    done = CliRunner().invoke(app, [*options, *map(str, words)], env={"COLUMNS": "200"})
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return re.sub(r"\s+", " ", done.output)


def refused(at: Deployed, *words: object, key: LocalAccount = GOVERNOR) -> str:
    return govern(at, *words, key=key, status=1)


def account(at: Deployed, key: LocalAccount) -> int:
    return int(at.view("AccountRegistry", "accountOf", key.address))


def roles(at: Deployed, key: LocalAccount) -> int:
    return int(at.view("AccountRegistry", "rolesOf", account(at, key)))


def deposit(at: Deployed, owner: LocalAccount) -> None:
    at.transact(ISSUER, "SettlementToken", "mint", owner.address, MONEY_MICRO)
    at.transact(owner, "SettlementToken", "approve", at.address("Escrow"), MONEY_MICRO)
    at.transact(owner, "Escrow", "deposit", account(at, owner), MONEY_MICRO)


def test_pause_and_unpause(at: Deployed) -> None:
    said = govern(at, "pause")
    assert "paused: no settlement, no deposit" in said
    assert re.search(r"transaction 0x[0-9a-f]{64}, block \d+", said)
    assert at.view("Escrow", "paused")
    assert "refused; settlement and deposits are paused" in refused(at, "pause")
    govern(at, "unpause")
    assert not at.view("Escrow", "paused")
    assert "refused; nothing is paused" in refused(at, "unpause")


def test_whoever_is_not_governor_is_told_so(at: Deployed) -> None:
    said = refused(at, "pause", key=OPERATOR)
    assert f"{OPERATOR.address} lacks the role for this: it needs governor" in said
    assert not at.view("Escrow", "paused")
    assert f"{STRANGER.address} owns no open account" in refused(at, "suspend", STATION, key=STRANGER)


def test_freeze_and_thaw(at: Deployed) -> None:
    assert "no payout for 24 hours" in govern(at, "freeze", 24)
    now = at.web3.eth.get_block("latest")["timestamp"]
    assert at.view("Escrow", "frozenUntil") == now + 24 * 3600
    govern(at, "thaw")
    assert at.view("Escrow", "frozenUntil") <= at.web3.eth.get_block("latest")["timestamp"]
    said = refused(at, "freeze", 1)
    assert re.search(r"the next freeze is possible from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on", said)
    at.pass_time(WEEK_S)
    assert "a freeze of 262800 s is too long; at most 259200 s" in refused(at, "freeze", 73)
    govern(at, "freeze", 72)


def test_balance_cap(at: Deployed) -> None:
    assert "above 2.50 euro" in govern(at, "balance-cap", 2_500_000)
    assert at.view("Escrow", "balanceCap") == 2_500_000
    govern(at, "balance-cap", 0)
    assert at.view("Escrow", "balanceCap") == 0


def test_role_is_given_and_taken(at: Deployed) -> None:
    assert f"{STRANGER.address} owns no account" in refused(at, "grant", "settler", STRANGER.address)
    assert f"{STRANGER.address} is a member" in govern(at, "open-account", STRANGER.address)
    assert "owns account" in refused(at, "open-account", STRANGER.address)
    number = account(at, STRANGER)
    assert f"account {number} holds: settler" in govern(at, "grant", "settler", STRANGER.address)
    assert f"account {number} holds: settler, auditor" in govern(at, "grant", "auditor", number)
    assert roles(at, STRANGER) == Role.SETTLER | Role.AUDITOR
    assert f"account {number} holds: auditor" in govern(at, "revoke", "settler", number)
    assert roles(at, STRANGER) == Role.AUDITOR
    assert "account 999 does not exist, or is closed" in refused(at, "grant", "auditor", 999)


def test_governor_hands_over_to_another_key_and_the_last_one_stays(at: Deployed) -> None:
    assert "is the last governor" in refused(at, "revoke", "governor", GOVERNOR.address)
    govern(at, "open-account", STRANGER.address)
    govern(at, "grant", "governor", STRANGER.address)
    govern(at, "revoke", "governor", GOVERNOR.address, key=STRANGER)
    assert roles(at, GOVERNOR) == 0
    assert "lacks the role" in refused(at, "pause")
    govern(at, "pause", key=STRANGER)


def test_account_is_closed_when_it_is_empty_and_opened_again(at: Deployed) -> None:
    deposit(at, MEMBER)
    number = account(at, MEMBER)
    assert f"account {number} must be empty to be closed" in refused(at, "close-account", number)
    at.transact(MEMBER, "Escrow", "requestWithdrawal", number, MONEY_MICRO)
    at.pass_time(3_600)
    at.transact(MEMBER, "Escrow", "withdraw", number)
    assert f"holds {MONEY_MICRO} micro-euro of the token" in refused(at, "close-account", number)
    at.transact(MEMBER, "SettlementToken", "transfer", ISSUER.address, MONEY_MICRO)
    assert f"account {number} is closed" in govern(at, "close-account", MEMBER.address)
    assert not at.view("AccountRegistry", "isOpen", number)
    assert "is closed already" in refused(at, "close-account", number)
    govern(at, "reopen-account", number)
    assert at.view("AccountRegistry", "isOpen", number)
    assert "is not closed" in refused(at, "reopen-account", number)
    assert "its roles are auditor" in refused(at, "close-account", AUDITOR.address)


def record_debt(at: Deployed) -> int:
    """MEMBER owes OPERATOR 2 euro, as if its rows had been set aside; the debt's number."""
    debtor, creditor, module = account(at, MEMBER), account(at, OPERATOR), at.address("SessionSettlement")
    at.request("anvil_impersonateAccount", module)
    record = at.contract("Escrow").functions.recordDebts(1, [(debtor, creditor, 2_000_001, 2_000_000)])
    sent = record.transact({"from": at.web3.to_checksum_address(module), "gasPrice": at.web3.to_wei(0, "wei")})
    assert at.web3.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 1
    return int(at.view("Escrow", "debtsOf", debtor)[1])


def test_debt_is_written_off(at: Deployed) -> None:
    debtor, creditor, number = account(at, MEMBER), account(at, OPERATOR), record_debt(at)
    assert f"no open debt with number {number + 1}" in refused(at, "write-off", debtor, number + 1)
    said = govern(at, "write-off", MEMBER.address, number)
    assert f"account {debtor} no longer owes 2.000001 euro" in said
    assert f"account {creditor} would have received 2.000000" in said
    assert at.view("Escrow", "debtsOf", debtor)[0] == 0


def test_station_is_suspended_by_governance_until_governance_reactivates_it(at: Deployed) -> None:
    govern(at, "suspend", STATION)
    assert "is like this already" in refused(at, "suspend", STATION)
    govern(at, "suspend", STATION, key=OPERATOR)
    assert "still suspended by its operator" in govern(at, "reactivate", STATION)
    assert "still suspended" not in govern(at, "reactivate", STATION, key=OPERATOR)
    assert "there is no station 99" in refused(at, "suspend", 99)


def test_key_that_was_lost_is_cut_off_and_replaced(at: Deployed) -> None:
    lost_at = at.web3.eth.get_block("latest")["timestamp"] - 60
    said = govern(at, "revoke-key", STATION, STATION_KEY.address, "--valid-until", lost_at)
    assert f"{STATION_KEY.address} does not sign for what ended after" in said
    assert at.view("StationRegistry", "keyValidUntil", STATION, STATION_KEY.address) == lost_at
    later = refused(at, "revoke-key", STATION, STATION_KEY.address, "--valid-until", lost_at + 1)
    assert "only earlier than it already is" in later
    never = refused(at, "revoke-key", STATION, NEW_KEY.address, "--valid-until", 0)
    assert f"{NEW_KEY.address} is not, and never was, a key of station {STATION}" in never
    foreign = refused(at, "rotate-key", STATION, NEW_KEY.address)
    assert f"account {account(at, GOVERNOR)} does not operate station {STATION}" in foreign
    taken = refused(at, "rotate-key", STATION, STATION_KEY.address, key=OPERATOR)
    assert f"{STATION_KEY.address} is or was a key of station {STATION}" in taken
    assert f"signs with {NEW_KEY.address}" in govern(at, "rotate-key", STATION, NEW_KEY.address, key=OPERATOR)
    assert at.view("StationRegistry", "stationOf", STATION)[0] == NEW_KEY.address


def test_module_is_replaced_behind_the_timelock(at: Deployed, tmp_path: Path) -> None:
    """Settlement and the court that judges its rows: deployed, published, proposed, awaited, the old ones removed."""
    first, second = tmp_path / "settlement.json", tmp_path / "both.json"
    assert "may do nothing" not in govern(at, "deploy-module", "SessionSettlement", "--out", first, key=STRANGER)
    govern(at, "deploy-module", "DisputeCourt", "--out", second, key=STRANGER, file=first)
    published = json.loads(second.read_text())
    new = {name: published["contracts"][name]["address"] for name in ("SessionSettlement", "DisputeCourt")}
    old = {name: at.address(name) for name in new}
    assert published["contracts"]["DisputeCourt"]["arguments"]["settlement"] == new["SessionSettlement"]
    assert set(new.values()).isdisjoint(old.values())
    assert run(["--rpc", at.rpc, "--check", str(second)]) == 1
    for gate, name in (("stations", "SessionSettlement"), ("escrow", "SessionSettlement"), ("escrow", "DisputeCourt")):
        said = govern(at, "propose-module", gate, new[name])
        assert f"its code is this build's {name}" in said
        assert "it acts from " in said
        assert "is a module already" in refused(at, "propose-module", gate, new[name])
    assert not at.view("Escrow", "isModule", new["SessionSettlement"])
    status = govern(at, "status", key=None, file=second)
    assert status.count("WAITS until") == 3
    assert status.count("not in the file") == 3
    at.pass_time(WEEK_S - 60)
    assert not at.view("Escrow", "isModule", new["SessionSettlement"])
    at.pass_time(61)
    assert at.view("Escrow", "isModule", new["SessionSettlement"])
    for gate, name in (("stations", "SessionSettlement"), ("escrow", "SessionSettlement"), ("escrow", "DisputeCourt")):
        assert "may do nothing" in govern(at, "remove-module", gate, old[name])
    assert run(["--rpc", at.rpc, "--check", str(second)]) == 0
    assert run(["--rpc", at.rpc, "--check", str(at.file)]) == 1


def test_each_line_of_the_guide_runs_in_its_order(at: Deployed, tmp_path: Path) -> None:
    """docs/how-to/govern.md, with its words in capitals replaced by what they stand for."""
    text = (ROOT / "docs" / "how-to" / "govern.md").read_text()
    lines = [line.split()[2:] for line in re.findall(r"^ *\.venv/bin/python (-m scripts\..*)$", text, re.MULTILINE)]
    files = {"OLD": at.file, "FIRST": tmp_path / "first.json", "NEW": tmp_path / "new.json", "FILE": at.file}
    words: dict[str, object] = {"STATION": STATION, "NUMBER": record_debt(at), "DEBTOR": MEMBER.address, "URL": at.rpc}
    words["UNIX_SECONDS"] = at.web3.eth.get_block("latest")["timestamp"] - 60
    modules = ("SessionSettlement", "DisputeCourt")
    proposed: list[str] = []
    removed: list[str] = []
    verbs: list[str] = []
    for options in lines:
        file = files[options[options.index("--deployment") + 1]] if "--deployment" in options else at.file
        words |= {name: path for name, path in files.items() if name != "FILE"}
        if "--check" in options:
            assert run([str(words.get(word, word)) for word in options]) == 0
            continue
        verb = next(word for word in options if word in VERBS)
        verbs.append(verb)
        said = options[options.index(verb) :]
        gate = said[1] if len(said) > 1 else ""
        if verb in ("propose-module", "remove-module"):
            if verb == "remove-module" and not removed:
                at.pass_time(WEEK_S + 1)
            source, done = (files["NEW"], proposed) if verb == "propose-module" else (at.file, removed)
            for name in modules[: 1 if gate == "stations" else 2]:
                address = json.loads(source.read_text())["contracts"][name]["address"]
                govern(at, verb, gate, address, file=files["NEW"])
                done.append(f"{gate} {name}")
            continue
        words["ADDRESS"] = {"revoke-key": STATION_KEY, "rotate-key": NEW_KEY}.get(verb, STRANGER).address
        key = OPERATOR if verb == "rotate-key" else GOVERNOR
        govern(at, *(words.get(word, word) for word in said), key=key, file=file)
    assert proposed == removed == ["stations SessionSettlement", "escrow SessionSettlement", "escrow DisputeCourt"]
    assert set(verbs) == VERBS - {"balance-cap"}


def test_proposal_is_taken_back_and_foreign_code_is_warned_of(at: Deployed, tmp_path: Path) -> None:
    nowhere = refused(at, "propose-module", "escrow", STRANGER.address)
    assert f"there is no contract at {STRANGER.address}" in nowhere
    assert "WARNING: its code is no contract of this build" in nowhere
    at.request("anvil_setCode", STRANGER.address, "0x6001")
    assert "WARNING" in govern(at, "propose-module", "escrow", STRANGER.address)
    govern(at, "remove-module", "escrow", STRANGER.address)
    assert at.view("Escrow", "moduleActiveFrom", STRANGER.address) == 0
    assert "is no module here" in refused(at, "remove-module", "escrow", STRANGER.address)
    assert "TariffBook is no module" in refused(at, "deploy-module", "TariffBook", "--out", tmp_path / "x.json")
    assert "exists; move it away" in refused(at, "deploy-module", "DisputeCourt", "--out", at.file)


def test_status_tells_all_of_it_without_a_key(at: Deployed) -> None:
    before = govern(at, "status", key=None)
    assert "go on" in before
    assert "are paid" in before
    assert before.count(" acts ") == 5
    for key, words in (
        (GOVERNOR, "governor"),
        (OPERATOR, "operator, settler"),
        (ISSUER, "issuer"),
        (AUDITOR, "auditor"),
    ):
        assert f"{key.address} │ {words} " in before
    govern(at, "pause")
    govern(at, "freeze", 2)
    govern(at, "suspend", STATION)
    govern(at, "suspend", STATION, key=OPERATOR)
    govern(at, "balance-cap", 5_000_000)
    after = govern(at, "status", key=None)
    for words in ("PAUSED", "FROZEN until ", "possible from ", "5.00 euro", "its operator and governance"):
        assert words in after
        assert words not in before


def test_what_cannot_work_is_told_in_one_line(at: Deployed, tmp_path: Path) -> None:
    assert "give --keystore" in govern(at, "pause", key=None, status=1)
    assert "cannot read the deployments file" in govern(at, "status", key=None, file=tmp_path / "no.json", status=1)
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_text("{}")
    assert "no deployments file of ours" in govern(at, "status", key=None, file=nonsense, status=1)
    nonsense.write_text("nonsense")
    assert "no deployments file of ours" in govern(at, "status", key=None, file=nonsense, status=1)
    nonsense.write_text(json.dumps(at.state() | {"chainId": 1}))
    assert "is of chain 1, 31337 answers" in govern(at, "status", key=None, file=nonsense, status=1)
    assert "'0x1' is no address" in refused(at, "open-account", "0x1")
    done = CliRunner().invoke(app, ["--rpc", "http://127.0.0.1:1", "--deployment", str(at.file), "status"])
    assert done.exit_code == 1
    assert "no chain answers at http://127.0.0.1:1" in done.output
