"""Scene files: what they say is what is simulated, and what they get wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_scene import CAMERA, PANEL, PUSH, small_scene, thing

from perception_nodes.errors import ConfigurationError
from perception_simulation import specification as spec
from perception_simulation.scene_file import load_scene, save_scene, scene_from
from perception_simulation.world import World

CAMERA_TEXT = "cameras: [{path: [{time: 0, position: [-1, 0, 1], look_at: [0, 0, 0.7]}]}]\n"


def load(folder: Path, text: str) -> spec.Scene:
    path = folder / "scene.yaml"
    path.write_text(text)
    return load_scene(path)


def one_object(shape: str, rest: str = "position: [0, 0]") -> str:
    return CAMERA_TEXT + f"objects: [{{name: a, shape: {shape}, {rest}}}]\n"


def test_a_saved_scene_is_loaded_as_it_was(tmp_path: Path) -> None:
    scene = small_scene(
        thing("m", spec.Mug(0.04, 0.09), texture=spec.Texture((0.1, 0.2, 0.3), pattern="stripes")),
        thing("v", spec.Revolution(((0.03, 0.0), (0.02, 0.1)), 0.003), position=(0.2, 0.1, 0.9)),
        thing("q", spec.Superquadric((0.1, 0.1, 0.1), 0.3, 0.8), velocity=(0.1, 0.0, 0.0)),
        occluders=(PANEL,),
        pushes=(PUSH,),
        carries=(spec.Carry("c", "m", (0.0, 1.5, 1.0), (0.1, 0.1), 2.0, 4.0),),
        odometry=spec.Odometry(0.01, 0.02),
        shadows=True,
    )
    save_scene(scene, tmp_path / "scene.yaml")
    assert load_scene(tmp_path / "scene.yaml") == scene


@pytest.mark.parametrize(
    ("text", "culprit", "remedy"),
    [
        (
            one_object("{kind: spere, radius: 0.1}"),
            "objects[0].shape: unknown shape 'spere'",
            "sphere",
        ),
        (one_object("{kind: sphere, raduis: 0.1}"), "unknown key 'raduis'", "radius"),
        (one_object("{kind: sphere}"), "'radius' is missing", ""),
        (
            one_object("{kind: sphere, radius: big}"),
            "objects[0].shape.radius: expected a number",
            "",
        ),
        (one_object("{kind: sphere, radius: 1}", "position: [1]"), "expected 2 or 3 numbers", ""),
        (
            one_object("{kind: sphere, radius: 1}", "position: [0, 0], colour: 3"),
            "'colour'",
            "known",
        ),
        (CAMERA_TEXT + "objects: []\nplace: tabeltop\n", "unknown value 'tabeltop'", "tabletop"),
        (CAMERA_TEXT + "objects: []\nshadow: true\n", "unknown key 'shadow'", "shadows"),
        ("objects: [\n", "not valid YAML", ""),
        ("[]", "expected keys and values", ""),
    ],
)
def test_a_mistake_is_named_with_the_nearest_known(
    tmp_path: Path, text: str, culprit: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert culprit in error.value.message
    assert str(tmp_path / "scene.yaml") in error.value.message
    assert remedy in error.value.remedy


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_scene(tmp_path / "nowhere.yaml")


def test_overlapping_objects_are_both_named() -> None:
    scene = small_scene(
        thing("left"), thing("right", position=(0.04, 0.0)), thing("far", position=(0.3, 0.0))
    )
    with pytest.raises(ConfigurationError, match="'left' and 'right' overlap at the start, 20 mm"):
        World(scene)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (small_scene(thing("a"), thing("a", position=(0.3, 0.0))), "'a' is used twice"),
        (small_scene(thing("table")), "'table' is taken"),
        (small_scene(thing(mass=0.0)), "box: mass must be greater than 0"),
        (small_scene(thing(shape=spec.Sphere(-1.0))), "box: radius"),
        (small_scene(thing(shape=spec.Superquadric((1.0, 1.0, 1.0), 3.0, 1.0))), "north_south"),
        (small_scene(thing(shape=spec.Revolution(((0.1, 0.2), (0.1, 0.1))))), "must increase"),
        (small_scene(thing(position=(0.7, 0.0))), "beyond the edge"),
        (small_scene(rate=0.0), "rate"),
        (small_scene(cameras=()), "at least one object and one camera"),
        (
            small_scene(pushes=(PUSH, spec.Push("b", (0, 0), (1, 1), 2.5, 1.0))),
            "'push' until 3.20 s",
        ),
        (small_scene(occluders=(spec.Occluder("o", (1, 1, 1), PANEL.path[::-1]),)), "run backward"),
    ],
)
def test_an_impossible_scene_says_why(scene: spec.Scene, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        World(scene)
    assert words in error.value.message


def test_carrying_an_unknown_object_suggests_the_nearest() -> None:
    carry = spec.Carry("c", "boks", (0.0, 1.0, 1.0), (0.1, 0.1), 1.0, 4.0)
    with pytest.raises(ConfigurationError, match="boks") as error:
        World(small_scene(carries=(carry,)))
    assert "'box'" in error.value.remedy


def test_every_shape_can_be_written_in_a_file() -> None:
    shapes = [
        {"kind": "box", "size": [0.1, 0.1, 0.1]},
        {"kind": "sphere", "radius": 0.05},
        {"kind": "cylinder", "radius": 0.05, "height": 0.1},
        {"kind": "capsule", "radius": 0.03, "height": 0.1},
        {"kind": "ellipsoid", "size": [0.1, 0.08, 0.06]},
        {"kind": "superquadric", "size": [0.1, 0.1, 0.1], "north_south": 0.5, "east_west": 0.5},
        {"kind": "revolution", "profile": [[0.03, 0.0], [0.05, 0.1]]},
        {"kind": "mug", "radius": 0.04, "height": 0.1},
        {"kind": "bottle", "radius": 0.04, "height": 0.2, "neck_radius": 0.01},
        {"kind": "bowl", "radius": 0.06, "height": 0.05},
        {"kind": "tee", "length": 0.12, "thickness": 0.03, "height": 0.03},
    ]
    assert len(shapes) == len(spec.Shape.__args__)
    objects = [
        {"name": f"o{i}", "shape": shape, "position": [0.18 * (i % 5) - 0.36, 0.2 * (i // 5) - 0.2]}
        for i, shape in enumerate(shapes)
    ]
    scene = scene_from({"objects": objects, "cameras": [{"path": [vars_of(CAMERA)]}]})
    assert World(scene).present == tuple(f"o{i}" for i in range(len(shapes)))


def vars_of(camera: spec.MovingCamera) -> dict[str, object]:
    key = camera.path[0]
    return {"time": 0, "position": list(key.position), "look_at": list(key.look_at)}
