"""What the encoder says of the look of the objects in the world model's own episodes.

The scene of an episode is drawn as a camera would see it when it begins, with random textures and
an imperfect sensor; the shipped finder finds slots in it, and an object gets the latent of the slot
that shows most of it. So the latents are as the world model would get them on a robot: some
objects are missed, some slots show two.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from perception_models.cjepa import recording, scenes
from perception_models.cjepa.dataset import CHUNK, CROWDS, SPLITS, scene_of
from perception_models.cjepa.network import CjepaNetwork, Last, Scenes
from perception_models.data import cached
from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.factory import make_source
from perception_nodes.viewrope.source import SlotSource
from perception_simulation.motion import look_at
from perception_simulation.random_objects import random_texture
from perception_simulation.renderer import Renderer, View
from perception_simulation.sensors import CameraNoise
from perception_simulation.specification import DepthSensor
from perception_simulation.world import World

LATENT = 128
_WIDTH, _HEIGHT, _FOCAL = 320, 240, 300.0
_SLOPE = (0.5, 1.0)
_MOST_OF = 0.5
"""Share of an object's pixels that a slot must show to speak for it."""


def latents(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Latents of the first `count` episodes with few objects.

    Returns:
        [E, N, 128] of unit length, 0 where there is none, and [E, N] whether there is one.
    """
    source = make_source("learned", device="cpu")
    chunks = [_chunk(split, k, source) for k in range((count + CHUNK - 1) // CHUNK)]
    return (
        torch.cat([chunk["latents"] for chunk in chunks])[:count],
        torch.cat([chunk["found"] for chunk in chunks])[:count],
    )


def _chunk(split: str, index: int, source: SlotSource) -> dict[str, Tensor]:
    recipe = {"split": split, "index": index, "encoder": source.model_id, "latents": 1}

    def make() -> dict[str, Tensor]:
        most = CROWDS["few"][1]
        table = np.zeros((CHUNK, most, LATENT), np.float32)
        found = np.zeros((CHUNK, most), np.float32)
        for number in range(CHUNK):
            for item, latent in _seen(split, CHUNK * index + number, source).items():
                table[number, item], found[number, item] = latent, 1.0
        return {"latents": torch.from_numpy(table), "found": torch.from_numpy(found)}

    return cached("cjepa-latents", recipe, make, code=(scenes, recording))


def _seen(split: str, episode: int, source: SlotSource) -> dict[int, Floats]:
    """By object the latent of the slot that shows it."""
    rng = np.random.default_rng([7, list(SPLITS).index(split), episode])
    scene = scene_of(split, episode)
    dressed = [dataclasses.replace(o, texture=random_texture(rng)) for o in scene.objects]
    world = World(dataclasses.replace(scene, objects=tuple(dressed)))
    bodies = [world.model.body(item.name).id for item in scene.objects]
    view, pose, camera = _look(rng, world, [o.name for o in scene.objects])
    noise = CameraNoise(DepthSensor(), episode, 0)
    assert view.color is not None
    source.reset()
    color, depth = noise.color(view.color, 0), noise.depth(view.depth, 0)
    slots = source.find(
        Frame(1, "camera", "camera_color_optical_frame", camera, color, depth, pose)
    )
    return _assigned(slots, view, bodies)


def _look(rng: np.random.Generator, world: World, names: list[str]) -> tuple[View, Pose, Camera]:
    """The scene from the side, all of it in the picture."""
    centers = np.stack([world.motion(name).pose.translation for name in names])
    middle = centers.mean(axis=0)
    away = 0.25 + 1.8 * float(np.linalg.norm(centers - middle, axis=1).max())
    angle, slope = float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(*_SLOPE))
    back = np.array([np.cos(angle) * np.cos(slope), np.sin(angle) * np.cos(slope), np.sin(slope)])
    pose = look_at(middle + away * back, middle)
    camera = Camera(_WIDTH, _HEIGHT, _FOCAL, _FOCAL, (_WIDTH - 1) / 2.0, (_HEIGHT - 1) / 2.0)
    with Renderer(world.model, _WIDTH, _HEIGHT) as renderer:
        return renderer.render(world.data, pose, camera), pose, camera


def _assigned(slots: Slots, view: View, bodies: list[int]) -> dict[int, Floats]:
    """The latent of each object that one slot mostly shows."""
    rows, columns = slots.labels.shape
    step = view.bodies.shape[0] // rows
    shown = view.bodies[step // 2 :: step, step // 2 :: step][:rows, :columns]
    found: dict[int, Floats] = {}
    for item, body in enumerate(bodies):
        labels = slots.labels[shown == body]
        if not labels.size:
            continue
        label = int(np.bincount(labels).argmax())
        if label and (labels == label).mean() >= _MOST_OF:
            latent = next((s.latent for s in slots.items if s.index + 1 == label), None)
            if latent is not None:
                found[item] = latent
    return found


class LookingNetwork(CjepaNetwork):
    """The world model with latents as part of the tokens.

    In place of roundness [B, N, 3] it takes [B, N, 3 + L]: roundness and latent. A network that is
    not to know latents gets zeros.
    """

    def __init__(self, width: int, heads: int, depth: int, message: int, latent: int) -> None:
        super().__init__(width, heads, depth, message)
        self.embed_latent = nn.Linear(latent, width, bias=False)

    def _tokens(self, scene: Scenes, last: Last) -> Tensor:
        plain = scene._replace(roundness=scene.roundness[..., :3])
        tokens = super()._tokens(plain, last)
        looks = self.embed_latent(scene.roundness[..., 3:])
        looks = torch.cat((looks, torch.zeros_like(looks[..., :1, :])), dim=-2)
        result: Tensor = tokens + looks.unsqueeze(-3)
        return result

    def _edges(self, scene: Scenes, everywhere: Tensor) -> tuple[Tensor, Tensor]:
        return super()._edges(scene._replace(roundness=scene.roundness[..., :3]), everywhere)
