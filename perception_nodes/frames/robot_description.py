"""Read the collision shapes of a robot from its URDF."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.solids import Solid

MAX_BYTES = 10_000_000
_STL_HEAD, _STL_TRIANGLE = 84, 50

Resolve = Callable[[str], Path | None]


@dataclass(frozen=True, slots=True)
class RobotDescription:
    """What a robot consists of.

    Attributes:
        links: Solids by name of the link whose frame they are fixed in.
        problems: What could not be read, for a person.
    """

    links: dict[str, tuple[Solid, ...]]
    problems: tuple[str, ...] = ()


def read_urdf(text: str, resolve: Resolve) -> RobotDescription:
    """Read a URDF; of a link without collision shapes its visual ones, of a mesh its bounding box.

    Args:
        text: The document.
        resolve: Gives the file of a mesh's URI, or None.

    Raises:
        InputError: It is no URDF, or has a document type, which no URDF needs.
    """
    if len(text) > MAX_BYTES or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("the robot description is too long or has a document type: not read")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a DTD nothing can be expanded
    except ElementTree.ParseError as error:
        raise InputError(f"the robot description is no URDF: {error}") from error
    if root.tag != "robot":
        raise InputError(f"the robot description is no URDF: its root is <{root.tag}>")
    links: dict[str, tuple[Solid, ...]] = {}
    problems = []
    for link in root.findall("link"):
        shapes = link.findall("collision") or link.findall("visual")
        solids = []
        for shape in shapes:
            try:
                solids.append(_solid(shape, resolve))
            except (InputError, OSError, ValueError, struct.error) as error:
                problems.append(f"{link.get('name')}: {error}")
        if solids:
            links[link.get("name") or ""] = tuple(solids)
    return RobotDescription(links, tuple(problems))


def _solid(shape: ElementTree.Element, resolve: Resolve) -> Solid:
    pose = Pose.identity()
    origin = shape.find("origin")
    if origin is not None:
        turn = Rotation.from_euler("xyz", _numbers(origin.get("rpy", "0 0 0"), 3))
        pose = Pose(turn.as_matrix(), _numbers(origin.get("xyz", "0 0 0"), 3))
    form = next(iter(shape.findall("geometry/*")), None)
    if form is None:
        raise InputError("a shape without a geometry")
    if form.tag == "box":
        return Solid("box", _numbers(form.get("size", ""), 3), pose)
    if form.tag == "sphere":
        return Solid("sphere", np.full(3, 2.0 * _number(form, "radius")), pose)
    if form.tag in ("cylinder", "capsule"):
        across, length = 2.0 * _number(form, "radius"), _number(form, "length")
        length += across if form.tag == "capsule" else 0.0
        return Solid("cylinder", np.array([across, across, length]), pose)
    if form.tag == "mesh":
        low, high = _mesh_box(form, resolve)
        middle = pose @ Pose(np.eye(3), (low + high) / 2.0)
        return Solid("box", high - low, middle)
    raise InputError(f"a shape <{form.tag}>, which is unknown")


def _mesh_box(form: ElementTree.Element, resolve: Resolve) -> tuple[Floats, Floats]:
    name = form.get("filename", "")
    path = resolve(name)
    if path is None:
        raise InputError(f"the mesh {name!r} is not found")
    if path.stat().st_size > 20 * MAX_BYTES:
        raise InputError(f"the mesh {name!r} is too large")
    points = _points(path) * _numbers(form.get("scale", "1 1 1"), 3)
    if len(points) == 0 or not np.isfinite(points).all():
        raise InputError(f"the mesh {name!r} has no points that can be read")
    return points.min(axis=0), points.max(axis=0)


def _points(path: Path) -> Floats:
    """(N, 3) vertices of a mesh file, in its own units: STL or OBJ."""
    kind, data = path.suffix.lower(), path.read_bytes()
    if kind == ".stl" and not _is_text(data):
        (count,) = struct.unpack_from("<I", data, 80)
        if len(data) < _STL_HEAD + _STL_TRIANGLE * count:
            raise InputError(f"the mesh {path.name!r} is cut off")
        body = np.frombuffer(data, np.uint8, _STL_TRIANGLE * count, _STL_HEAD)
        corners = np.ascontiguousarray(body.reshape(-1, _STL_TRIANGLE)[:, 12:48])
        return corners.view("<f4").reshape(-1, 3).astype(np.float64)
    text = data.decode("utf-8", errors="replace")
    if kind in (".stl", ".obj"):
        mark = "vertex" if kind == ".stl" else "v"
        lines = (line.split() for line in text.splitlines())
        rows = [words[1:4] for words in lines if words and words[0] == mark]
        return np.array(rows, dtype=np.float64).reshape(-1, 3)
    raise InputError(f"the mesh {path.name!r} is neither STL nor OBJ")


def _is_text(data: bytes) -> bool:
    return data[:5] == b"solid" and b"facet" in data[:1000]


def _numbers(text: str, count: int) -> Floats:
    values = np.array([float(word) for word in text.split()])
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(f"{text!r} is not {count} numbers")
    return values


def _number(form: ElementTree.Element, key: str) -> float:
    (value,) = _numbers(form.get(key, ""), 1)
    return float(value)
