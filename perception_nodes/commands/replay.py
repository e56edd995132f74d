"""`permanence replay`: a recording in; object states, a memory and a report out."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.commands.motion_options import add_motion_option, chosen_foresight
from perception_nodes.commands.people_options import add_people_options, chosen_people
from perception_nodes.commands.slot_options import add_slot_options, chosen_source
from perception_nodes.view.options import add_view_option, viewing

if TYPE_CHECKING:
    from perception_nodes.bags.reader import Bag
    from perception_nodes.frames.source import FrameSource
    from perception_nodes.replay import Live
    from perception_nodes.session import About, Outputs, Result

_EPILOG = """\
reads rosbag2 (MCAP and SQLite, compressed, split, with or without metadata) and ROS 1 bags. Topics
are found by themselves; the camera pose comes from transforms or odometry in the recording, else
from its depth images.

examples:
  permanence replay my_bag                        results go to out/
  permanence replay my.bag -o states.mcap --report my_report
  permanence replay my_bag --depth /cam/depth/image_raw --color /cam/rgb/image_raw
  permanence replay tuesday --memory kitchen.db   go on with what is known since Monday
  permanence replay my_bag --slots learned        find objects with the learned encoder
  permanence replay my_bag --motion cjepa         let the world model move what is unseen
  permanence replay my_bag --people --private     find people too, keep no picture of them
  permanence replay my_bag --live --view          follow it in a browser

Ctrl-C ends the run after the frame at hand and keeps what was processed.

exit status: 0 clean, 1 failed, 2 wrong usage, 3 finished but something was lost (it says what)
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "replay",
        help="track the objects in a recording",
        description="Track the objects in a recording of RGB-D images.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", type=Path, help="file or folder of the recording")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/objects.mcap"),
        help="recording of object states to write (out/objects.mcap)",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="folder of report.html")
    parser.add_argument(
        "--memory", type=Path, metavar="FILE", help="go on with this memory (else a new memory.db)"
    )
    parser.add_argument("--map-id", default="map", help="names the map the memory is about (map)")
    parser.add_argument("--color", default="", metavar="TOPIC", help="color images")
    parser.add_argument("--depth", default="", metavar="TOPIC", help="depth images")
    parser.add_argument("--info", default="", metavar="TOPIC", help="camera model of both")
    parser.add_argument(
        "--live", action="store_true", help="keep pace with the clock; drop frames that come late"
    )
    add_slot_options(parser)
    add_motion_option(parser)
    add_people_options(parser)
    add_view_option(parser)
    parser.add_argument("--rerun", type=Path, metavar="FILE", help="also write a Rerun recording")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, print what came out, and return the exit status."""
    from perception_nodes.bags.reader import open_bag
    from perception_nodes.frames.source import FrameSource
    from perception_nodes.frames.topics import TopicChoice
    from perception_nodes.replay import Live
    from perception_nodes.session import rerun_sinks, run_session

    outputs = _outputs(args)
    title = args.bag.resolve().name
    with (
        open_bag(args.bag) as bag,
        rerun_sinks(args.rerun) as extra,
        viewing(args.view, title, outputs.memory) as views,
    ):
        source = FrameSource(bag, TopicChoice(args.color, args.depth, args.info))
        live = Live(source) if args.live else None
        result = run_session(
            live or source,
            title,
            outputs,
            lambda: _about(bag, source, live),
            command=shlex.join(["permanence", *sys.argv[1:]]),
            total=source.expected,
            map_id=args.map_id,
            extra_sinks=[*extra, *views],
            ahead=live is None and args.promise is None and args.budget is None,
            slots=chosen_source(args),
            foresight=chosen_foresight(args),
            people=chosen_people(args),
            private=args.private,
        )
        _print(result, outputs, _about(bag, source, live))
    return 3 if result.losses else 0


def _outputs(args: argparse.Namespace) -> Outputs:
    """Where results go: never over the recording that is replayed.

    Raises:
        ConfigurationError: They would.
    """
    from perception_nodes.errors import ConfigurationError
    from perception_nodes.session import Outputs

    outputs = Outputs(
        args.output,
        args.report or args.output.parent,
        args.memory or args.output.with_name("memory.db"),
        resume=args.memory is not None,
    )
    bag = args.bag.resolve()
    for path in (outputs.recording, outputs.memory):
        if bag in (path.resolve(), *path.resolve().parents):
            raise ConfigurationError(
                f"{path} would be written over the recording that is replayed",
                "choose another place with -o",
            )
    return outputs


def _about(bag: Bag, source: FrameSource, live: Live | None) -> About:
    from perception_nodes.session import About

    loss = bag.loss()
    remarks = tuple(loss.remarks) if loss.clean else ()
    return About(
        source.pose_origin,
        source.notes + remarks,
        () if loss.clean else tuple(loss.lines()),
        source.drops,
        live.late if live is not None else 0,
        bag.digest,
    )


def _print(result: Result, outputs: Outputs, told: About) -> None:
    print(f"camera pose   {told.pose_origin}")
    for note in result.notes:
        print(f"note          {note}")
    if told.late:
        print(f"live          {told.late} frames came too late and were dropped")
    for loss in result.losses:
        print(f"LOST          {loss}")
    memory = outputs.memory
    print(f"recording     {outputs.recording}")
    print(f"memory        {memory}     ask it: permanence recall --memory {memory}")
    print(f"report        {result.report}     open it in a browser")
