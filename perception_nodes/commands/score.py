"""`permanence score`: compare the object states of a recording with the truth in it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception_nodes.errors import BagError

if TYPE_CHECKING:
    from perception_nodes.score.score import Score

_EPILOG = """\
examples:
  permanence score out/objects.mcap          what `permanence demo` or `replay` wrote
  permanence score out/objects.mcap --json   for scripts

docs/score.md says what each figure means.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "score",
        help="compare object states with the truth in a recording",
        description="Compare the object states of a recording with the truth in it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", type=Path, help="a recording with objects and truth/objects")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the figures."""
    from perception_nodes.score.table import lines

    score, unpaired = _read(args.bag)
    figures = score.figures()
    if unpaired:
        print(f"{unpaired} frames with truth have no object states", file=sys.stderr)
    print(json.dumps(figures, indent=2) if args.json else "\n".join(lines(figures)))
    return 0


def _read(path: Path) -> tuple[Score, int]:
    """The score of a recording, and how many frames with truth could not be compared."""
    from perception_nodes.bags.reader import open_bag
    from perception_nodes.ros.conversion import object_states_from_msg
    from perception_nodes.ros.geometry_messages import time_from_msg
    from perception_nodes.scene import Truth
    from perception_nodes.score.score import Score

    score = Score()
    states: dict[int, Any] = {}
    truths: dict[int, Any] = {}
    with open_bag(path) as bag:
        truth_topic, topic = _topic(bag.topics, "truth/objects"), _topic(bag.topics, "objects")
        for message in bag.messages({truth_topic, topic}):
            stamp = time_from_msg(message.data.header.stamp)
            kind = truths if message.topic == truth_topic else states
            kind[stamp] = object_states_from_msg(message.data)
            if stamp in states and stamp in truths:
                score.add(Truth(stamp, truths.pop(stamp)), states.pop(stamp))
    if not score.frames:
        raise BagError(
            f"{path} has no frame with both truth and object states",
            "both must carry the stamp of the same image",
        )
    return score, len(truths)


def _topic(topics: Any, name: str) -> str:
    kind = "permanence/msg/ObjectStateArray"
    found = [t.name for t in topics.values() if t.type_name == kind and t.name.endswith(name)]
    if name == "objects":
        found = [t for t in found if not t.endswith("truth/objects")]
    if not found:
        raise BagError(
            f"the recording has no topic {name!r}",
            "score what `permanence replay` or `permanence demo` wrote from a simulated recording",
        )
    return str(found[0])
