"""What a slot encoder takes and gives, read from its signature: no size is written down twice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from perception_nodes.errors import ModelError
from perception_nodes.inference.network import Network
from perception_nodes.scene import LATENT_SIZE, MAX_SLOTS

Grid = tuple[int, int]
_REQUIRED = ("color", "depth", "camera", "rays", "place")
_MEMORY = ("memory", "memory_rays", "memory_place", "memory_valid")
_PREVIOUS = ("previous_query", "previous_center", "previous_valid")
_OUTPUTS = ("masks", "objectness", "latent", "center", "query", "tokens")


@dataclass(frozen=True, slots=True)
class Interface:
    """Sizes of a slot encoder; its batch is one.

    Attributes:
        width, height: Of its images.
        patches: Rows and columns of the tokens of a frame.
        phases: Rotary phases of a place.
        memory: Key frames that it attends to; 0 if it has no memory.
        memory_patches: Rows and columns of the tokens of a key frame.
        slots: How many it gives.
        query: Size of the state of a slot; 0 if slots do not persist.
    """

    width: int
    height: int
    patches: Grid
    phases: int
    memory: int
    memory_patches: Grid
    slots: int
    query: int


def read_interface(network: Network) -> Interface:
    """The sizes of a network.

    Raises:
        ModelError: It is no slot encoder, or its sizes contradict each other.
    """
    inputs, outputs = (_fixed(shapes, network) for shapes in (network.inputs, network.outputs))
    optional = [group for group in (_MEMORY, _PREVIOUS) if set(group) & inputs.keys()]
    wanted = {*_REQUIRED, *(name for group in optional for name in group)}
    missing = sorted((wanted - inputs.keys()) | (set(_OUTPUTS) - outputs.keys()))
    unknown = sorted(inputs.keys() - wanted)
    if missing or unknown:
        raise ModelError(
            f"{network.model_id} is no slot encoder: "
            + "; ".join(
                f"{text} {', '.join(names)}"
                for text, names in (("it lacks", missing), ("nobody knows its input", unknown))
                if names
            )
        )
    _, height, width, _ = inputs["color"]
    memory = inputs.get("memory", (1, 0, outputs["tokens"][1], 0))
    found = Interface(
        width,
        height,
        _grid(inputs["rays"][1], width, height, network),
        inputs["place"][2],
        memory[1],
        _grid(memory[2], width, height, network),
        outputs["objectness"][1],
        inputs.get("previous_query", (1, 0, 0))[2],
    )
    if found.slots > MAX_SLOTS or outputs["masks"][1] != found.slots + 1:
        raise ModelError(
            f"{network.model_id} gives {outputs['masks'][1]} masks for {found.slots} slots; "
            f"there may be {MAX_SLOTS} slots and the background"
        )
    if outputs["latent"][2] != LATENT_SIZE or outputs["tokens"][1] != memory[2]:
        raise ModelError(
            f"{network.model_id} gives latents of {outputs['latent'][2]} numbers and "
            f"{outputs['tokens'][1]} tokens; {LATENT_SIZE} and {memory[2]} are needed"
        )
    return found


def _fixed(
    shapes: Mapping[str, tuple[int | str, ...]], network: Network
) -> dict[str, tuple[int, ...]]:
    fixed = {name: tuple(n for n in shape if isinstance(n, int)) for name, shape in shapes.items()}
    free = [name for name, shape in shapes.items() if len(fixed[name]) < len(shape)]
    if free:
        raise ModelError(f"{network.model_id} has sizes that are not fixed: {', '.join(free)}")
    return fixed


def _grid(tokens: int, width: int, height: int, network: Network) -> Grid:
    """Rows and columns of square patches that many of which cover the image."""
    side = math.sqrt(width * height / max(tokens, 1))
    rows, columns = round(height / side), round(width / side)
    if rows * columns != tokens or height % rows or width % columns:
        raise ModelError(
            f"{network.model_id} has {tokens} tokens for an image of {width}x{height} pixels: "
            "they are no grid of square patches"
        )
    return rows, columns
