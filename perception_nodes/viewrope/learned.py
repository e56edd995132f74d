"""Slots from the learned encoder: the network, what it remembers, and boxes from depth.

The network says which pixels belong together and what an object looks like from everywhere; where
an object is and how large follows from depth, as for every slot source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.transforms import BACKWARD_JUMP_NS
from perception_nodes.inference.network import Array, Network
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.depth_finder import MAX_EXTENT
from perception_nodes.viewrope.description import describe, upward
from perception_nodes.viewrope.encoding import (
    Picture,
    Sight,
    intrinsics,
    picture,
    place_phases,
    sight,
)
from perception_nodes.viewrope.interface import read_interface
from perception_nodes.viewrope.joining import join_pieces
from perception_nodes.viewrope.keyframes import KeyFrame, KeyFrames
from perception_nodes.viewrope.masks import main_parts, upsample
from perception_nodes.viewrope.planes import Background, Plane, find_background
from perception_nodes.viewrope.surface import Surface, prepare

MIN_OBJECTNESS = 0.5
"""Slots below it are empty."""

_STATE_LASTS = 5_000_000_000  # ns without a frame after which slots start anew


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What the newest frame of a camera left for the next one; centers in the world."""

    stamp: int
    query: Floats
    centers: Floats
    valid: Floats


class LearnedFinder:
    """Finds objects with the slot encoder.

    Without a pose there is neither memory nor persistence: slots are those of a single frame.
    Slots start anew in each frame, and the tracker keeps ids: with the shipped encoder, slots that
    start from those of the frame before decay over many frames (docs/viewrope.md).

    Args:
        network: The encoder.
        key_frames: Shared by all cameras of one world; None makes its own.
        persistent: Whether slots start from those of the frame before.

    Raises:
        ModelError: The network is no slot encoder.
    """

    def __init__(
        self,
        network: Network,
        key_frames: KeyFrames | None = None,
        *,
        persistent: bool = False,
    ) -> None:
        self._network = network
        self._persistent = persistent
        self._sizes = read_interface(network)
        self._memory = KeyFrames() if key_frames is None else key_frames
        self._states: dict[str, _State] = {}
        self._planes: dict[str, tuple[Plane, ...]] = {}
        self._stamps: dict[str, int] = {}
        self._counts = {"frames": 0, "without pose": 0, "pose jumps": 0, "slots without depth": 0}
        self._first_jump = ""
        self._beside = ThreadPoolExecutor(1, "slot encoder")

    @property
    def model_id(self) -> str:
        """Name and version of the network."""
        return self._network.model_id

    def reset(self) -> None:
        """Forget key frames, previous slots and planes."""
        self._memory.reset()
        self._states.clear()
        self._planes.clear()
        self._stamps.clear()

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        counts, notes = self._counts, []
        if counts["without pose"]:
            notes.append(
                f"{counts['without pose']} of {counts['frames']} frames had no camera pose: their "
                "slots are those of a single frame, without memory"
            )
        if counts["pose jumps"]:
            notes.append(f"{self._first_jump} (one of {counts['pose jumps']} jumps)")
        if counts["slots without depth"]:
            notes.append(
                f"{counts['slots without depth']} slots were not used because the depth image "
                "does not say where they are"
            )
        return tuple(notes)

    def facts(self) -> Mapping[str, str]:
        """What the network runs on and how long it takes; key frames; what went wrong."""
        counts = {name: str(count) for name, count in self._counts.items() if name != "frames"}
        return {**self._network.facts(), "key frames": str(len(self._memory)), **counts}

    def find(self, frame: Frame) -> Slots:
        """Return the objects of a frame, in the order of the network's slots.

        Raises:
            InputError: The network answered with numbers that are not finite; what is remembered
                stays as it was.
        """
        name = frame.camera_name
        if frame.stamp < self._stamps.get(name, frame.stamp) - BACKWARD_JUMP_NS:
            self.reset()
        self._stamps[name] = frame.stamp
        self._counts["frames"] += 1
        seen = picture(frame, self._sizes.width, self._sizes.height)
        key = sight(frame, seen, *self._sizes.memory_patches)
        chosen = self._recall(frame, key)
        given = self._inputs(frame, seen, key, chosen)
        # The network lets go of the interpreter, and planes don't wait for its answer.
        running = self._beside.submit(self._network.run, given)
        surface, background = self._ground(frame)
        found = {name: value[0] for name, value in running.result().items()}
        spoiled = [output for output, value in found.items() if not np.isfinite(value).all()]
        if spoiled:
            raise InputError(
                f"{self.model_id} gave numbers that are not finite ({', '.join(spoiled)}): "
                "the image is left out"
            )
        if frame.pose is not None:
            self._memory.observe(key, found["tokens"])
        if frame.pose is not None and self._persistent:
            self._states[name] = _State(
                frame.stamp,
                found["query"],
                frame.pose.apply(found["center"].astype(np.float64)),
                found["objectness"] >= MIN_OBJECTNESS,
            )
        self._planes[name] = (*background.supports, *background.walls)
        return self._report(frame, surface, background, found)

    def _ground(self, frame: Frame) -> tuple[Surface, Background]:
        """What depth shows, and what of it is floor, table or wall."""
        surface = prepare(frame.depth, frame.camera)
        planes = self._planes.get(frame.camera_name, ())
        return surface, find_background(surface, upward(frame), planes, MAX_EXTENT)

    def _recall(self, frame: Frame, key: Sight) -> list[KeyFrame]:
        """The key frames to attend to; drops the previous slots where they mean nothing."""
        if frame.pose is None:
            self._counts["without pose"] += 1
            self._states.pop(frame.camera_name, None)
            return []
        jump = self._memory.arrive(key)
        if jump:
            self._counts["pose jumps"] += 1
            self._first_jump = self._first_jump or jump
            self._states.pop(frame.camera_name, None)
        rows, columns = self._sizes.memory_patches
        each = max(1, rows * columns // (self._memory.anchors or rows * columns))
        return self._memory.select(key, self._sizes.memory * each)

    def _inputs(
        self, frame: Frame, seen: Picture, key: Sight, chosen: list[KeyFrame]
    ) -> dict[str, Array]:
        sizes = self._sizes
        same = sizes.patches == sizes.memory_patches
        geometry = key if same else sight(frame, seen, *sizes.patches)
        position = geometry.pose.translation
        inputs: dict[str, Array] = {
            "color": seen.color[None],
            "depth": np.nan_to_num(seen.depth)[None],
            "camera": intrinsics(seen.camera)[None],
            "rays": geometry.rays[None],
            "place": place_phases(geometry.places, position, sizes.phases)[None],
        }
        if sizes.memory:
            inputs |= self._remembered(chosen, position)
        if sizes.query:
            inputs |= self._previous(frame)
        return inputs

    def _remembered(self, chosen: list[KeyFrame], position: Floats) -> dict[str, Array]:
        """Key frames as inputs; those that are missing are zeros and not valid."""
        shapes = self._network.inputs
        names = ("memory", "memory_rays", "memory_place", "memory_valid")
        inputs = {name: np.zeros(_numbers(shapes[name]), np.float32) for name in names}
        room = inputs["memory"].shape[2]
        for i, group in enumerate(_groups(chosen, room)):
            places = np.concatenate([key.places for key in group])[:room]
            inputs["memory"][0, i] = np.concatenate([key.tokens for key in group])[:room]
            inputs["memory_rays"][0, i] = np.concatenate([key.rays for key in group])[:room]
            inputs["memory_place"][0, i] = place_phases(places, position, self._sizes.phases)
            inputs["memory_valid"][0, i] = 1.0
        return inputs

    def _previous(self, frame: Frame) -> dict[str, Array]:
        """The slots of the frame before, their centers as this camera sees them."""
        shapes = self._network.inputs
        names = ("previous_query", "previous_center", "previous_valid")
        inputs = {name: np.zeros(_numbers(shapes[name]), np.float32) for name in names}
        state = self._states.get(frame.camera_name)
        if state is None or frame.pose is None or frame.stamp - state.stamp > _STATE_LASTS:
            return inputs
        inputs["previous_query"][0] = state.query
        inputs["previous_center"][0] = frame.pose.inverse().apply(state.centers)
        inputs["previous_valid"][0] = state.valid
        return inputs

    def _report(
        self, frame: Frame, surface: Surface, background: Background, found: dict[str, Array]
    ) -> Slots:
        """The slots of a frame from what the network gave."""
        used = found["objectness"] >= MIN_OBJECTNESS
        masks = found["masks"] * np.concatenate(([1.0], used))[:, None, None].astype(np.float32)
        pieces = main_parts(upsample(masks, surface, background), len(used)).astype(np.int32)
        regions = join_pieces(pieces, found["latent"], surface)
        scores = [float(value) for value in found["objectness"]]
        latents = list(found["latent"].astype(np.float32))
        slots, lost = describe(frame, surface, background, regions, scores, latents, self.model_id)
        self._counts["slots without depth"] += lost
        return slots


def _groups(chosen: Sequence[KeyFrame], room: int) -> Iterator[list[KeyFrame]]:
    """Key frames that fill one of the network's together, as they do where few tokens are kept.

    The last group is filled up with its own ones again, so that no token says nothing.
    """
    start = 0
    while start < len(chosen):
        each = max(1, room // len(chosen[start].tokens))
        group = list(chosen[start : start + each])
        start += each
        yield [group[k % len(group)] for k in range(-(-room // len(group[0].tokens)))]


def _numbers(shape: tuple[int | str, ...]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)
