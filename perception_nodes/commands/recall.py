"""`permanence recall`: ask a memory in plain words where things are and what happened."""

from __future__ import annotations

import argparse

from perception_nodes.memory.options import add_memory_option, add_time_options, time_of

_UNKNOWN = 3

_EPILOG = """\
examples:
  permanence recall                        every object that is known
  permanence recall mug                    where it is and when it was seen last
  permanence recall where was the mug 30 s ago
  permanence recall why did the mug move   who or what moved it
  permanence recall what changed           while the robot was off, or --ago 10min
  permanence recall what is near the mug
  permanence recall what happens if I push the mug
  permanence recall o3 --at 12.5           12.5 s after the recording began
  permanence recall --near 0.4 0 0.8 0.5   what is within 0.5 m of a place
  permanence recall mug --json             for other programs

exit status: 0 answered, 1 failed, 2 wrong usage, 3 the memory does not know
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "recall",
        help="where is an object, where was it, what changed, what is near",
        description="Ask a memory in plain words. No language model and no network take part.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "question", nargs="*", help="an id, a label, or a question that contains one"
    )
    add_memory_option(parser)
    add_time_options(parser)
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
        at = time_of(args, memory.start, memory.now)
        answer = recall(memory, " ".join(args.question), at, near)
        print_answer(answer, memory.start, memory.now, table=not args.question, json=args.json)
    return 0 if answer.known else _UNKNOWN
