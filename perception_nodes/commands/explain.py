"""`permanence explain`: why an object is where it is, back to the first cause that is known."""

from __future__ import annotations

import argparse

from perception_nodes.memory.options import add_memory_option, add_time_options, time_of

_UNKNOWN = 3
_ATTRIBUTES = ("position", "visibility", "existence", "label")

_EPILOG = """\
examples:
  permanence explain mug                   why it is where it is: who or what moved it
  permanence explain mug --at 12.5         why it was there then
  permanence explain o3 --attribute visibility
  permanence explain o3 --json             for other programs

exit status: 0 answered, 1 failed, 2 wrong usage, 3 no cause is known
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="why is an object where it is",
        description="Ask a memory for the chain of causes behind what an object is now.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("object", help="an id or a label")
    add_memory_option(parser)
    add_time_options(parser)
    parser.add_argument("--attribute", choices=_ATTRIBUTES, default="position", help="what of it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer, and say with the exit status whether a cause is known."""
    from perception_nodes.memory.console import print_explanation
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        at = time_of(args, memory.start, memory.now)
        found = memory.explain(args.object, at, args.attribute)
        print_explanation(found, json=args.json)
    return 0 if found.known else _UNKNOWN
