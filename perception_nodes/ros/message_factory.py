"""What conversions ask of whatever makes messages; needs neither rclpy nor rosbags."""

from __future__ import annotations

from typing import Any, Protocol


class MessageFactory(Protocol):
    """Makes messages, so that conversions serve rclpy and rosbags alike."""

    def make(self, type_name: str, **fields: Any) -> Any:
        """Make a message.

        Args:
            type_name: "package/msg/Name".
            fields: Values of fields; numeric arrays may be numpy arrays or lists of any number
                type, which the factory turns into what the field takes. Fields that are not
                given have the default of their type.
        """
        ...
