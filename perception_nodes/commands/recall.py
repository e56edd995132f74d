"""`permanence recall`: ask a memory where an object is, was, and when it was seen last."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perception_nodes.memory.options import add_memory_option
from perception_nodes.memory.times import Moment, moment, period

if TYPE_CHECKING:
    from perception_nodes.memory.queries import MemoryQueries

_UNKNOWN = 3

_EPILOG = """\
examples:
  permanence recall                        every object that is known
  permanence recall mug                    where it is and when it was seen last
  permanence recall where was the mug --ago 30s
  permanence recall o3 --at 12.5           12.5 s after the recording began
  permanence recall --near 0.4 0 0.8 0.5   what is within 0.5 m of a place
  permanence recall mug --json             for other programs

exit status: 0 answered, 1 failed, 2 wrong usage, 3 the memory does not know
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "recall",
        help="where is an object, where was it, when was it seen",
        description="Ask a memory where an object is, was, and when it was seen last.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "question", nargs="*", help="an id, a label, or a question that contains one"
    )
    add_memory_option(parser)
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
    parser.add_argument(
        "--near",
        type=float,
        nargs=4,
        metavar=("X", "Y", "Z", "RADIUS"),
        help="only objects within a radius of a place, meters in the map",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer, and say with the exit status whether it is known."""
    import numpy as np

    from perception_nodes.memory.console import print_answer
    from perception_nodes.memory.question import recall
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        near = None if args.near is None else (np.array(args.near[:3]), args.near[3])
        answer = recall(memory, " ".join(args.question), _time(args, memory), near)
        print_answer(answer, memory.start, memory.now, table=not args.question, json=args.json)
    return 0 if answer.known else _UNKNOWN


def _time(args: argparse.Namespace, memory: MemoryQueries) -> int | None:
    """The message time that the question is about; None for now."""
    at: Moment | None = args.at
    ago: int | None = args.ago
    if at is not None:
        return at.stamp(memory.start or 0)
    return None if ago is None else (memory.now or 0) - ago
