"""The command-line options that commands of the memory share."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_nodes.memory.times import Moment, moment, period

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


def add_time_options(parser: argparse.ArgumentParser) -> None:
    """Let the user say which time is meant."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--at",
        type=moment,
        metavar="TIME",
        help="then instead of now: seconds since the recording began, or an ISO 8601 time",
    )
    when.add_argument(
        "--ago", type=period, metavar="TIME", help="so long before the end: 30s, 2min, 1.5h, 2d"
    )


def time_of(args: argparse.Namespace, start: int | None, now: int | None) -> int | None:
    """The message time that is meant, ns; None for now.

    Args:
        args: With the options of `add_time_options`.
        start: Stamp of the first frame of the memory's newest session, ns.
        now: Its newest message time, ns.
    """
    at: Moment | None = args.at
    ago: int | None = args.ago
    if at is not None:
        return at.stamp(start or 0)
    return None if ago is None else (now or 0) - ago
