"""What the graph's governor lets a node do; it sits in `cjepa` and tells one number. ROS-free."""

from __future__ import annotations

import math
from typing import Any

from perception_nodes.errors import InputError
from perception_nodes.gate.governor import UNDER_PRESSURE, Governor, Part


class Allowance:
    """Whether a part is slowed down; it is not until the governor says so.

    Args:
        part: What the node does.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._waited = 0
        self.governor = Governor(1.0)
        """With the pressure that was told last."""

    def take(self, message: Any) -> None:
        """Take a message of `compute_pressure`.

        Raises:
            InputError: It is no finite number.
        """
        if not math.isfinite(message.data):
            raise InputError(f"a compute pressure of {message.data} makes no sense")
        self.governor.pressure = float(message.data)

    @property
    def slowed(self) -> bool:
        """Whether the part is slowed down."""
        return self._part in self.governor.slowed()

    def due(self) -> bool:
        """Whether the part may run for the frame at hand; to be asked once for each."""
        self._waited = (self._waited + 1) % UNDER_PRESSURE if self.slowed else 0
        return self._waited == 0
