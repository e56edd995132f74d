"""Pictures of what happened, and search by appearance within one model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from beliefs import SECOND, event, scene, state
from tabletop import Box, observe

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind, Frame, SceneState

RED, BLUE = (220.0, 30.0, 30.0), (30.0, 30.0, 220.0)
BOXES = (Box((0.0, -0.2, 0.05), (0.1, 0.1, 0.1), RED), Box((0.0, 0.2, 0.05), (0.1, 0.1, 0.1), BLUE))


def look(stamp: int, latent: float = 0.0) -> tuple[SceneState, Frame]:
    frame, _ = observe(BOXES, stamp)
    vector = np.full(8, 0.1, np.float32)
    vector[int(latent)] = 1.0
    states = [
        state(f"o{i}", stamp, box.center, latent=vector, model_id="m1")
        for i, box in enumerate(BOXES, 1)
    ]
    told = [event(stamp, EventKind.MOVED, "o1"), event(stamp, EventKind.LABELED, "o2")]
    return scene(stamp, *states, events=told), frame


def test_an_event_in_view_gets_a_picture_of_its_object(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(*look(SECOND))
    with MemoryReader(path) as reader:
        (key,) = reader.keyframes()
        picture = cv2.imdecode(np.frombuffer(key.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert max(picture.shape) <= 128
        middle = picture[picture.shape[0] // 2, picture.shape[1] // 2, ::-1]
        assert middle == pytest.approx(RED, abs=40)
        moved = reader.events(kind="moved")[0]
        assert (key.event, key.object, key.shows) == (moved.seq, "o1", ("o1",))
        assert f"keyframe {key.id}" in reader.where_is("o1").evidence
        assert f"keyframe {key.id}" in reader.explain("o1").evidence
        assert reader.keyframes("o2") == reader.keyframes(event=moved.seq + 1) == []


def test_an_object_outside_the_image_or_without_a_pose_gets_none(tmp_path: Path) -> None:
    made, frame = look(SECOND)
    behind = replace(made, objects=(state("o1", SECOND, (-3.0, 0, 0)),))
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(behind, frame)
        memory.write(*(look(2 * SECOND)[0], replace(frame, pose=None)))
        assert memory.keyframes() == []


def test_pictures_go_with_what_is_forgotten(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(*look(SECOND))
        jpeg = memory.keyframes()[0].jpeg
        memory.forget("o1")
        assert memory.keyframes() == []
        assert all(jpeg[-100:] not in p.read_bytes() for p in tmp_path.iterdir())


def test_what_looks_alike_is_found_among_vectors_of_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        for k in range(1, 6):
            memory.write(*look(k * SECOND, latent=k % 4))
        foreign = state("o9", 6 * SECOND, latent=np.ones(8, np.float32), model_id="m2")
        memory.write(scene(6 * SECOND, foreign))
        wanted = np.full(8, 0.1)
        wanted[2] = 1.0
        with MemoryReader(path) as reader:
            best = reader.similar(wanted, "m1")
            assert (best[0].stamp, best[0].similarity) == (2 * SECOND, pytest.approx(1.0))
            assert {look.object for look in best} <= {"o1", "o2"}
            assert [look.object for look in reader.similar(wanted, "m2")] == ["o9"]
            assert reader.similar(wanted, "m3") == []
            with pytest.raises(MemoryStoreError, match="have 8 finite numbers"):
                reader.similar(np.ones(5), "m1")
            memory.write(*look(7 * SECOND, latent=6))
            wanted[[2, 6]] = wanted[[6, 2]]
            assert reader.similar(wanted, "m1")[0].stamp == 7 * SECOND  # what came since counts
            memory.forget("o1")
            assert {look.object for look in reader.similar(wanted, "m1")} == {"o2"}
