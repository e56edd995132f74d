"""Checkpoints that are whole or not there: written aside, flushed, then renamed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from perception_models.errors import TrainingError

FILE = "checkpoint.pt"
_FORMAT = 1


def save(folder: Path, state: dict[str, Any], name: str = FILE) -> Path:
    """Write the checkpoint of a run; the one before stays until the new one is whole.

    Raises:
        TrainingError: It can't be written, for instance because the disk is full; the last good
            one is still there.
    """
    path = folder / name
    aside = path.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            torch.save({"format": _FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except (OSError, RuntimeError) as error:
        # torch's zip writer turns an operating system's error into a RuntimeError of its own.
        aside.unlink(missing_ok=True)
        cause = error if isinstance(error, OSError) else error.__context__
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else str(error).partition("\n")[0]
        raise TrainingError(
            f"the checkpoint of step {state['step']} was not written: {what}", _remedy(path)
        ) from error
    return path


def load(
    folder: Path,
    device: torch.device,
    identity: dict[str, Any] | None = None,
    name: str = FILE,
) -> dict[str, Any]:
    """Read the checkpoint of a run.

    Args:
        folder: Of the run.
        device: Where the tensors shall lie.
        identity: What must agree for the run to go on: model, configuration, cells.
        name: Of the file.

    Raises:
        TrainingError: There is none, it is damaged, or it is of another configuration; it says
            which key differs.
    """
    path = folder / name
    if not path.exists():
        raise TrainingError(f"there is no {name} in {folder}", "train without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        raise TrainingError(
            f"{path} is damaged or no checkpoint ({type(error).__name__})",
            "delete it and train again",
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise TrainingError(f"{path} is of another version of this program", "train again")
    differences = _differences(state["identity"], identity) if identity is not None else []
    if differences:
        raise TrainingError(
            f"{path} is of another configuration: {'; '.join(differences)}",
            "give the same configuration as then, or another folder with -o",
        )
    return state


def _differences(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*then, *now}):
        a, b = then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} was {a!r}, now {b!r}")
    return found


def _remedy(path: Path) -> str:
    if path.exists():
        return f"the last good one is kept in {path}; make room, then run again with --resume"
    return "make room or choose another folder with -o, then run again"
