"""`permanence gazebo`: a scene file becomes a world for Gazebo."""

from __future__ import annotations

import argparse
from pathlib import Path

_EPILOG = """\
writes beside the scene file: world.sdf, robot.urdf, bridge.yaml (of ros_gz_bridge) and meshes/

examples:
  permanence gazebo worlds/gazebo/scene.yaml
  ros2 launch permanence gazebo.launch.py world:=$PWD/worlds/gazebo

MuJoCo simulates the same file: permanence simulate --scene worlds/gazebo/scene.yaml
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "gazebo",
        help="write a Gazebo world of a scene file",
        description="Write a Gazebo world, a robot description and a bridge of a scene file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scene", type=Path, help="scene file (YAML)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files.

    Raises:
        ConfigurationError: The scene can't be read, is impossible, or has what Gazebo has not.
    """
    from perception_simulation.requirements import require

    require()
    from perception_simulation.gazebo.files import files
    from perception_simulation.scene_file import load_scene

    folder = args.scene.parent
    for name, content in files(load_scene(args.scene)).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"wrote {path}")
    return 0
