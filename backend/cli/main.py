"""The command `wattledger`."""

import typer

from backend.cli import evidence
from backend.cli.audit import audit_command
from backend.cli.bid import bid_command
from backend.cli.events import events_command
from backend.cli.market import auctions_command, positions_command
from backend.cli.plan import plan_command
from backend.cli.status import status_command

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Wattledger: energy trade that anybody can re-check."
)


@app.callback()
def _root() -> None:
    """Wattledger: energy trade that anybody can re-check."""


app.command("audit")(audit_command)
app.command("auctions")(auctions_command)
app.command("bid")(bid_command)
app.command("events")(events_command)
app.command("plan")(plan_command)
app.command("positions")(positions_command)
app.command("status")(status_command)
app.add_typer(evidence.app, name="evidence")


def main() -> None:
    """Entry point of the command `wattledger`."""
    app()
