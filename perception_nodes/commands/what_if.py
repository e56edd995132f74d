"""`permanence what-if`: what usually happens after an action on an object."""

from __future__ import annotations

import argparse

from perception_nodes.memory.options import add_memory_option

_UNKNOWN = 3

_EPILOG = """\
examples:
  permanence what-if push mug              what happened the other times
  permanence what-if carry o3 --json       for other programs

The answer is counted in the log, not simulated.

exit status: 0 answered, 1 failed, 2 wrong usage, 3 it was never tried
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "what-if",
        help="what usually happens after an action on an object",
        description="Ask a memory what happened the other times that an action was tried.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", help="its name, such as push")
    parser.add_argument("object", help="an id or a label")
    add_memory_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer, and say with the exit status whether there are precedents."""
    from perception_nodes.memory.console import print_outcomes
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        found = memory.what_if(args.action, args.object)
        print_outcomes(found, json=args.json)
    return 0 if found.known else _UNKNOWN
