"""Scene files: YAML that mirrors the dataclasses of `specification.py`, checked key by key."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, Union

import yaml

from perception_nodes.errors import ConfigurationError
from perception_simulation import specification
from perception_simulation.specification import Scene

SHAPES: dict[str, type] = {
    shape.__name__.lower(): shape for shape in typing.get_args(specification.Shape)
}


def load_scene(path: Path) -> Scene:
    """Read a scene file.

    Raises:
        ConfigurationError: It is not there, is not YAML, or has a key, shape or value that no
            scene has; names it and the nearest known.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the scene file {path} can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the scene file {path} is not valid YAML: {error}") from error
    try:
        return _beside(path, scene_from(document))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", error.remedy) from error


def _beside(path: Path, scene: Scene) -> Scene:
    """The scene with the whole paths of motion files that it names relative to its own file."""
    walkers = tuple(
        dataclasses.replace(walker, motion=str((path.parent / walker.motion).resolve()))
        if walker.motion.lower().endswith(".bvh")
        else walker
        for walker in scene.walkers
    )
    return dataclasses.replace(scene, walkers=walkers)


def scene_from(document: Any) -> Scene:
    """Build a scene from the nested mappings and lists of a scene file.

    Raises:
        ConfigurationError: As `load_scene`.
    """
    scene: Scene = _build(Scene, document, "")
    return scene


def save_scene(scene: Scene, path: Path) -> None:
    """Write a scene file; `load_scene` gives the same scene back."""
    text = yaml.safe_dump(_plain(scene), sort_keys=False, default_flow_style=None, width=100)
    path.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        kind = type(value).__name__.lower()
        entries: dict[str, Any] = {"kind": kind} if SHAPES.get(kind) is type(value) else {}
        for item in dataclasses.fields(value):
            entry = getattr(value, item.name)
            if item.default is MISSING or entry != item.default:
                entries[item.name] = _plain(entry)
        return entries
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _build(kind: Any, value: Any, where: str) -> Any:
    """Convert a plain value to the annotated type, or say what is wrong at `where`."""
    if kind == specification.Shape:
        return _shape(value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise _unknown("value", value, arguments, where)
        return value
    if origin in (Union, types.UnionType):
        lengths = {len(typing.get_args(option)): option for option in arguments}
        if isinstance(value, list) and len(value) in lengths:
            return _build(lengths[len(value)], value, where)
        wanted = " or ".join(str(n) for n in sorted(lengths))
        raise ConfigurationError(f"{where}: expected {wanted} numbers, not {value!r}")
    if origin is tuple:
        return _tuple(arguments, value, where)
    return _scalar(kind, value, where)


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ConfigurationError(f"{where}: expected a list, not {value!r}")
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(arguments) != len(value):
        raise ConfigurationError(f"{where}: expected {len(arguments)} numbers, not {value!r}")
    return tuple(
        _build(kind, item, f"{where}[{index}]")
        for index, (kind, item) in enumerate(zip(arguments, value, strict=True))
    )


def _scalar(kind: type, value: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if type(value) is kind:
        return value
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise ConfigurationError(f"{where}: expected {names[kind]}, not {value!r}")


def _shape(value: Any, where: str) -> Any:
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ConfigurationError(
            f"{where}: expected a shape such as {{kind: box, size: [0.1, 0.1, 0.1]}}",
            f"known kinds: {', '.join(sorted(SHAPES))}",
        )
    kind = value["kind"]
    if kind not in SHAPES:
        raise _unknown("shape", kind, SHAPES, where)
    return _dataclass(SHAPES[kind], {k: v for k, v in value.items() if k != "kind"}, where)


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where or 'the file'}: expected keys and values, not {value!r}")
    hints = typing.get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise _unknown("key", key, hints, where)
    for item in dataclasses.fields(kind):
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in value:
            raise ConfigurationError(f"{where or 'the file'}: the key {item.name!r} is missing")
    prefix = f"{where}." if where else ""
    return kind(**{k: _build(hints[k], v, f"{prefix}{k}") for k, v in value.items()})


def _unknown(what: str, value: Any, known: Iterable[Any], where: str) -> ConfigurationError:
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names))}"
    return ConfigurationError(f"{where or 'the file'}: unknown {what} {value!r}", remedy)
