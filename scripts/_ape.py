"""`ape run deploy`: the deployment of scripts/deploy.py on the chain that ape is connected to.

It takes the same options but for --rpc, which ape knows: `ape run deploy --network ethereum:local:foundry
--keystore FILE ...`. Only ape imports this.
"""

import sys
from collections.abc import Callable, Sequence

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand


def command(run: Callable[[Sequence[str], str], int]) -> click.Command:
    """What ape runs: `run` with the options and the address of ape's chain."""

    @click.command(
        cls=ConnectedProviderCommand,
        context_settings={"ignore_unknown_options": True},
        short_help="Deploy the contracts, hand them over, write the deployments file",
    )
    @click.argument("options", nargs=-1, type=click.UNPROCESSED)
    def cli(provider: ProviderAPI, options: tuple[str, ...]) -> None:
        """Deploys, or compares with --check. Options as those of `python -m scripts.deploy`, but for --rpc."""
        endpoint = getattr(provider.web3.provider, "endpoint_uri", None)
        if endpoint is None:
            raise click.ClickException(f"ape's provider {provider.name} has no JSON-RPC address; use foundry or a node")
        sys.exit(run(options, str(endpoint)))

    made: click.Command = cli
    return made
