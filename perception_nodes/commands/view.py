"""`permanence view`: follow a recording, or a running robot, in a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_nodes.view import PORT

_EPILOG = f"""\
the page shows the camera with masks and ids, the map from above with hidden objects dashed,
futures, who moves whom, people, the plan and events, and passes questions on to the memory. It is
served on this computer alone; from another one: ssh -L {PORT}:localhost:{PORT} ROBOT

examples:
  permanence view my_bag                 replay a recording at its own pace
  permanence demo --view                 the same for the simulated demo; also replay and push
  permanence view                        a running graph (ROS 2): permanence up, or a launch file
  permanence view --ros-args -r __ns:=/robot1
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "view",
        help="follow a recording, or a running robot, in a browser",
        description="Follow a recording, or a running robot, in a browser.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", type=Path, nargs="?", help="recording; none: the running ROS graph")
    parser.add_argument("--port", type=int, default=PORT, help=f"to serve on ({PORT})")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--ros-args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="...",
        help="remappings and the like for a running graph; to the end of the line",
    )


def run(args: argparse.Namespace) -> int:
    """Show a recording, or the graph.

    Raises:
        ConfigurationError: The port is taken, or there is neither a recording nor ROS.
    """
    if args.bag is not None:
        from perception_nodes.cli import main

        return main(["replay", str(args.bag), "--live", "--view", str(args.port)])
    from perception_nodes.commands.up import run_nodes

    run_nodes(["view"], ["--ros-args", "-p", f"port:={args.port}", *args.ros_args])
    return 0
