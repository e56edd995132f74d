"""A stream of scenes to measure a memory with: things are pushed, hit others, hide, come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Event, EventKind, ObjectState, SceneState, Slots, Visibility

SECOND = 1_000_000_000
AGENTS = ("robot", "anna")


def busy_scenes(
    seed: int,
    frames: int,
    objects: int = 12,
    gap: float = 1.0,
    events: float = 2.0,
    start: int = SECOND,
    latents: bool = False,
) -> Iterator[SceneState]:
    """Scenes in which something happens.

    Args:
        seed: Everything follows from it; texts of events contain it, so that they are unique.
        frames: How many.
        objects: How many there are.
        gap: Seconds between frames.
        events: How many stories happen in a frame, on average.
        start: Stamp of the first frame, ns.
        latents: Whether objects have an appearance.
    """
    random = np.random.default_rng(seed)
    places = random.uniform(-2, 2, (objects, 3))
    looks = random.standard_normal((objects, 128)).astype(np.float32) if latents else None
    slots = Slots(0, "camera", "camera", np.zeros((1, 1), np.uint8), (), "")
    names = [f"o{i + 1}" for i in range(objects)]
    template = _state(names[0])
    number = 0
    for frame in range(frames):
        stamp = start + round(frame * gap * SECOND)
        told: list[Event] = []
        for _ in range(int(random.poisson(events))):
            i, j = random.choice(objects, 2, replace=False).tolist()
            number += 1
            told += _story(stamp, f"{seed}.{number}", names[i], names[j], random)
            places[[i, j]] += random.uniform(-0.05, 0.05, (2, 3))
        states = tuple(
            replace(
                template,
                id=names[i],
                stamp=stamp,
                last_seen=stamp,
                pose=Pose(np.eye(3), places[i].copy()),
                latent=None if looks is None else looks[i],
                model_id="" if looks is None else "bench",
            )
            for i in range(objects)
        )
        now = replace(slots, stamp=stamp)
        yield SceneState(stamp, now, states, tuple(told))


def _story(
    stamp: int, key: str, name: str, other: str, random: np.random.Generator
) -> Iterator[Event]:
    agent = AGENTS[int(random.integers(2))]
    kinds = EventKind
    if random.random() < 0.3:
        yield _event(stamp, kinds.ACTION, f"push: {agent} pushes {name} {key}", name, agent)
        yield _event(stamp, kinds.CONTACT_ON, f"{agent} touches {name} {key}", name, agent)
        yield _event(stamp, kinds.MOVED, f"{name} moves {key}", name)
        yield _event(stamp, kinds.CONTACT_ON, f"{name} and {other} touch {key}", name, other)
        yield _event(stamp, kinds.MOVED, f"{other} moves {key}", other)
        for who, partner in ((name, agent), (name, other)):
            yield _event(stamp, kinds.CONTACT_OFF, f"{who} and {partner} part {key}", who, partner)
        yield _event(stamp, kinds.STOPPED, f"{name} came to rest {key}", name)
        yield _event(stamp, kinds.STOPPED, f"{other} came to rest {key}", other)
    else:
        yield _event(stamp, kinds.HIDDEN, f"{name} is hidden {key}", name)
        yield _event(stamp, kinds.REAPPEARED, f"{name} is seen again {key}", name)


def _event(stamp: int, kind: EventKind, text: str, *who: str) -> Event:
    return Event(stamp, kind, who, text, (f"camera@{stamp}",))


def _state(name: str) -> ObjectState:
    return ObjectState(
        id=name,
        stamp=0,
        pose=Pose.identity(),
        pose_covariance=np.eye(6) * 1e-5,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-2,
        size=np.full(3, 0.1),
        visibility=Visibility.VISIBLE,
        first_seen=0,
        last_seen=0,
        existence=0.99,
    )
