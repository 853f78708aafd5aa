"""Governs a deployed platform from the command line: one verb, one transaction, and what it changed in words.

Everything is checked by the contracts; a refusal is told with what to do. `status` needs no key.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from requests.exceptions import RequestException
from rich.console import Console
from rich.table import Table
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from domain.text import address_text, parse_address
from domain.units import MICRO_PER_EURO
from scripts.chain import CallRefused, ChainFailed, Sender, connect, open_key
from scripts.compile import CompileFailed, compiled
from scripts.deploy import ZERO_ADDRESS, Deployer
from scripts.inspection import Inspector
from scripts.plan import GATES, MODULES, Role, plan_of, role_names
from scripts.refusals import in_words, time_text

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


class Gate(StrEnum):
    """Contracts that let modules act."""

    ESCROW = "escrow"
    STATIONS = "stations"


class RoleName(StrEnum):
    """Roles that governance gives and takes."""

    GOVERNOR = "governor"
    OPERATOR = "operator"
    SETTLER = "settler"
    AUDITOR = "auditor"
    ISSUER = "issuer"


GATE_CONTRACTS = {Gate.ESCROW: "Escrow", Gate.STATIONS: "StationRegistry"}
MODULE_NAMES = sorted({module for _, module in MODULES})


@dataclass(slots=True)
class Desk:
    """The contracts in a deployments file, and the key that acts."""

    rpc: str
    deployment: Path
    keystore: Path | None
    passphrase_file: Path | None
    limit_s: float
    console: Console
    _state: dict[str, Any] | None = None
    _web3: Web3 | None = None

    @property
    def web3(self) -> Web3:
        """The chain, which must be the file's."""
        if self._web3 is None:
            web3 = connect(self.rpc)
            if web3.eth.chain_id != self.state["chainId"]:
                raise ChainFailed(f"{self.deployment} is of chain {self.state['chainId']}, {web3.eth.chain_id} answers")
            self._web3 = web3
        return self._web3

    @property
    def state(self) -> dict[str, Any]:
        if self._state is None:
            try:
                state: dict[str, Any] = json.loads(self.deployment.read_text())
                plan_of(state)
            except OSError as error:
                raise ChainFailed(f"cannot read the deployments file {self.deployment}: {error.strerror}") from error
            except ValueError as error:
                raise ChainFailed(f"{self.deployment} is no deployments file of ours") from error
            self._state = state
        return self._state

    def address(self, name: str) -> str:
        return str(self.state["contracts"][name]["address"])

    def contract(self, name: str) -> Contract:
        entry = self.state["contracts"][name]
        contract: Contract = self.web3.eth.contract(address=entry["address"], abi=entry["abi"])
        return contract

    def view(self, name: str, function: str, *args: object) -> Any:
        return self.contract(name).functions[function](*args).call()

    def send(self, name: str, function: str, *args: object, what: str, done: str) -> None:
        """One call, with the key; says `done` afterwards."""
        if self.keystore is None:
            raise ChainFailed("give --keystore: this changes something, so somebody must sign it")
        web3, key = self.web3, open_key(self.keystore, self.passphrase_file)
        errors = [e for entry in self.state["contracts"].values() for e in entry["abi"] if e["type"] == "error"]
        sender = Sender(web3, key, lambda _: None, errors, limit_s=self.limit_s)
        receipt = sender.send(self.contract(name).functions[function](*args), what)
        self.say(f"{done}\ntransaction {receipt['transactionHash'].to_0x_hex()}, block {receipt['blockNumber']}")

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def account(self, who: str) -> int:
        """An account by its number or its owner's address."""
        if who.isdecimal():
            return int(who)
        account = int(self.view("AccountRegistry", "accountOf", _address(who)))
        if account == 0:
            raise ChainFailed(f"{who} owns no account")
        return account


@contextmanager
def _at_desk(context: typer.Context) -> Iterator[Desk]:
    """The desk; what goes wrong is told in one line, with exit status 1."""
    desk: Desk = context.obj
    try:
        yield desk
    except CallRefused as error:
        _fail(in_words(error), error)
    except (ChainFailed, CompileFailed, Web3Exception, RequestException, OSError) as error:
        _fail(str(error), error)


def _fail(text: str, error: Exception) -> None:
    typer.echo(f"govern: {text}", err=True)
    raise typer.Exit(1) from error


@app.callback()
def common(
    context: typer.Context,
    rpc: Annotated[str, typer.Option(help="JSON-RPC address of the chain")] = "http://127.0.0.1:8545",
    deployment: Annotated[Path, typer.Option(help="Deployments file")] = Path("var/deployment.json"),
    keystore: Annotated[Path | None, typer.Option(help="Keystore file of the key that acts")] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with its passphrase; else WATTLEDGER_PASSPHRASE")
    ] = None,
    limit_s: Annotated[float, typer.Option(help="How long to wait until a block holds the transaction, s")] = 120,
) -> None:
    """Govern a deployed platform: one verb, one transaction, and what it changed in words. `status` needs no key."""
    context.obj = Desk(rpc, deployment, keystore, passphrase_file, limit_s, Console())


# --- what stops ---------------------------------------------------------------------------------


@app.command()
def pause(context: typer.Context) -> None:
    """Stop settlement and deposits. Withdrawals go on. Governor."""
    with _at_desk(context) as desk:
        desk.send(
            "Escrow", "pause", what="pause", done="paused: no settlement, no deposit, no new dispute; withdrawals go on"
        )


@app.command()
def unpause(context: typer.Context) -> None:
    """Let settlement and deposits go on. Governor."""
    with _at_desk(context) as desk:
        desk.send("Escrow", "unpause", what="unpause", done="settlement and deposits go on")


@app.command()
def freeze(context: typer.Context, hours: Annotated[int, typer.Argument(min=1, help="How long, at most 72")]) -> None:
    """Stop payouts of withdrawals for a while; it ends by itself. Governor."""
    with _at_desk(context) as desk:
        desk.send("Escrow", "freezeWithdrawals", hours * 3600, what="freeze", done=f"no payout for {hours} hours")
        desk.say(f"until {time_text(desk.view('Escrow', 'frozenUntil'))}")


@app.command()
def thaw(context: typer.Context) -> None:
    """End a freeze early. Governor."""
    with _at_desk(context) as desk:
        desk.send("Escrow", "thawWithdrawals", what="thaw", done="withdrawals are paid again")


@app.command("balance-cap")
def balance_cap(
    context: typer.Context, micro: Annotated[int, typer.Argument(min=0, help="Micro-euro; 0 for no cap")]
) -> None:
    """Cap what deposits may lift an account to. Governor."""
    with _at_desk(context) as desk:
        done = f"no deposit lifts an account above {micro / MICRO_PER_EURO:,.2f} euro" if micro else "no cap"
        desk.send("Escrow", "setBalanceCap", micro, what="balance cap", done=done)


# --- members ------------------------------------------------------------------------------------

Member = Annotated[str, typer.Argument(help="Number of the account, or its owner's address")]
RoleArgument = Annotated[RoleName, typer.Argument(help="The role")]


@app.command("open-account")
def open_account(
    context: typer.Context, owner: Annotated[str, typer.Argument(help="Address that will own it")]
) -> None:
    """Open an account. Governor or operator."""
    with _at_desk(context) as desk:
        address = _address(owner)
        what = f"open an account for {address}"
        desk.send("AccountRegistry", "openAccount", address, ZERO_ADDRESS, what=what, done=f"{address} is a member")
        desk.say(f"account {desk.account(address)}")


@app.command()
def grant(context: typer.Context, role: RoleArgument, member: Member) -> None:
    """Give a role to an account. Governor."""
    with _at_desk(context) as desk:
        account, what = desk.account(member), f"grant {role} to {member}"
        desk.send("AccountRegistry", "grantRole", account, int(Role[role.name]), what=what, done=f"granted {role}")
        desk.say(f"account {account} holds: " + role_names(desk.view("AccountRegistry", "rolesOf", account)))


@app.command()
def revoke(context: typer.Context, role: RoleArgument, member: Member) -> None:
    """Take a role from an account; the last governor stays. Governor."""
    with _at_desk(context) as desk:
        account, what = desk.account(member), f"revoke {role} from {member}"
        desk.send("AccountRegistry", "revokeRole", account, int(Role[role.name]), what=what, done=f"revoked {role}")
        desk.say(f"account {account} holds: " + role_names(desk.view("AccountRegistry", "rolesOf", account)))


@app.command("close-account")
def close_account(context: typer.Context, member: Member) -> None:
    """Close an account that holds nothing and owes nothing. Governor, or its owner."""
    with _at_desk(context) as desk:
        account = desk.account(member)
        desk.send(
            "AccountRegistry",
            "closeAccount",
            account,
            what=f"close account {account}",
            done=f"account {account} is closed; its vehicle key is worth nothing",
        )


@app.command("reopen-account")
def reopen_account(context: typer.Context, member: Member) -> None:
    """Open a closed account again, for the same owner. Governor or operator."""
    with _at_desk(context) as desk:
        account = desk.account(member)
        what = f"reopen account {account}"
        desk.send("AccountRegistry", "reopenAccount", account, what=what, done=f"account {account} is open again")


@app.command("write-off")
def write_off(
    context: typer.Context,
    debtor: Annotated[str, typer.Argument(help="Account that owes: number or owner's address")],
    number: Annotated[int, typer.Argument(min=0, help="Number of the debt, see DebtRecorded")],
) -> None:
    """Give a debt up. Governor."""
    with _at_desk(context) as desk:
        account = desk.account(debtor)
        creditor, _, _, owed_micro, share_micro = desk.view("Escrow", "debtOf", account, number)
        done = (
            f"account {account} no longer owes {owed_micro / MICRO_PER_EURO:,.6f} euro, "
            f"of which account {creditor} would have received {share_micro / MICRO_PER_EURO:,.6f}"
        )
        desk.send(
            "Escrow", "writeOff", account, number, what=f"write off debt {number} of account {account}", done=done
        )


# --- stations -----------------------------------------------------------------------------------

Station = Annotated[int, typer.Argument(min=1, help="Number of the station")]
Signer = Annotated[str, typer.Argument(help="Address of the key")]


@app.command()
def suspend(context: typer.Context, station: Station) -> None:
    """Stop a station: nothing that it signs is settled. Governor, or its operator."""
    with _at_desk(context) as desk:
        done = f"station {station} is suspended; whoever suspended it re-activates it"
        desk.send("StationRegistry", "suspendStation", station, what=f"suspend station {station}", done=done)


@app.command()
def reactivate(context: typer.Context, station: Station) -> None:
    """End one's own suspension of a station. Governor, or its operator."""
    with _at_desk(context) as desk:
        what = f"reactivate station {station}"
        desk.send("StationRegistry", "reactivateStation", station, what=what, done=f"{what}: done")
        _, _, _, _, _, by_operator, by_governance, _, _ = desk.view("StationRegistry", "stationOf", station)
        if by_operator or by_governance:
            desk.say(f"it is still suspended by {'its operator' if by_operator else 'governance'}")


@app.command("revoke-key")
def revoke_key(
    context: typer.Context,
    station: Station,
    signer: Signer,
    valid_until: Annotated[
        int, typer.Option(min=0, help="What ended after this second does not settle with it; 0 for nothing at all")
    ],
) -> None:
    """Cut a station's key off, as from the moment it was lost. Governor, or the station's operator."""
    with _at_desk(context) as desk:
        address = _address(signer)
        until = f"what ended after {time_text(valid_until)}" if valid_until else "anything"
        done = f"{address} does not sign for {until}"
        what = f"revoke key {address} of station {station}"
        desk.send("StationRegistry", "revokeKey", station, address, valid_until, what=what, done=done)


@app.command("rotate-key")
def rotate_key(context: typer.Context, station: Station, signer: Signer) -> None:
    """Give a station a new key; the one before it signs for what has ended. The station's operator."""
    with _at_desk(context) as desk:
        address = _address(signer)
        what = f"rotate the key of station {station}"
        done = f"station {station} signs with {address} from now on"
        desk.send("StationRegistry", "rotateKey", station, address, what=what, done=done)


# --- modules ------------------------------------------------------------------------------------

GateArgument = Annotated[Gate, typer.Argument(help="Which contract is to let it act")]
Module = Annotated[str, typer.Argument(help="Address of the module")]


@app.command("deploy-module")
def deploy_module(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"Contract of this build: {' or '.join(MODULE_NAMES)}")],
    out: Annotated[Path, typer.Option(help="Deployments file to write, with the new module in it")],
) -> None:
    """Deploy this build's module beside the one in the file. It may do nothing until governance proposes it."""
    with _at_desk(context) as desk:
        if name not in MODULE_NAMES:
            raise ChainFailed(f"{name} is no module; give {' or '.join(MODULE_NAMES)}")
        if desk.keystore is None:
            raise ChainFailed("give --keystore: somebody must sign the deployment")
        if out.exists():
            raise ChainFailed(f"{out} exists; move it away or give another file")
        key = open_key(desk.keystore, desk.passphrase_file)
        deployer = Deployer(desk.web3, key, out, desk.say, limit_s=desk.limit_s)
        address = deployer.replace(name, desk.state)
        desk.say(f"{name} is at {address}; {out} has it. Publish the file, then propose the module")


@app.command("propose-module")
def propose_module(context: typer.Context, gate: GateArgument, module: Module) -> None:
    """Let a contract act as a module after the wait. Governor."""
    with _at_desk(context) as desk:
        name, address = GATE_CONTRACTS[gate], _address(module)
        desk.say(_known_code(desk, address))
        what = f"propose {address} to the {gate}"
        desk.send(name, "proposeModule", address, what=what, done=f"proposed to the {gate}")
        active_from = desk.view(name, "moduleActiveFrom", address)
        desk.say(f"it acts from {time_text(active_from)} on, unless it is removed before")


@app.command("remove-module")
def remove_module(context: typer.Context, gate: GateArgument, module: Module) -> None:
    """Stop a module at once, or take a proposal back. Governor."""
    with _at_desk(context) as desk:
        name, address = GATE_CONTRACTS[gate], _address(module)
        what = f"remove {address} from the {gate}"
        desk.send(name, "removeModule", address, what=what, done=f"{address} may do nothing with the {gate} any more")


def _known_code(desk: Desk, address: str) -> str:
    code = bytes(desk.web3.eth.get_code(Web3.to_checksum_address(address)))
    names = [name for name, artifact in compiled().items() if artifact.is_deployed_as(code)]
    return f"its code is this build's {names[0]}" if names else "WARNING: its code is no contract of this build"


# --- status -------------------------------------------------------------------------------------


@app.command()
def status(context: typer.Context) -> None:
    """Show what is paused and frozen, who holds which role, which modules act, which stations are suspended."""
    with _at_desk(context) as desk:
        plan, deployer = plan_of(desk.state)
        at = {name: desk.address(name) for name in desk.state["contracts"]}
        inspector = Inspector(desk.web3, plan, deployer, at, desk.state["deployBlock"])
        now = int(desk.web3.eth.get_block("latest")["timestamp"])
        desk.console.print(_escrow_table(desk, now), _modules_table(desk, inspector, now))
        desk.console.print(_roles_table(inspector), _stations_table(desk, inspector))


def _escrow_table(desk: Desk, now: int) -> Table:
    table = _table("Escrow", "what", "how it is")
    frozen_until, cap_micro = desk.view("Escrow", "frozenUntil"), desk.view("Escrow", "balanceCap")
    table.add_row("settlement and deposits", "PAUSED" if desk.view("Escrow", "paused") else "go on")
    table.add_row("withdrawals", f"FROZEN until {time_text(frozen_until)}" if now < frozen_until else "are paid")
    if frozen_until:
        next_freeze = frozen_until + desk.view("Escrow", "moduleDelay")
        table.add_row("next freeze", f"possible from {time_text(next_freeze)} on")
    table.add_row("balance cap", f"{cap_micro / MICRO_PER_EURO:,.2f} euro" if cap_micro else "none")
    table.add_row("new modules wait", f"{desk.view('Escrow', 'moduleDelay'):,} s")
    return table


def _modules_table(desk: Desk, inspector: Inspector, now: int) -> Table:
    table = _table("Modules", "of", "address", "what", "how it is")
    names = {entry["address"]: name for name, entry in desk.state["contracts"].items()}
    for gate in GATES:
        for address, active_from in inspector.modules(gate).items():
            acts = "acts" if active_from <= now else f"WAITS until {time_text(active_from)}"
            table.add_row(gate, address, names.get(address, "not in the file"), acts)
    return table


def _roles_table(inspector: Inspector) -> Table:
    table = _table("Roles", "account", "owner", "roles")
    for holder in inspector.holders():
        if holder.roles:
            table.add_row(str(holder.account), holder.owner, role_names(holder.roles))
    return table


def _stations_table(desk: Desk, inspector: Inspector) -> Table:
    table = _table("Suspended stations", "station", "by")
    registry = desk.contract("StationRegistry")
    numbers = {event["args"]["station"] for event in inspector.events(registry.events.StationSuspended())}
    for station in sorted(numbers):
        _, _, _, _, _, by_operator, by_governance, _, _ = desk.view("StationRegistry", "stationOf", station)
        by = [who for who, is_so in (("its operator", by_operator), ("governance", by_governance)) if is_so]
        if by:
            table.add_row(str(station), " and ".join(by))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("address", "owner"))
    return table


def _address(text: str) -> str:
    try:
        return address_text(parse_address(text))
    except ValueError as error:
        raise ChainFailed(f"{text!r} is no address: {error}") from error


if __name__ == "__main__":
    app()
