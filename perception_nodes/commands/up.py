"""`permanence up`: the graph of nodes in one process, without launch."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sys
from pathlib import Path

from perception_nodes.errors import ConfigurationError, PermanenceError

GROUP = "permanence.nodes"
DEFAULT = "viewrope,cjepa,memory"

_EPILOG = """\
examples:
  permanence up                                          on a robot with one RGB-D camera
  permanence up --nodes simulator,viewrope,cjepa,memory  with a simulated world
  permanence up --params my.yaml --ros-args -r __ns:=/robot1 -r /tf:=tf -r /tf_static:=tf_static
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("up", help="run the ROS 2 nodes in one process")
    _describe(parser)


def main() -> None:
    """The same as a program of its own for launch files, which needs the nodes' libraries only."""
    parser = argparse.ArgumentParser(prog="up")
    _describe(parser)
    try:
        sys.exit(run(parser.parse_args()))
    except PermanenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run the ROS 2 nodes in one process. Needs a sourced ROS 2 installation."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--nodes", default=DEFAULT, help=f"which, separated by commas (default: {DEFAULT})"
    )
    parser.add_argument("--params", type=Path, help="a ROS parameter file (YAML)")
    parser.add_argument(
        "--ros-args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="...",
        help="remappings and the like, for all nodes; to the end of the line",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the nodes until interrupted.

    Raises:
        ConfigurationError: A node is unknown, the parameter file is missing or invalid, or there is
            no ROS.
    """
    chosen = [name.strip() for name in args.nodes.split(",") if name.strip()]
    known = {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise ConfigurationError(
            f"there is no node {', '.join(unknown) or 'to run'}",
            f"choose from {', '.join(sorted(known))}",
        )
    if args.params is not None and not args.params.is_file():
        raise ConfigurationError(f"there is no parameter file {args.params}")
    run_nodes(chosen, ros_arguments(chosen, args))
    return 0


def run_nodes(names: list[str], arguments: list[str]) -> None:
    """Run nodes by their names until interrupted.

    Raises:
        ConfigurationError: There is no ROS here, or it refuses the arguments.
    """
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        raise ConfigurationError(
            f"there is no ROS 2 here ({error})",
            "source your ROS installation and workspace, or without one: "
            "python scripts/with_ros.py permanence up",
        ) from error
    known = {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}
    runner = importlib.import_module("perception_nodes.ros.run")
    runner.run([known[name].load() for name in names], arguments)


def ros_arguments(nodes: list[str], args: argparse.Namespace) -> list[str]:
    """What rclpy is told: with a simulator among the nodes, all of them follow its clock."""
    given = ["--ros-args"]
    if "simulator" in nodes:
        given += ["-p", "use_sim_time:=true"]
    if args.params is not None:
        given += ["--params-file", str(args.params)]
    return [*given, *args.ros_args]
