"""What all benchmarks share: their command line, and how they show their figures."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

NAME_WIDTH = 40


def command_line(description: str | None) -> argparse.ArgumentParser:
    """A benchmark's command line, before its own options."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object to the standard output")
    return parser


def show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """The figures line by line, unless they are wanted as JSON alone; the last line is one JSON object."""
    if not as_json:
        for name, value in figures.items():
            sys.stdout.write(f"{name:{NAME_WIDTH}} {value}\n")
    sys.stdout.write(json.dumps(figures) + "\n")
