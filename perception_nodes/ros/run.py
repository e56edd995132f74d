"""Spins one or several nodes in this process, from `main` of a node and from `permanence up`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from perception_nodes.errors import ConfigurationError, PermanenceError
from perception_nodes.resources import resource
from perception_nodes.ros.managed import ManagedNode

_PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"


def run(nodes: Sequence[Callable[[], ManagedNode[Any]]], arguments: Sequence[str] = ()) -> None:
    """Make nodes, start those with parameter `autostart`, and spin until interrupted.

    A node that refuses to start stays, says why on /diagnostics, and can be configured later; the
    others run.

    Args:
        nodes: Their classes.
        arguments: ROS arguments, such as ["--ros-args", "-r", "__ns:=/robot1"].

    Raises:
        ConfigurationError: The arguments or parameters are invalid.
    """
    os.environ.setdefault(_PROFILES, str(resource("config/fastdds.xml")))
    _initialize(arguments)
    made: list[ManagedNode[Any]] = []
    try:
        executor = SingleThreadedExecutor()
        for make in nodes:
            made.append(make())
            executor.add_node(made[-1])
        start(*made)
        with suppress(KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
            executor.spin()
    finally:
        for node in made:
            node.destroy_node()
        rclpy.try_shutdown()


def start(*nodes: ManagedNode[Any]) -> bool:
    """Configure in order, then activate in order, those whose parameter `autostart` says so.

    Nobody publishes before all have loaded what they need. A node that refuses stays as it is.

    Returns:
        Whether all nodes are active now.
    """
    success = TransitionCallbackReturn.SUCCESS
    chosen = [node for node in nodes if node.parameters.autostart]
    ready = [node for node in chosen if node.trigger_configure() == success]
    active = [node for node in ready if node.trigger_activate() == success]
    return len(active) == len(nodes)


def main(node: Callable[[], ManagedNode[Any]]) -> None:
    """The program of a single node, as `ros2 run` starts it."""
    try:
        run([node], sys.argv)
    except PermanenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _initialize(arguments: Sequence[str]) -> None:
    try:
        rclpy.init(args=list(arguments))
    except Exception as error:
        rclpy.try_shutdown()
        raise ConfigurationError(
            f"ROS refuses the arguments {' '.join(arguments)}: {error}",
            "correct them or the parameter file they name",
        ) from error
