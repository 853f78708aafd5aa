"""The platform for use on this machine: chain, contracts and backend, until Ctrl-C."""

import argparse
import shutil
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console

from scripts.anvil import ROOT, AnvilFailed
from scripts.chain import ChainFailed
from scripts.platform import Platform, PlatformFailed, platform

DEFAULT_PORT = 8000


def main() -> None:
    """Serves until it is asked to stop. The chain lives in memory: each start begins with an empty one."""
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="TCP port of the API at 127.0.0.1")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "serve", help="where data goes")
    arguments = parser.parse_args()
    console = Console()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if arguments.folder.exists():
        shutil.rmtree(arguments.folder)
    try:
        with platform(arguments.folder, console.print, port=arguments.port) as at:
            console.print(f"API {at.url} · OpenAPI {at.url}/docs · chain {at.rpc}", highlight=False, soft_wrap=True)
            console.print(f"token for operators: {at.folder / 'keys' / 'api-token'}", highlight=False, soft_wrap=True)
            console.print(f"contracts: {at.deployment}", highlight=False, soft_wrap=True)
            console.print(f"to govern: {_govern_command(at)}", highlight=False, soft_wrap=True)
            console.print("Ctrl-C stops it", highlight=False)
            stopped.wait()
    except (AnvilFailed, ChainFailed, PlatformFailed, OSError) as error:
        console.print(f"serve: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)


def _govern_command(at: Platform) -> str:
    keystore = at.keys("governor") / "governor.json"
    key = f"--keystore {keystore} --passphrase-file {at.passphrase_file}"
    return f"python -m scripts.govern --rpc {at.rpc} --deployment {at.deployment} {key} status"


if __name__ == "__main__":
    main()
