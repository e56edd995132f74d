"""The scenes that come with the program keep their promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.errors import ConfigurationError
from perception_nodes.resources import resource
from perception_nodes.scene import UNSCORED_LABELS, Sample, Visibility
from perception_simulation.generator import generate
from perception_simulation.scene_file import load_scene
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Place, Scene
from perception_simulation.world import World

RATE = 5.0


@pytest.fixture(scope="module")
def demo_scene() -> Scene:
    return load_scene(resource("worlds") / "demo.yaml")


@pytest.fixture(scope="module")
def demo(demo_scene: Scene) -> list[Sample]:
    return list(Simulator(replace(demo_scene, rate=RATE, width=212, height=160)))


def visibility(samples: list[Sample]) -> dict[str, list[Visibility]]:
    """What is true of every object that counts, frame by frame."""
    seen: dict[str, list[Visibility]] = {}
    for sample in samples:
        assert sample.truth is not None
        for state in sample.truth.objects:
            if state.label not in UNSCORED_LABELS:
                seen.setdefault(state.id, []).append(state.visibility)
    return seen


def hidden_spans(seen: list[Visibility]) -> list[float]:
    """Seconds of each stretch in which an object is not visible."""
    text = "".join("v" if v is Visibility.VISIBLE else "h" for v in seen)
    return [len(part) / RATE for part in text.split("v") if part]


@pytest.mark.usefixtures("rendering")
def test_the_demo_hides_each_of_its_objects_at_least_twice_for_two_to_five_seconds(
    demo: list[Sample],
) -> None:
    seen = visibility(demo)
    assert len(seen) >= 8
    for name, states in seen.items():
        long = [span for span in hidden_spans(states) if 2.0 <= span <= 5.0]
        assert len(long) >= 2, name
        assert states[0] is Visibility.VISIBLE
        assert states[-1] is Visibility.VISIBLE


@pytest.mark.usefixtures("rendering")
def test_the_demo_pushes_two_objects_while_they_are_hidden(
    demo: list[Sample], demo_scene: Scene
) -> None:
    moved: dict[str, float] = {}
    for before, after in itertools.pairwise(demo):
        assert before.truth is not None
        assert after.truth is not None
        for a, b in zip(before.truth.objects, after.truth.objects, strict=True):
            both = Visibility.OCCLUDED is a.visibility is b.visibility
            if both and a.label not in UNSCORED_LABELS:
                way = float(np.linalg.norm(b.position - a.position))
                moved[a.id] = moved.get(a.id, 0.0) + way
    pushed = {name for name, way in moved.items() if way > 0.03}
    assert pushed == {"mug", "red_box"}
    assert len(demo_scene.pushes) == 2


@pytest.mark.usefixtures("rendering")
def test_the_demo_camera_looks_away_by_more_than_ninety_degrees_and_returns(
    demo: list[Sample],
) -> None:
    axes = np.stack([s.frame.pose.rotation[:, 2] for s in demo if s.frame.pose is not None])
    angles = np.degrees(np.arccos(np.clip(axes @ axes[0], -1.0, 1.0)))
    assert angles.max() > 90.0
    assert angles[-1] < 30.0


@pytest.mark.usefixtures("rendering")
def test_the_demo_carries_an_object_out_of_view_and_back_elsewhere(demo: list[Sample]) -> None:
    vase = [next(o for o in s.truth.objects if o.id == "vase") for s in demo if s.truth]
    high = [v for v in vase if v.position[2] > 1.1]
    assert high
    assert all(v.visibility is Visibility.OUT_OF_VIEW for v in high)
    assert np.linalg.norm(vase[-1].position - vase[0].position) > 0.2


@pytest.mark.parametrize("place", ["tabletop", "room"])
def test_generated_scenes_are_possible_varied_and_repeatable(place: Place) -> None:
    scenes = [generate(seed, place) for seed in range(12)]
    for seed, scene in enumerate(scenes):
        World(scene)  # refuses overlaps
        assert 4 <= len(scene.objects) <= 12
        assert generate(seed, place) == scene
    kinds = {type(item.shape).__name__ for scene in scenes for item in scene.objects}
    assert len(kinds) >= 8
    assert len({len(scene.objects) for scene in scenes}) > 3
    assert all(scene.pushes and scene.occluders and scene.carries for scene in scenes[:6])


def test_generated_pushes_move_what_they_aim_at() -> None:
    for seed in range(3):
        scene = generate(seed)
        world = World(scene)
        for push in sorted(scene.pushes, key=lambda p: p.start):
            world.advance(push.start - 0.1)
            before = {n: world.motion(n).pose.translation for n in world.present}
            world.advance(push.start + push.duration)
            ways = [np.linalg.norm(world.motion(n).pose.translation - before[n]) for n in before]
            assert max(ways) > 0.02, (seed, push.name)


def test_a_generated_scene_can_have_two_cameras_and_a_wanted_number_of_objects() -> None:
    scene = generate(1, "tabletop", objects=5, cameras=2)
    assert [camera.name for camera in scene.cameras] == ["camera_a", "camera_b"]
    assert len(scene.objects) == 5
    with pytest.raises(ConfigurationError, match="not 40"):
        generate(1, objects=40)


@pytest.mark.usefixtures("rendering")
def test_a_generated_scene_hides_things_and_moves_some_of_them_unseen() -> None:
    scene = replace(generate(2, objects=5), rate=RATE, width=160, height=120)
    samples = list(Simulator(scene))
    kinds = [e.kind for s in samples if s.truth for e in s.truth.events]
    assert kinds.count("hidden") >= 5
    assert "moved_unseen" in kinds
    assert "contact_on" in kinds
