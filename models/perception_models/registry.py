"""Which models can be trained; listed without importing them, because torch is slow to import."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_models.configuration import TrainingConfiguration
    from perception_models.task import Task

MODELS = {
    "cjepa": "perception_models.cjepa.task:CjepaTask",
    "discs": "perception_models.discs.task:DiscsTask",
    "keypoints": "perception_models.keypoints.task:KeypointsTask",
    "viewrope": "perception_models.viewrope.task:ViewropeTask",
}
"""Name on the command line, and where its task class is. Its configuration is `Configuration`."""


def find(name: str) -> tuple[type[Task], type[TrainingConfiguration]]:
    """The task and the configuration of a model.

    Raises:
        ConfigurationError: There is no such model, or torch is not installed.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0)
        raise ConfigurationError(
            f"there is no model {name!r}",
            f"the nearest is {near[0]!r}; known are {', '.join(MODELS)}",
        )
    require_torch()
    path, _, attribute = MODELS[name].partition(":")
    module: Any = importlib.import_module(path)
    return getattr(module, attribute), module.Configuration


def require_torch() -> None:
    """Raise where torch is missing.

    Raises:
        ConfigurationError: It says how to install it.
    """
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise ConfigurationError(
            "training needs torch, which is not installed",
            'pip install torch==2.13.0, then pip install "permanence[train,cpu]"'
            ' (in a checkout: pip install -e ".[train,cpu]")',
        ) from error
