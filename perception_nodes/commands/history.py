"""`permanence history`: everything that happened to an object."""

from __future__ import annotations

import argparse

from perception_nodes.memory.options import add_memory_option

_UNKNOWN = 3

_EPILOG = """\
examples:
  permanence history mug                   what happened to it, oldest first
  permanence history o3 --json             for other programs

exit status: 0 answered, 1 failed, 2 wrong usage, 3 the memory knows no such object
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "history",
        help="everything that happened to an object",
        description="List everything that a memory knows to have happened to an object.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("object", help="an id or a label")
    add_memory_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the events as a table, or as JSON."""
    from perception_nodes.memory.console import print_events
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        known = bool(memory.find(args.object))
        if known or args.json:
            print_events(memory.history(args.object), memory.start or 0, json=args.json)
        else:
            print(memory.where_is(args.object).sentence)
    return 0 if known else _UNKNOWN
