"""Random streams by name, and made data that are kept by the hash of how they were made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor


def stream(*name: str | int) -> torch.Generator:
    """A generator that depends on its name alone, so that no two uses share random numbers."""
    digest = hashlib.sha256(json.dumps(name).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def cached(
    name: str,
    recipe: Mapping[str, Any],
    make: Callable[[], dict[str, Tensor]],
    code: Sequence[ModuleType] = (),
) -> dict[str, Tensor]:
    """Data that are made once: the same recipe and the same code give the same file.

    Args:
        name: Begins the file's name.
        recipe: All that `make` depends on; plain values.
        make: Makes the tensors.
        code: Modules whose source `make` depends on; when they change, the data are made anew.
    """
    content = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for module in code:
        content.update(Path(str(module.__file__)).read_bytes())
    path = cache_folder() / f"{name}-{content.hexdigest()[:24]}.npz"
    found = _read(path)
    if found is None:
        found = make()
        _write(path, found)
    return found


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/permanence/data`, by default in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "permanence" / "data"


def _read(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file; none if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: torch.from_numpy(file[key]) for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Keep tensors; a disk that is full or read-only costs time later, but nothing else."""
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **{k: v.numpy() for k, v in tensors.items()})
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
