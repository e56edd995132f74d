"""Declares a dataclass of parameters on a node and keeps it valid: a whole set changes, or none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterException,
)
from rclpy.node import Node

from perception_nodes.errors import ConfigurationError
from perception_nodes.ros.parameters import P, Rule, changed, rules


class ParameterServer(Generic[P]):
    """The parameters of one node.

    Args:
        node: Declares them.
        cls: The dataclass.
        on_change: Called with the new set after a change, for parts that keep a copy.

    Raises:
        ConfigurationError: The parameters the node was started with are invalid.
    """

    def __init__(self, node: Node, cls: type[P], on_change: Callable[[P], None]) -> None:
        self._names = frozenset(rules(cls))
        self._lock = threading.Lock()
        self._on_change = on_change
        self._current = _declare(node, cls)
        node.add_on_set_parameters_callback(self._validate)
        node.add_post_set_parameters_callback(self._swap)

    @property
    def current(self) -> P:
        """The set that holds now; it never changes, a new one takes its place."""
        with self._lock:
            return self._current

    def _validate(self, parameters: Sequence[Any]) -> SetParametersResult:
        try:
            changed(self.current, self._ours(parameters))
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _swap(self, parameters: Sequence[Any]) -> None:
        values = self._ours(parameters)
        if not values:
            return
        with self._lock:
            self._current = changed(self._current, values)
        self._on_change(self._current)

    def _ours(self, parameters: Sequence[Any]) -> dict[str, object]:
        """Values of our own parameters; `use_sim_time` and the like are not our business."""
        return {p.name: p.value for p in parameters if p.name in self._names}


def _declare(node: Node, cls: type[P]) -> P:
    values = {}
    try:
        for name, (default, rule) in rules(cls).items():
            values[name] = node.declare_parameter(name, default, _descriptor(default, rule)).value
    except (
        InvalidParameterTypeException,
        InvalidParameterValueException,
        ParameterException,
    ) as error:
        raise ConfigurationError(
            f"{node.get_fully_qualified_name()} was started with an invalid parameter: {error}",
            "correct the parameter file or the command line",
        ) from error
    return cls(**values)


def _descriptor(default: object, rule: Rule) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=rule.description, read_only=rule.read_only)
    if rule.choices:
        descriptor.additional_constraints = f"one of {', '.join(rule.choices)}"
    if rule.low is None or rule.high is None:
        return descriptor
    if isinstance(default, float):
        limits = FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
        descriptor.floating_point_range = [limits]
    else:
        limits = IntegerRange(from_value=int(rule.low), to_value=int(rule.high))
        descriptor.integer_range = [limits]
    return descriptor
