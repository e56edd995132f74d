"""Parameters of a node as one frozen dataclass: description, range and validation beside each.

ROS-free: the documentation and the tests read the same declarations as the nodes do.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.inference.precision import PRECISIONS
from perception_nodes.inference.providers import DEVICES
from perception_nodes.model_cards import weights_folder

FRAME = r"[A-Za-z0-9_][A-Za-z0-9_/\-]*"
"""What a TF frame may be called."""
NAME = r"[A-Za-z0-9_.\-]*"
"""A plain name, possibly empty; never a path."""
PATH = r"(?!.*(^|/)\.\.(/|$))[^\x00-\x1f]*"
"""A path, possibly empty, that doesn't climb out of its folder."""

_MAX_TEXT = 512
_METADATA = "permanence.parameter"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed for one parameter.

    Attributes:
        description: One sentence with the unit, shown by `ros2 param describe`.
        low, high: Inclusive range of a number.
        pattern: Regular expression that a text must match as a whole.
        choices: The only allowed texts.
        read_only: It takes effect once, when the node starts.
    """

    description: str
    low: float | None = None
    high: float | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False

    def refusal(self, default: object, value: object) -> str:
        """Why a value is not allowed; empty if it is."""
        if type(value) is not type(default):
            return f"must be of type {type(default).__name__}, not {type(value).__name__}"
        if isinstance(value, str):
            return self._text_refusal(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return ""
        if not math.isfinite(value):
            return "must be finite"
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            return f"must lie in {self.low:g}..{self.high:g}, not {value:g}"
        return ""

    def _text_refusal(self, value: str) -> str:
        if len(value) > _MAX_TEXT:
            return f"must have at most {_MAX_TEXT} characters, not {len(value)}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}, not {value!r}"
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return f"has characters that are not allowed: {value!r}"
        return ""


def number(
    default: float, description: str, low: float, high: float, read_only: bool = False
) -> Any:
    """A float; range inclusive. Read-only where a change while the node runs has no effect."""
    return _field(float(default), Rule(description, low, high, read_only=read_only))


def count(default: int, description: str, low: int, high: int, read_only: bool = False) -> Any:
    """An integer; range inclusive."""
    return _field(int(default), Rule(description, low, high, read_only=read_only))


def switch(default: bool, description: str, read_only: bool = False) -> Any:
    """A truth value."""
    return _field(bool(default), Rule(description, read_only=read_only))


def text(
    default: str,
    description: str,
    pattern: str = NAME,
    choices: tuple[str, ...] = (),
    read_only: bool = True,
) -> Any:
    """A text; names and frames take effect when the node starts, hence read-only."""
    rule = Rule(description, pattern=pattern, choices=choices, read_only=read_only)
    return _field(default, rule)


def _field(default: Any, rule: Rule) -> Any:
    return dataclasses.field(default=default, metadata={_METADATA: rule})


@dataclass(frozen=True)
class NodeParameters:
    """Parameters that every node has."""

    autostart: bool = switch(True, "configure and activate when the node starts", read_only=True)
    world_frame: str = text("map", "frame in which object states live", FRAME)
    input_timeout: float = number(0.5, "silence of an input after which it is a WARN, s", 0.1, 60.0)
    stale_after: float = number(3.0, "silence of an input after which it is STALE, s", 0.2, 3600.0)

    def __post_init__(self) -> None:
        problems = refusals(type(self), dataclasses.asdict(self))
        if self.stale_after < self.input_timeout:
            problems.append("stale_after must not be shorter than input_timeout")
        if problems:
            raise ConfigurationError("; ".join(problems), "nothing was changed")


@dataclass(frozen=True)
class ModelParameters(NodeParameters):
    """Parameters of nodes that load networks."""

    device: str = text("auto", "what networks run on; slower ones follow", choices=DEVICES)
    precision: str = text(
        "auto", "of networks; auto is half on a GPU where cards vouch for it", choices=PRECISIONS
    )
    model_dir: str = text("", "folder of networks and cards; empty for those shipped", PATH)

    def models(self) -> Path:
        """The folder in which networks and their cards are looked for.

        Raises:
            ModelError: There is no such folder.
        """
        if not self.model_dir:
            return weights_folder()
        folder = Path(self.model_dir).expanduser()
        if not folder.is_dir():
            raise ModelError(
                f"there is no folder of models {folder}",
                "correct the parameter model_dir, or leave it empty for the networks shipped",
            )
        return folder


P = TypeVar("P", bound=NodeParameters)


def rules(cls: type[Any]) -> dict[str, tuple[Any, Rule]]:
    """Default and rule of each parameter, by name."""
    return {f.name: (f.default, f.metadata[_METADATA]) for f in dataclasses.fields(cls)}


def refusals(cls: type[NodeParameters], values: Mapping[str, object]) -> list[str]:
    """All that is wrong with some values, one sentence each."""
    known = rules(cls)
    found = []
    for name, value in values.items():
        if name not in known:
            found.append(f"there is no parameter {name!r}")
            continue
        default, rule = known[name]
        reason = rule.refusal(default, value)
        if reason:
            found.append(f"parameter {name!r} {reason}")
    return found


def changed(parameters: P, values: Mapping[str, object]) -> P:
    """The same parameters with some values replaced, all or none.

    Raises:
        ConfigurationError: A value is of the wrong type or range, or the set contradicts itself.
    """
    problems = refusals(type(parameters), values)
    if problems:
        raise ConfigurationError("; ".join(problems), "nothing was changed")
    replacements: dict[str, Any] = dict(values)
    return dataclasses.replace(parameters, **replacements)
