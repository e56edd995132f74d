"""How far objects are from where they are believed after 1 and 2 s without being seen.

    python bench/cjepa_hidden.py

Test episodes of the world model's own scenes, states as noisy as the tracker's. Each case hides
one object, which is struck or pushed meanwhile, or undisturbed. Struck ones also by what they are
shaped like and by who strikes them, and beside the simulator itself, with the true shapes, masses
and frictions, that starts from the same noisy state and sees the others with the same noise: what
could be known (minutes of CPU time).
"""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

import mujoco
import numpy as np
import torch
from common import write_result
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_models.cells import Batch
from perception_models.cjepa.dataset import CHUNK, CROWDS, SPLITS, episodes
from perception_models.cjepa.evaluation import AHEAD
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.occlusion import (
    Occlusions,
    by_kalman,
    by_network,
    by_velocity,
    hidden_batch,
    occlusions,
)
from perception_models.cjepa.recording import INTERVAL
from perception_models.cjepa.rollout import observed
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.scenes import random_scene
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_nodes.arrays import Bools, Floats
from perception_nodes.errors import ConfigurationError
from perception_simulation.world import World

SECONDS = (1, 2)
RESTS = 0.03
"""Meters a second below which a thing rests."""
KINDS = {"struck": True, "undisturbed": False}


def errors(found: Tensor, cases: Occlusions) -> dict[str, Any]:
    """Errors in millimeters by kind and second: of each case, median and mean."""
    apart = 1000 * (found - cases.truth).norm(dim=-1)
    table: dict[str, Any] = {}
    for kind, struck in KINDS.items():
        for seconds in SECONDS:
            values = apart[cases.struck == struck, 10 * seconds - 1]
            table[f"{kind}_{seconds}s"] = {
                "median_mm": round(float(values.median()), 1),
                "mean_mm": round(float(values.mean()), 1),
                "cases": [round(v, 2) for v in values.tolist()],
            }
    return table


def by_physics(windows: Windows, cases: Occlusions, switches: Batch) -> Tensor:
    """The simulator from the noisy state on [C, 20, 3]; only struck cases, others are 0."""
    batch = hidden_batch(windows, cases)
    seen = observed(batch, switches)[0].double().numpy()
    truth = batch["truth"].double().numpy()
    found = torch.zeros_like(cases.truth)
    for k in cases.struck.nonzero()[:, 0].tolist():
        episode, item = int(cases.episode[k]), int(cases.item[k])
        frame = int(windows.episodes.branch_frame[episode])
        world = start_of(episode)
        world.model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)
        names = [o.name for o in world.scene.objects]
        world.advance(frame * INTERVAL)
        _put(world, names[item], seen[k, HISTORY - 1, item], truth[k, HISTORY - 1, item])
        for step in range(AHEAD):
            for other, name in enumerate(names):
                if other != item:
                    at = HISTORY - 1 + step
                    _put(world, name, seen[k, at, other], truth[k, at, other])
            world.advance((frame + 1 + step) * INTERVAL)
            place = world.motion(names[item]).pose.translation
            found[k, step] = torch.from_numpy(place)
    return found


def start_of(episode: int) -> World:
    """The world of a test episode, drawn as `recording.record` draws it."""
    low, high = CROWDS["few"]
    number = episode % CHUNK
    seed = [list(SPLITS).index("test"), list(CROWDS).index("few"), episode // CHUNK, number]
    rng = np.random.default_rng(seed)
    while True:
        with contextlib.suppress(ConfigurationError):
            return World(random_scene(rng, low + number % (high - low + 1)))


def _put(world: World, name: str, seen: Floats, true: Floats) -> None:
    """Set an object's level position and velocity as seen; it stands and lies as it truly does.

    What rests is known to rest, as any filter would say.
    """
    joint = world.model.body(name).jntadr[0]
    place, speed = world.model.jnt_qposadr[joint], world.model.jnt_dofadr[joint]
    rotation = Rotation.from_matrix(true[3:12].reshape(3, 3))
    world.data.qpos[place : place + 3] = *seen[:2], true[2]
    world.data.qpos[place + 3 : place + 7] = np.roll(rotation.as_quat(), 1)
    rests = np.linalg.norm(true[12:15]) < RESTS
    velocity = np.zeros(3) if rests else np.append(seen[12:14], true[14])
    world.data.qvel[speed : speed + 3] = velocity
    world.data.qvel[speed + 3 : speed + 6] = rotation.inv().apply(true[15:18])


def groups(windows: Windows, cases: Occlusions) -> dict[str, Bools]:
    """Kinds of struck cases [C]: what shape the object is, and who touches it."""
    sizes = windows.episodes.size[cases.episode, cases.item].sort(dim=1).values.numpy()
    equal = np.isclose(np.diff(sizes, axis=1), 0.0, atol=1e-6).sum(axis=1)
    rows = torch.arange(AHEAD + 1) + windows.episodes.branch_frame[cases.episode][:, None]
    touching = windows.episodes.touching[cases.episode[:, None], rows] > 0
    mine = touching[torch.arange(len(rows)), :, cases.item]
    new = (mine[:, 1:] & ~mine[:, :1]).any(dim=1).numpy()
    tool, other = new[:, -1], new[:, :-1].any(axis=1)
    struck = cases.struck.numpy()
    found = {
        "box": equal == 0,
        "cylinder or capsule": equal == 1,
        "ball": equal == 2,
        "struck by the tool": tool & ~other,
        "struck by an object": other & ~tool,
        "struck by both": tool & other,
        "touched between two states": ~tool & ~other,
    }
    return {name: mask & struck for name, mask in found.items()}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--cases", type=int, default=600)
    args = parser.parse_args()
    torch.set_num_threads(1)
    windows, switches = Windows(episodes("test", "few")), as_shipped()
    cases = occlusions(windows, args.cases)
    network, _ = by_network(shipped(), windows, cases, switches)
    once, _ = by_network(shipped(turned=False), windows, cases, switches)
    held = cases.truth[:, :1].expand_as(cases.truth)
    methods = {
        "world model": network,
        "world model, asked once": once,
        "Kalman filter": by_kalman(windows, cases, switches),
        "constant velocity": by_velocity(windows, cases, switches),
        "stays (as at the first hidden frame)": held,
    }
    figures = {name: errors(found, cases) for name, found in methods.items()}
    for name, row in figures.items():
        print(name, {key: (v["median_mm"], v["mean_mm"]) for key, v in row.items()})
    physics = errors(by_physics(windows, cases, switches), cases)
    struck = cases.struck.numpy()
    kinds = {name: mask[struck].tolist() for name, mask in groups(windows, cases).items()}
    write_result(
        "cjepa_hidden",
        {
            "cases": len(cases.item),
            "methods": figures,
            "physics": {key: row for key, row in physics.items() if key.startswith("struck")},
            "groups": kinds,
        },
    )


if __name__ == "__main__":
    main()
