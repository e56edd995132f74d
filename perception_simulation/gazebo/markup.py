"""Elements of SDF and URDF, with numbers written so that the same scene gives the same bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from scipy.spatial.transform import Rotation

from perception_nodes.geometry.pose import Pose

Element = ElementTree.Element


def numbers(values: Iterable[float] | float) -> str:
    """Numbers with nine digits, separated by spaces; no negative zero."""
    listed = [values] if isinstance(values, int | float) else list(values)
    return " ".join(f"{round(float(value), 9) + 0.0:.9g}" for value in listed)


def add(parent: Element, tag: str, content: object = None, **attributes: str) -> Element:
    """A new child with text or numbers in it."""
    child = ElementTree.SubElement(parent, tag, attributes)
    if isinstance(content, bool):
        child.text = str(content).lower()
    elif isinstance(content, str):
        child.text = content
    elif content is not None:
        child.text = numbers(content)  # type: ignore[arg-type]
    return child


def angles(pose: Pose) -> tuple[float, float, float]:
    """Roll, pitch and yaw about fixed axes, as URDF has them."""
    roll, pitch, yaw = Rotation.from_matrix(pose.rotation).as_euler("xyz")
    return float(roll), float(pitch), float(yaw)


def place(parent: Element, pose: Pose) -> None:
    """A `<pose>` with a quaternion, which no rotation is too steep for."""
    turn = Rotation.from_matrix(pose.rotation).as_quat(canonical=True)
    add(parent, "pose", [*pose.translation, *turn], rotation_format="quat_xyzw")


def text(root: Element, head: str) -> str:
    """The document, with a comment before it."""
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0"?>\n<!-- {head} -->\n{body}\n'
