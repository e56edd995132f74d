"""What can go wrong while training, each with what to do next."""

from __future__ import annotations

from perception_nodes.errors import PermanenceError


class TrainingError(PermanenceError):
    """Training can't begin, go on or be documented."""


class TrainingInterruptedError(TrainingError):
    """The user stopped training; its state was saved first."""

    exit_code = 130
