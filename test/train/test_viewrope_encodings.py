"""Scores depend on the relations that each encoding promises, and on nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_kernels.rays import frequencies, projections, ray_frames, rotary_phases
from perception_models.viewrope.attention import GeometricAttention
from perception_models.viewrope.encodings import (
    Encoding,
    Geometry,
    encode_key,
    encode_query,
    place_frequencies,
    screen_frequencies,
)
from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

WIDTH = 24
CAMERA = Camera(32, 32, 30.0, 30.0, 15.5, 15.5)
RAYS = CAMERA.scaled(4, 4).rays().reshape(-1, 3)
DEPTHS = np.random.default_rng(1).uniform(0.5, 3.0, (16, 1))
TURN = Rotation.from_euler("xyz", (0.3, -1.2, 0.7)).as_matrix()
FIRST = Pose(Rotation.from_euler("xyz", (0.1, 0.4, -0.2)).as_matrix(), np.array([0.3, 0.1, 1.0]))
SECOND = Pose(Rotation.from_euler("xyz", (-0.3, 1.0, 0.5)).as_matrix(), np.array([-0.4, 0.2, 0.8]))
ROTARY = (Encoding.SCREEN, Encoding.VIEW, Encoding.PLACE, Encoding.VIEW_PLACE)


def geometry(
    pose: Pose, encoding: Encoding, points: Floats | None = None, origin: Floats | None = None
) -> Geometry:
    """Of the 16 patches of one frame."""

    def batched(array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))[None]

    points = pose.apply(RAYS * DEPTHS) if points is None else points
    reference = np.zeros(3) if origin is None else origin
    both = projections(CAMERA.matrix(), 32, 32, pose.inverse().matrix())
    screen = frequencies(0.1, 4.0, screen_frequencies(encoding, WIDTH))
    camera, inverse = (batched(np.broadcast_to(matrix, (16, 4, 4))) for matrix in both)
    return Geometry(
        rays=batched(ray_frames(RAYS, pose.rotation)),
        place=batched(
            rotary_phases(points, reference, frequencies(0.5, 4.0, place_frequencies(WIDTH)))
        ),
        screen=batched(rotary_phases(RAYS[:, :2], np.zeros(2), screen)),
        camera=camera,
        inverse=inverse,
    )


def heads(seed: int) -> Tensor:
    return torch.randn(1, 2, 16, WIDTH, generator=torch.Generator().manual_seed(seed))


def scores(encoding: Encoding, query: Geometry, key: Geometry) -> Tensor:
    return encode_query(encoding, heads(0), query) @ encode_key(encoding, heads(1), key).transpose(
        -1, -2
    )


def moved(by: Pose, encoding: Encoding) -> Tensor:
    return scores(encoding, geometry(by @ FIRST, encoding), geometry(by @ SECOND, encoding))


@pytest.mark.parametrize("encoding", ROTARY)
def test_rotary_encodings_keep_the_norm_of_queries(encoding: Encoding) -> None:
    turned = encode_query(encoding, heads(0), geometry(FIRST, encoding))
    torch.testing.assert_close(turned.norm(dim=-1), heads(0).norm(dim=-1))
    assert (turned - heads(0)).abs().max() > 0.1


def test_turning_the_world_changes_no_view_score() -> None:
    still = moved(Pose.identity(), Encoding.VIEW)
    torch.testing.assert_close(
        moved(Pose(TURN, np.zeros(3)), Encoding.VIEW), still, atol=1e-4, rtol=1e-4
    )


def test_moving_one_camera_without_turning_it_changes_no_view_score() -> None:
    elsewhere = Pose(SECOND.rotation, SECOND.translation + np.array([3.0, -1.0, 0.5]))
    query = geometry(FIRST, Encoding.VIEW)
    here = scores(Encoding.VIEW, query, geometry(SECOND, Encoding.VIEW))
    assert torch.equal(scores(Encoding.VIEW, query, geometry(elsewhere, Encoding.VIEW)), here)
    turned = geometry(Pose(TURN @ SECOND.rotation, SECOND.translation), Encoding.VIEW)
    assert (scores(Encoding.VIEW, query, turned) - here).abs().max() > 0.1


def test_a_view_score_is_that_of_the_relative_ray_rotation() -> None:
    query, key = geometry(FIRST, Encoding.VIEW), geometry(SECOND, Encoding.VIEW)
    assert query.rays is not None
    assert key.rays is not None
    relative = query.rays[0, 5].T @ key.rays[0, 9]
    q, k = heads(0)[0, 1, 5], heads(1)[0, 1, 9]
    turned, rest = q[:12].reshape(4, 3), q[12:] @ k[12:]
    expected = (turned @ relative * k[:12].reshape(4, 3)).sum() + rest
    torch.testing.assert_close(scores(Encoding.VIEW, query, key)[0, 1, 5, 9], expected)


@pytest.mark.parametrize("encoding", [Encoding.PLACE, Encoding.VIEW_PLACE])
def test_place_scores_depend_on_relative_position_alone(encoding: Encoding) -> None:
    still = moved(Pose.identity(), encoding)
    shifted = moved(Pose(np.eye(3), np.array([5.0, -2.0, 1.0])), encoding)
    torch.testing.assert_close(shifted, still, atol=1e-4, rtol=1e-4)
    elsewhere = Pose(SECOND.rotation, SECOND.translation + np.array([0.5, 0.0, 0.0]))
    other = scores(encoding, geometry(FIRST, encoding), geometry(elsewhere, encoding))
    assert (other - still).abs().max() > 0.1


def test_place_scores_do_not_depend_on_the_reference() -> None:
    here, there = np.zeros(3), np.array([1.0, 2.0, -0.5])
    pairs = [
        [geometry(pose, Encoding.PLACE, origin=origin) for pose in (FIRST, SECOND)]
        for origin in (here, there)
    ]
    first, second = (scores(Encoding.PLACE, *pair) for pair in pairs)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


def test_a_token_of_unknown_place_is_neither_near_nor_far() -> None:
    unknown = np.full((16, 3), np.nan)
    query = geometry(FIRST, Encoding.PLACE, points=unknown)
    found = scores(Encoding.PLACE, query, geometry(SECOND, Encoding.PLACE))
    plain = heads(0)[..., 12:] @ heads(1)[..., 12:].transpose(-1, -2)
    torch.testing.assert_close(found, plain)


def test_prope_scores_depend_on_the_relative_pose_and_the_image_alone() -> None:
    by = Pose(TURN, np.array([1.0, -2.0, 0.5]))
    torch.testing.assert_close(
        moved(by, Encoding.PROPE), moved(Pose.identity(), Encoding.PROPE), atol=2e-3, rtol=1e-3
    )


def test_prope_output_depends_on_the_relative_pose_alone() -> None:
    torch.manual_seed(0)
    attention = GeometricAttention(2 * WIDTH, 2, Encoding.PROPE)
    tokens, others = torch.randn(2, 1, 16, 2 * WIDTH)

    def output(by: Pose) -> Tensor:
        frames = (geometry(by @ pose, Encoding.PROPE) for pose in (FIRST, SECOND))
        query, key = frames
        found: Tensor = attention(tokens, query, others, key)
        return found

    by = Pose(TURN, np.array([1.0, -2.0, 0.5]))
    torch.testing.assert_close(output(by), output(Pose.identity()), atol=2e-3, rtol=1e-3)


def test_each_head_may_assume_a_depth_of_its_own() -> None:
    places = [
        geometry(FIRST, Encoding.PLACE, points=FIRST.apply(RAYS * depth)).place
        for depth in (1.0, 2.0)
    ]
    stacked = torch.stack([place for place in places if place is not None], dim=1)
    found = encode_query(Encoding.PLACE, heads(0), Geometry(place=stacked))
    for head, place in enumerate(places):
        alone = encode_query(Encoding.PLACE, heads(0), Geometry(place=place))
        torch.testing.assert_close(found[:, head], alone[:, head])


def test_missing_geometry_is_named() -> None:
    with pytest.raises(ValueError, match="rays"):
        encode_query(Encoding.VIEW, heads(0), Geometry())


def test_a_hidden_token_is_not_attended_to() -> None:
    attention = GeometricAttention(2 * WIDTH, 2, Encoding.VIEW)
    tokens = torch.randn(1, 16, 2 * WIDTH)
    where = geometry(FIRST, Encoding.VIEW)
    bias = torch.zeros(16)
    bias[3] = -torch.inf
    changed = tokens.clone()
    changed[:, 3] += 1.0
    before, after = attention(tokens, where, bias=bias), attention(changed, where, bias=bias)
    keep = [k for k in range(16) if k != 3]
    torch.testing.assert_close(before[:, keep], after[:, keep])


@pytest.mark.parametrize("encoding", list(Encoding))
def test_the_exported_attention_has_no_trigonometry_and_gives_the_same(
    encoding: Encoding, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    attention = GeometricAttention(2 * WIDTH, 2, encoding).eval()
    names = Geometry._fields

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention

        def forward(self, tokens: Tensor, *parts: Tensor) -> Tensor:
            half = len(parts) // 2
            query, key = Geometry(*parts[:half]), Geometry(*parts[half:])
            found: Tensor = self.attention(tokens, query, tokens.flip(1), key)
            return found

    parts = [*geometry(FIRST, encoding), *geometry(SECOND, encoding)]
    inputs = (torch.randn(1, 16, 2 * WIDTH), *(part for part in parts if part is not None))
    path = tmp_path / "attention.onnx"
    labels = ["tokens", *(f"{side}_{name}" for side in ("query", "key") for name in names)]
    torch.onnx.export(
        Exported().eval(), inputs, path, input_names=labels, opset_version=20, dynamo=True
    )
    assert not {node.op_type for node in onnx.load(path).graph.node} & {"Sin", "Cos"}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = {item.name for item in session.get_inputs()}
    feed = {k: v.numpy() for k, v in zip(labels, inputs, strict=True) if k in known}
    (found,) = session.run(None, feed)
    np.testing.assert_allclose(found, Exported()(*inputs).detach().numpy(), atol=2e-5)
