"""An action server whose goals end when the node says so.

rclpy runs a goal in a callback that returns when the goal ends. In the one thread of a node that
would stop everything else, and a coroutine that waits keeps the executor busy without a pause.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node


class DeferredActionServer(ActionServer):  # type: ignore[misc]
    """Gives each goal to the node, and keeps it in state executing until `finish`.

    Args:
        node: That owns it.
        kind: Class of the action.
        name: Of the action.
        accepted: Called with the handle of each new goal.
        group: Callback group.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        name: str,
        accepted: Callable[[Any], None],
        group: CallbackGroup,
    ) -> None:
        def begin(handle: Any) -> None:
            handle.execute()
            accepted(handle)

        super().__init__(
            node,
            kind,
            name,
            _never,
            callback_group=group,
            handle_accepted_callback=begin,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def notify_execute(self, goal_handle: Any, execute_callback: Any) -> None:
        """A goal is in state executing; what rclpy would do now waits for `finish`."""

    def finish(self, handle: Any, result: Any, success: bool) -> None:
        """End a goal that was accepted: succeeded, canceled if somebody asked for that, or aborted.

        Args:
            handle: Of the goal.
            result: Message of the action's result.
            success: Whether it was reached.
        """

        def end(goal: Any) -> Any:
            if goal.is_cancel_requested:
                goal.canceled()
            elif success:
                goal.succeed()
            else:
                goal.abort()
            return result

        super().notify_execute(handle, end)


def _never(_: Any) -> None:
    raise AssertionError("goals are ended by `finish`")
