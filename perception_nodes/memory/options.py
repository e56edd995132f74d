"""The command-line option that all commands of the memory share."""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_MEMORY = Path("out") / "memory.db"
"""Where `permanence replay` and `permanence demo` leave their memory."""


def add_memory_option(parser: argparse.ArgumentParser) -> None:
    """Let the user say which memory is meant."""
    parser.add_argument(
        "--memory",
        type=Path,
        default=DEFAULT_MEMORY,
        metavar="FILE",
        help=f"the memory to ask (default: {DEFAULT_MEMORY}, where replay leaves it)",
    )
