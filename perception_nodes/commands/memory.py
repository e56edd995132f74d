"""`permanence memory`: look at a memory file, copy it, pin, forget and correct its map."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_nodes.memory.options import add_memory_option
from perception_nodes.memory.times import moment

_EPILOG = """\
examples:
  permanence memory page                   a page with map, timelines, causes and pictures
  permanence memory page --object mug      the causes of one object
  permanence memory status                 how much is in it, and whether it is well
  permanence memory snapshot copy.db       a consistent copy, also while a robot writes
  permanence memory pin mug                keep what happened to it for ever
  permanence memory forget mug             erase it from every byte of the file
  permanence memory forget --since 60 --until 90
  permanence memory correct-map --translation 0.1 0 0 --rotation 0 0 0 1
                                           what is stored moves with a corrected map

On a running robot, use the services forget and correct_map: only one program writes to a memory.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "memory",
        help="look at a memory file, copy it, pin, forget and correct its map",
        description="Look at a memory file and look after it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    page = tasks.add_parser("page", help="write an HTML page that needs no network")
    page.add_argument("--out", type=Path, metavar="FILE", help="default: beside the memory")
    page.add_argument("--object", help="show the causes of this one only")
    page.set_defaults(work=_page)
    status = tasks.add_parser("status", help="how much is in it, and whether it is well")
    status.set_defaults(work=_status)
    snapshot = tasks.add_parser("snapshot", help="write a consistent copy")
    snapshot.add_argument("file", type=Path, help="the copy, a new .db file")
    snapshot.set_defaults(work=_snapshot)
    pin = tasks.add_parser("pin", help="keep what happened to an object for ever")
    pin.add_argument("object", help="an id or a label")
    pin.set_defaults(work=_pin)
    forget = tasks.add_parser("forget", help="erase an object, a stretch of time, or both")
    forget.add_argument("object", nargs="?", default="", help="an id or a label")
    time = "seconds since the recording began, or an ISO 8601 time"
    forget.add_argument("--since", type=moment, metavar="TIME", help=time)
    forget.add_argument("--until", type=moment, metavar="TIME", help=time)
    forget.set_defaults(work=_forget)
    correct = tasks.add_parser("correct-map", help="move what is stored with a corrected map")
    for name, axes, text in (
        ("--translation", ("X", "Y", "Z"), "meters; takes old positions to new ones"),
        ("--rotation", ("X", "Y", "Z", "W"), "its quaternion, of length 1"),
    ):
        correct.add_argument(
            name, nargs=len(axes), metavar=axes, type=float, required=True, help=text
        )
    correct.add_argument("--map", default="", help="its name; default: that of the newest session")
    correct.set_defaults(work=_correct_map)
    for task in (page, status, snapshot, pin, forget, correct):
        add_memory_option(task)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    return int(args.work(args))


def _page(args: argparse.Namespace) -> int:
    from perception_nodes.errors import ConfigurationError
    from perception_nodes.memory.page import memory_page
    from perception_nodes.memory.reader import MemoryReader

    path: Path = args.out or args.memory.with_suffix(".html")
    with MemoryReader(args.memory) as memory:
        text = memory_page(memory, args.object)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the page can't be written to {path}: {error.strerror}", "choose another file"
        ) from error
    print(f"wrote {path}")
    return 0


def _status(args: argparse.Namespace) -> int:
    from perception_nodes.memory.answers import duration
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        status = memory.status()
        length = sum(last - first for first, last in memory.sessions())
    print(
        f"{status.path}: {status.objects} objects, {status.events} events, {status.observations} "
        f"observations in {status.sessions} sessions of {duration(length)}; "
        f"{status.bytes / 1e6:.1f} MB; {status.health}"
    )
    return 0


def _snapshot(args: argparse.Namespace) -> int:
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(args.memory) as memory:
        print(f"wrote {memory.snapshot(args.file)}")
    return 0


def _pin(args: argparse.Namespace) -> int:
    from perception_nodes.memory.writer import existing_memory

    with existing_memory(args.memory) as memory:
        memory.pin(args.object)
    print(f"what happened to {args.object} is kept")
    return 0


def _forget(args: argparse.Namespace) -> int:
    from perception_nodes.memory.writer import existing_memory

    with existing_memory(args.memory) as memory:
        start = memory.start or 0
        since, until = (t if t is None else t.stamp(start) for t in (args.since, args.until))
        print(memory.forget(args.object, since, until).text)
    return 0


def _correct_map(args: argparse.Namespace) -> int:
    import numpy as np

    from perception_nodes.geometry.pose import Pose
    from perception_nodes.memory.writer import existing_memory

    transform = Pose.from_quaternion(np.array(args.translation), np.array(args.rotation))
    with existing_memory(args.memory) as memory:
        print(memory.correct_map(transform, args.map or memory.map_id or ""))
    return 0
