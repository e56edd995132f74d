"""What was measured on unseen episodes so that standard deviations and thresholds are honest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ModelError

SCHEMA = 1
CALIBRATION = "cjepa_calibration.json"
"""Its file, beside the network."""


@dataclass(frozen=True)
class Calibration:
    """Written by `python -m perception_models.cjepa.calibrate` from validation episodes.

    Attributes:
        log_widening: For each step ahead, what to add to the log standard deviations of position
            so that 90 % intervals hold 90 % of the truth; the last holds for all later ones.
        influence: Displacement, m, above which i counts as moving j: where precision and recall
            were best balanced.
        contact_gap: Gap, m, below which two objects count as touching.
        contact_part: Gap, m, above which those that touched have parted: no flicker.
        surprise: Squared level distance from where an object was expected a step ago, in variances
            (of what was expected and of what was seen), that one in a thousand exceeds.
    """

    log_widening: tuple[float, ...] = (0.0,)
    influence: float = 0.02
    contact_gap: float = 0.004
    contact_part: float = 0.008
    surprise: float = 13.8

    def widening(self, steps: int) -> Floats:
        """(steps, 1, 6): what to add to log standard deviations; only those of position change."""
        index = np.minimum(np.arange(steps), len(self.log_widening) - 1)
        values = np.zeros((steps, 1, 6))
        values[:, 0, :2] = np.array(self.log_widening)[index, None]
        return values


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it as JSON."""
    content: dict[str, Any] = {"schema": SCHEMA, **vars(calibration)}
    path.write_text(json.dumps(content, indent=2) + "\n")


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        ModelError: It is missing or not of this version.
    """
    try:
        content = json.loads(path.read_text())
        if content.pop("schema") != SCHEMA:
            raise KeyError("schema")
        content["log_widening"] = tuple(content["log_widening"])
        return Calibration(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the calibration {path} can't be read: {error}",
            "make it with `python -m perception_models.cjepa.calibrate`",
        ) from error
