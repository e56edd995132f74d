"""Configurations of trainings: typed fields with a range each, from a file and the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from perception_models.optimizers.names import DEFAULT_METHOD, METHODS
from perception_nodes.errors import ConfigurationError
from perception_nodes.ros.parameters import count, number, rules, switch, text


@dataclass(frozen=True)
class TrainingConfiguration:
    """What every training can be told; a model adds its own fields."""

    steps: int = count(800, "updates of the weights", 1, 10_000_000)
    batch: int = count(128, "episodes an update", 1, 65536)
    optimizer: str = text(
        DEFAULT_METHOD, "for matrices inside blocks", pattern=r".*", choices=METHODS
    )
    rate: float = number(0.0, "learning rate of those matrices; 0: the method's own", 0.0, 10.0)
    rest_rate: float = number(3e-3, "learning rate of AdamW for the rest", 0.0, 10.0)
    weight_decay: float = number(0.01, "decoupled, on matrices inside blocks", 0.0, 1.0)
    warmup: float = number(0.05, "share of the steps in which the rate grows linearly", 0.0, 0.9)
    decay: bool = switch(True, "let the rate fall to zero along half a cosine")
    clip: float = number(0.0, "largest gradient norm of a cell; 0: any", 0.0, 1e6)
    precision: str = text(
        "auto", "of matrix products; auto: bf16 if built in", choices=("auto", "fp32", "bf16")
    )
    evaluate_every: int = count(200, "updates between validations", 1, 10_000_000)
    checkpoint_every: int = count(200, "updates between checkpoints", 1, 10_000_000)
    curriculum: bool = switch(False, "let the horizon grow as errors stop falling")
    longest_horizon: int = count(1, "intervals that a loss looks ahead at most", 1, 64)

    def __post_init__(self) -> None:
        values = dataclasses.asdict(self)
        found = [
            f"{name} {reason}"
            for name, (default, rule) in rules(type(self)).items()
            if (reason := rule.refusal(default, values[name]))
        ]
        if found:
            raise ConfigurationError("configuration: " + "; ".join(found), "nothing was trained")


C = TypeVar("C", bound=TrainingConfiguration)


def configured(cls: type[C], file: Path | None = None, settings: Sequence[str] = ()) -> C:
    """A configuration from its defaults, then a YAML file, then settings such as `steps=100`.

    Raises:
        ConfigurationError: A key is unknown (the nearest known one is named), a value is of the
            wrong type or range, or the file can't be read.
    """
    values = _from_file(file) if file is not None else {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {setting!r} is not of the form key=value")
        values[key.strip()] = yaml.safe_load(value)
    converted: dict[str, Any] = {k: _converted(cls, k, value) for k, value in values.items()}
    return cls(**converted)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise ConfigurationError(f"{file} must hold key: value pairs")
    return dict(content)


def _converted(cls: type[TrainingConfiguration], key: str, value: object) -> object:
    """The value in the field's type: YAML reads 3 as an integer and 3e-3 as a text."""
    known = rules(cls)
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        raise ConfigurationError(
            f"there is no configuration key {key!r}",
            f"the nearest is {near[0]!r}; known are {', '.join(known)}",
        )
    default = known[key][0]
    if isinstance(default, float) and isinstance(value, (int, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            return float(value)
    return value
