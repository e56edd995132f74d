"""An event on its way into the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.rows import clean
from perception_nodes.scene import Event, EventKind, SceneState


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An event on its way into the log.

    Attributes:
        stamp, subjects, text, evidence: As in `scene.Event`.
        kind: As there, or "repaired" for the memory's own report of a loss.
        place: (3,) where its first subject was, world frame; None if that is unknown.
        label: The name and score that it gives to its first subject.
    """

    stamp: int
    kind: str
    subjects: tuple[str, ...]
    text: str
    evidence: tuple[str, ...] = ()
    place: Floats | None = None
    label: tuple[str, float] | None = None

    @classmethod
    def of(cls, event: Event, scene: SceneState) -> Entry:
        """The entry of an event that happened in a scene."""
        first = next((s for s in scene.objects if s.id in event.subjects[:1]), None)
        named = first is not None and first.label and event.kind == EventKind.LABELED
        label = (clean(first.label), first.label_score) if first and named else None
        subjects = tuple(clean(subject) for subject in event.subjects)
        evidence = tuple(clean(item) for item in event.evidence)
        place = first.position.copy() if first else None
        return cls(
            event.stamp, event.kind.value, subjects, clean(event.text), evidence, place, label
        )

    @classmethod
    def labeled(
        cls, stamp: int, object_id: str, label: str, score: float, giver: str, place: Floats | None
    ) -> Entry:
        """The entry that says who named an object."""
        text = f'{giver} named {object_id} "{label}"'
        kind = EventKind.LABELED.value
        return cls(stamp, kind, (object_id,), text, (), place, (label, score))

    @classmethod
    def map_corrected(cls, stamp: int, map_id: str, transform: Pose) -> Entry:
        """The entry that says how a map was corrected; its evidence is the whole transform."""
        moved = float(np.linalg.norm(transform.translation))
        turned = float(np.degrees(transform.angle_to(Pose.identity())))
        text = f"the map {map_id} was corrected by {moved:.3f} m and {turned:.2f} degrees"
        numbers = [*transform.translation.tolist(), *transform.quaternion().tolist()]
        used = "transform " + " ".join(f"{number:.9g}" for number in numbers)
        return cls(stamp, "map_corrected", (), text, (used,))
