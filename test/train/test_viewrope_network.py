"""The slot encoder learns, exports, and treats memory and previous slots as it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from raytraced import Ball, Cuboid, Tube, look_at, picture
from torch import Tensor

from perception_kernels.unproject import normals, unproject
from perception_models.cells import Batch, seeded
from perception_models.export import export
from perception_models.viewrope import objective
from perception_models.viewrope.encodings import Encoding
from perception_models.viewrope.measure import object_error
from perception_models.viewrope.network import CELLS, ENCODINGS, Memory, SlotEncoder
from perception_models.viewrope.objective import remembered, started
from perception_models.viewrope.samples import Sample, augmented, inputs, middles
from perception_models.viewrope.slots import STATE, Pixels, Previous, Slots
from perception_models.viewrope.surface import points_and_normals
from perception_models.viewrope.task import Configuration, ViewropeTask, example
from perception_nodes.inference.network import Array
from perception_nodes.scene import MAX_SLOTS
from perception_nodes.viewrope import encoding
from perception_nodes.viewrope.factory import make_source
from perception_nodes.viewrope.interface import read_interface
from perception_nodes.viewrope.learned import LearnedFinder

SOLIDS = (
    Cuboid((0.05, 0.17, 0.05), (0.12, 0.10, 0.10), 0.5),
    Ball((-0.15, -0.12, 0.06), 0.06),
    Tube((0.10, -0.10, 0.07), 0.05, 0.14),
)
SEEN = ("color", "depth", "camera", "rays", "place")
STEPS = 60
EYES = ((-0.7, 0.1, 0.6), (0.3, -0.7, 0.55))


@cache
def sample(eye: tuple[float, float, float]) -> Sample:
    frame, truth = picture(list(SOLIDS), pose=look_at(eye, (0.0, 0.0, 0.03)))
    color = np.full(frame.color.shape, 90, np.uint8)
    for number in range(1, len(SOLIDS) + 1):
        color[truth == number] = (70 * number, 220 - 60 * number, 10)
    centers = np.array([solid.center for solid in SOLIDS])
    return Sample(replace(frame, color=color), truth[::2, ::2], centers)


def batch() -> Batch:
    """Two views of a scene."""
    found = inputs([sample(eye) for eye in EYES])
    found["draws"] = torch.rand(2, 8 + len(SOLIDS), generator=torch.Generator().manual_seed(0))
    return found


def network(seed: int = 0) -> SlotEncoder:
    made = seeded(SlotEncoder, seed).eval()
    assert isinstance(made, SlotEncoder)
    return made


@cache
def fitted() -> SlotEncoder:
    """Trained on the two views until it knows them."""
    made = network().train()
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=STEPS)
    for step in range(STEPS):
        given = batch()
        given["draws"] = torch.rand(given["draws"].shape, generator=seed(step))
        objective.loss(made, given, views=2).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        falling.step()
        optimizer.zero_grad()
    return made.eval()


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


@torch.no_grad()
def look(made: SlotEncoder, given: Batch, previous: Previous | None = None) -> tuple[Pixels, Slots]:
    seen = made.encode(*(given[name] for name in SEEN))
    pixels = made.decode(seen, given["rays"], given["place"])
    return pixels, made.slots(pixels, previous)


def exact(slots: Slots) -> Previous:
    return Previous(slots.query, slots.center, (slots.objectness > 0).float())


class Session:
    """An exported network without a card, as the program runs networks."""

    model_id = "viewrope/test"

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.inputs = {item.name: tuple(item.shape) for item in self._session.get_inputs()}
        self.outputs = {item.name: tuple(item.shape) for item in self._session.get_outputs()}

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        values = self._session.run(list(self.outputs), dict(given))
        return dict(zip(self.outputs, values, strict=True))

    def facts(self) -> Mapping[str, str]:
        return {}


def test_it_overfits_two_views_in_a_few_steps() -> None:
    given = batch()
    _, slots = look(fitted(), given)
    assert object_error(slots, given).max() < 0.3
    assert object_error(look(network(), given)[1], given).min() > 0.5


def test_the_exported_network_runs_in_the_product(tmp_path: Path) -> None:
    task = ViewropeTask(Configuration(), torch.device("cpu"))
    path = tmp_path / "viewrope.onnx"
    exported = export(fitted(), task.signature(), path)  # compares the numbers of both
    assert exported.difference < 5e-4
    assert path.stat().st_size < 15e6
    session = Session(path)
    sizes = read_interface(session)
    assert (sizes.slots, sizes.query, sizes.memory, sizes.patches) == (16, STATE, 4, (15, 20))
    assert LearnedFinder(session).find(sample(EYES[0]).frame).items


@pytest.mark.parametrize("eye", EYES)
def test_the_shipped_network_finds_simple_objects(eye: tuple[float, float, float]) -> None:
    frame, _, centers = sample(eye)
    slots = make_source("learned", "cpu").find(frame)
    assert frame.pose is not None
    places = frame.pose.apply(np.stack([item.pose.translation for item in slots.items]))
    assert len(slots.items) <= len(SOLIDS) + 1
    apart = np.linalg.norm(places[:, None] - centers, axis=-1)
    assert apart.min(axis=0).max() < 0.05


def test_masks_are_shares_and_latents_have_unit_length() -> None:
    masks, objectness, latent, center, query, tokens = network()(*example().values())
    assert masks.shape == (1, MAX_SLOTS + 1, *CELLS)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(1, *CELLS))
    length = latent.norm(dim=-1)
    assert (((length - 1).abs() < 1e-5) | (length == 0)).all()
    assert (length[objectness > 0.5] > 0.5).all()
    assert center.shape == (1, MAX_SLOTS, 3)
    assert query.shape == (1, MAX_SLOTS, STATE)
    assert tokens.shape == (1, 300, 128)


def test_key_frames_that_are_not_valid_are_as_good_as_none() -> None:
    given, made = batch(), network()
    seen = made.encode(*(given[name] for name in SEEN))
    alone = made.decode(seen, given["rays"], given["place"]).features

    def together(valid: float) -> Tensor:
        memory = Memory(
            torch.randn(2, 4, 300, 128, generator=seed(1)),
            given["rays"][:, None].expand(-1, 4, -1, -1, -1),
            given["place"][:, None].expand(-1, 4, -1, -1, -1),
            torch.tensor([[valid, 0, 0, 0]] * 2),
        )
        return made.decode(seen, given["rays"], given["place"], memory).features

    torch.testing.assert_close(together(0.0), alone)
    assert (together(1.0) - alone).abs().max() > 1e-3


def test_what_a_masked_key_frame_holds_does_not_matter() -> None:
    given = example()
    first = network()(*given.values())
    given["memory"][:, 2:] = 100.0
    for a, b in zip(first, network()(*given.values()), strict=True):
        torch.testing.assert_close(a, b)


def test_previous_slots_keep_their_numbers_in_any_order() -> None:
    given, made = batch(), fitted()
    _, slots = look(made, given)
    before = exact(slots)
    order = torch.randperm(MAX_SLOTS, generator=seed(2))
    _, kept = look(made, given, before)
    _, moved = look(made, given, Previous(*(field[:, order] for field in before)))
    held = before.valid > 0
    assert held.sum() >= 2 * len(SOLIDS)
    for name in ("center", "latent", "query", "objectness"):
        a, b = getattr(kept, name)[:, order], getattr(moved, name)
        torch.testing.assert_close(a[held[:, order]], b[held[:, order]], atol=1e-4, rtol=1e-4)


def test_a_new_object_gets_a_slot_beside_the_previous_ones() -> None:
    given, made = batch(), fitted()
    slots = look(made, given)[1]
    known = started(slots, given)
    lost = known.object != 2
    _, again = look(made, given, exact(slots)._replace(valid=((known.object > 0) & lost).float()))
    before = torch.where((known.object > 0) & lost, known.object, -1)
    for owners in (known, started(again, given, before)):
        assert (owners.slot >= 0).all()
    error = object_error(again, given)
    assert error.max() < 0.3


def test_a_mirrored_scene_stays_a_scene() -> None:
    rng = np.random.default_rng(3)
    views = [sample(eye) for eye in EYES]
    seen_mirrored = False
    for _ in range(6):
        changed = augmented([replace_size(item) for item in views], rng)
        found = inputs(changed)
        seen_mirrored |= np.linalg.det(changed[0].frame.pose.rotation) > 0 and not np.allclose(
            changed[0].labels, views[0].labels
        )
        cells = middles(found["labels"], found["visible"], CELLS).reshape(2, *CELLS)
        points, _ = points_and_normals(found["depth"], found["camera"])
        points = points[:, 2::4, 2::4]
        for view in range(2):
            for number in range(len(SOLIDS)):
                own = found["labels"][view].reshape(CELLS) == number + 1
                apart = (points[view][own] - found["centers"][view, number]).norm(dim=-1)
                assert apart.median() < 0.12 * 1.25
                assert (cells[view][own] > 0.999).sum() == 1
    assert seen_mirrored


def replace_size(item: Sample) -> Sample:
    """At the size of the network, as training data are."""
    frame = item.frame
    camera = frame.camera.scaled(320, 240)
    depth = np.ascontiguousarray(frame.depth[::2, ::2])
    color = np.ascontiguousarray(frame.color[::2, ::2])
    return item._replace(frame=replace(frame, camera=camera, depth=depth, color=color))


def test_only_one_slot_owns_an_object_and_previous_ones_come_first() -> None:
    given = batch()
    cell = int((given["labels"][0] == 1).nonzero()[0, 0])
    other = int((given["labels"][0] == 2).nonzero()[0, 0])
    seeds = torch.tensor([[cell, cell, other, 0]] * 2)
    empty = torch.zeros(2, 4)
    found = Slots([], empty, empty, empty, torch.zeros(2, 4, 3), seeds, torch.ones(2, 4))
    given["labels"] = given["labels"][:1].expand(2, -1)
    assert started(found, given).object[0].tolist() == [1, 0, 2, 0]
    before = torch.tensor([[-1, 1, -1, -1]] * 2)
    assert started(found, given, before).object[0].tolist() == [0, 1, 2, 0]


def test_slots_of_another_view_are_offered_where_the_objects_are_now() -> None:
    given = batch()
    given["draws"] = torch.full_like(given["draws"], 0.9)
    _, slots = look(fitted(), given)
    owners = started(slots, given)
    previous, before = remembered(slots, owners, given, views=2)
    for view in range(2):
        for slot in (before[view] > 0).nonzero()[:, 0]:
            center = given["centers"][view, before[view, slot] - 1]
            assert (previous.center[view, slot] - center).norm() < 0.1
    assert (before > 0).sum() == 2 * len(SOLIDS)


def test_the_surface_in_the_graph_is_that_of_the_kernels() -> None:
    holes = np.random.default_rng(0).random((240, 320)) < 0.2
    for eye in EYES:
        seen = encoding.picture(sample(eye).frame, 320, 240)
        depth = np.where(holes, np.nan, seen.depth)
        expected = unproject(depth, seen.camera.rays())
        camera = torch.from_numpy(encoding.intrinsics(seen.camera))[None]
        points, facing = points_and_normals(torch.from_numpy(depth)[None], camera)
        np.testing.assert_allclose(points[0].numpy(), np.nan_to_num(expected), atol=1e-6)
        upright = np.nan_to_num(normals(expected))
        # A rounding error in meters is a thousandth of the step from pixel to pixel.
        assert np.quantile(np.abs(facing[0].numpy() - upright), 0.999) < 2e-3
        assert (facing[0].numpy().any(axis=-1) == upright.any(axis=-1)).all()


@pytest.mark.parametrize("missing", ["depth", "color"])
def test_a_frame_without_depth_or_light_gives_numbers(missing: str) -> None:
    given = example()
    given[missing] = torch.zeros_like(given[missing])
    for value in network()(*given.values()):
        assert value.isfinite().all()


@pytest.mark.parametrize("chosen", ENCODINGS)
def test_each_encoding_reads_what_its_name_says(chosen: Encoding) -> None:
    made = seeded(lambda: SlotEncoder(chosen), 0).eval()
    given = example()

    def tokens(**changed: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = made(**{**given, **changed})[-1]
        return found

    usual = tokens()
    rolled = {name: given[name].roll(7, 1) for name in ("rays", "place")}
    for name, read in (
        ("rays", chosen in (Encoding.VIEW, Encoding.VIEW_PLACE)),
        ("place", chosen in (Encoding.PLACE, Encoding.VIEW_PLACE)),
    ):
        assert torch.equal(usual, tokens(**{name: rolled[name]})) != read
    assert (made.screen is not None) == (chosen is Encoding.SCREEN)
    if made.screen is not None:
        made.screen = made.screen.roll(7, 1)
        assert not torch.equal(usual, tokens())
