"""`permanence demo`: simulate a hard scene, track it, score it, show it."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.commands.motion_options import add_motion_option, chosen_foresight
from perception_nodes.commands.slot_options import add_slot_options, chosen_source
from perception_nodes.view.options import add_view_option, viewing
from perception_simulation.gl import RenderingError
from perception_simulation.requirements import require

if TYPE_CHECKING:
    from perception_nodes.session import Outputs, Result

_EPILOG = """\
the scene (worlds/demo.yaml): nine objects on a table, each hidden at least twice for 2 to 5 s;
two are pushed while hidden, one is carried away and comes back elsewhere, and the camera looks away
by more than 90 degrees. Where images can't be rendered, a recording of a real camera is replayed.

examples:
  permanence demo
  permanence demo -o /tmp/demo
  permanence demo --view                follow it in a browser
  permanence recall --memory out/memory.db "where is the mug"       afterwards
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="simulate a hard scene, track it, and write a report with a score",
        description="Simulate a hard scene, track it, and write a report with a score.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out"), metavar="DIR", help="for results (out)"
    )
    parser.add_argument("--seed", type=int, help="of the sensor noise")
    add_slot_options(parser)
    add_motion_option(parser)
    add_view_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate if this machine can, else replay the recording that comes with the program."""
    try:
        require()
        return _simulate(args)
    except RenderingError as error:
        print(f"no simulation: {error.message}")
        print(f"  {error.remedy}")
    return _replay(args)


def _simulate(args: argparse.Namespace) -> int:
    from perception_nodes.resources import resource
    from perception_nodes.session import About, Outputs, run_session
    from perception_simulation.scene_file import load_scene
    from perception_simulation.simulator import Simulator
    from perception_simulation.tool import told_of_tool

    scene = load_scene(resource("worlds") / "demo.yaml")
    if args.seed is not None:
        scene = replace(scene, seed=args.seed)
    simulator = Simulator(scene)
    foresight = chosen_foresight(args)
    folder = args.output
    outputs = Outputs(folder / "objects.mcap", folder, folder / "memory.db")
    with viewing(args.view, "demo", outputs.memory) as views:
        result = run_session(
            told_of_tool(simulator, foresight),
            "demo",
            outputs,
            lambda: About("the simulator"),
            command=shlex.join(["permanence", *sys.argv[1:]]),
            total=len(simulator),
            slots=chosen_source(args),
            foresight=foresight,
            extra_sinks=views,
        )
        _print(result, outputs)
    return 3 if result.losses else 0


def _print(result: Result, outputs: Outputs) -> None:
    from perception_nodes.score.table import lines

    if result.score is not None:
        print("\n".join(lines(result.score)))
    for note in result.notes:
        print(f"note       {note}")
    for loss in result.losses:
        print(f"LOST       {loss}")
    print(f"recording  {outputs.recording}     opens in Foxglove")
    memory = outputs.memory
    print(f"memory     {memory}     ask it: permanence recall --memory {memory}")
    print(f"report     {result.report}     open it in a browser")


def _replay(args: argparse.Namespace) -> int:
    from perception_nodes.cli import main
    from perception_nodes.resources import resource

    recording = resource("examples/data") / "box.mcap"
    print(f"instead, a recording of a real camera is replayed: {recording.name}")
    chosen = ["--slots", args.slots, "--device", args.device, "--motion", args.motion]
    return main(["replay", str(recording), "--output", str(args.output / "objects.mcap"), *chosen])
