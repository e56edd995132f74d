"""What the tests of training share; they run where torch is installed (`make test-train`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perception_models.discs.task import DiscsTask

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep made data out of the user's cache, shared by the tests of one process; one thread."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture
def tiny() -> Any:
    """Makes a discs task that trains in milliseconds; keywords change its configuration."""
    import torch

    from perception_models.discs.task import Configuration, DiscsTask

    small: dict[str, Any] = {
        "steps": 20, "batch": 8, "width": 16, "depth": 1, "heads": 2, "episodes": 10,
        "evaluate_every": 1000, "checkpoint_every": 1000,
    }  # fmt: skip

    def make(**changes: Any) -> DiscsTask:
        return DiscsTask(Configuration(**{**small, **changes}), torch.device("cpu"))

    return make


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Where a run writes."""
    return tmp_path / "run"
