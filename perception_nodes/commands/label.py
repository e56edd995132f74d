"""`permanence label`: a person names an object of a memory."""

from __future__ import annotations

import argparse

from perception_nodes.memory.options import add_memory_option

_EPILOG = """\
examples:
  permanence recall                        lists the objects and their ids
  permanence label o3 mug                  from now on o3 is called mug
  permanence label o3 "red mug" --memory kitchen/memory.db

On a running robot, call the service `label` instead: only one program writes to a memory.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "label",
        help="give an object a name",
        description="Give an object of a memory a name, by which it can be recalled.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("id", help="the object, such as o3")
    parser.add_argument("name", help="what it is called from now on")
    add_memory_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Name it and say what it is now."""
    from perception_nodes.memory.writer import existing_memory

    with existing_memory(args.memory) as memory:
        memory.label(args.id, args.name)
        print(memory.where_is(args.id).sentence)
    return 0
