"""`permanence simulate`: a scene becomes a recording with truth."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_simulation.specification import Scene

_EPILOG = """\
writes the topics of the cameras, /tf and /clock, and the truth: truth/objects (poses, velocities,
masses, visibility), truth/people (their joints), truth/masks (one image a frame), truth/events
(contacts, pushes, hiding).

examples:
  permanence simulate -o table.mcap                    a random table, seed 0
  permanence simulate -o room.mcap --place room --seed 7 --cameras 2 --people 1
  permanence simulate -o t.mcap --seed 7 --write-scene t.yaml     keep the scene, to change it
  permanence simulate -o mine.mcap --scene t.yaml --shadows
  permanence replay table.mcap && permanence score out/objects.mcap

The same scene and seed give the same recording. docs/simulation.md explains scene files.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="simulate a table or room and record it with truth",
        description="Simulate a table or room and record it with truth.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("simulation.mcap"),
        help="NAME.mcap, or a folder to be made (simulation.mcap)",
    )
    parser.add_argument("--scene", type=Path, metavar="FILE", help="scene file (YAML)")
    parser.add_argument("--seed", type=int, help="of a random scene (0), or of a file's noise")
    parser.add_argument(
        "--place", choices=("tabletop", "room"), help="kind of random scene (tabletop)"
    )
    parser.add_argument("--objects", type=int, metavar="N", help="in a random scene, 1..12")
    parser.add_argument("--cameras", type=int, metavar="N", help="in a random scene, 1 or 2 (1)")
    parser.add_argument(
        "--people", type=int, metavar="N", help="who walk by in a random scene, 0..2 (0)"
    )
    parser.add_argument("--duration", type=float, metavar="S", help="seconds to simulate")
    parser.add_argument("--size", type=_size, metavar="WxH", help="of the images (320x240)")
    parser.add_argument("--shadows", action="store_true", help="draw shadows; several times slower")
    parser.add_argument("--raw", action="store_true", help="images without compression")
    parser.add_argument(
        "--write-scene", type=Path, metavar="FILE", help="also write the scene as YAML"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate and record."""
    from perception_nodes.bags.writer import BagWriter
    from perception_nodes.commands.progress import ProgressBar
    from perception_simulation.requirements import require

    require()
    from perception_simulation.recording import record
    from perception_simulation.scene_file import save_scene
    from perception_simulation.simulator import Simulator

    scene = _scene(args)
    simulator = Simulator(scene)
    with BagWriter(args.output) as writer, ProgressBar("simulate", len(simulator)) as bar:
        record(simulator, writer, compressed=not args.raw, on_frame=bar.advance)
    if args.write_scene is not None:
        save_scene(scene, args.write_scene)
        print(f"scene      {args.write_scene}")
    print(f"recording  {args.output}: {len(scene.objects)} objects, {scene.duration:g} s")
    print(f"next: permanence replay {args.output}")
    return 0


def _scene(args: argparse.Namespace) -> Scene:
    from perception_simulation.generator import generate
    from perception_simulation.scene_file import load_scene

    if args.scene is not None:
        for option in ("place", "objects", "cameras", "people"):
            if getattr(args, option) is not None:
                raise ConfigurationError(
                    f"--{option} is for random scenes, but --scene gives one", "change the file"
                )
        scene = load_scene(args.scene)
        if args.seed is not None:
            scene = replace(scene, seed=args.seed)
    else:
        scene = generate(
            args.seed or 0,
            args.place or "tabletop",
            args.objects,
            args.cameras or 1,
            args.people or 0,
        )
    if args.duration is not None:
        scene = replace(scene, duration=args.duration)
    if args.size is not None:
        scene = replace(scene, width=args.size[0], height=args.size[1])
    return replace(scene, shadows=scene.shadows or args.shadows)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 640x480")
    return int(width), int(height)
