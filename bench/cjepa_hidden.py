"""How far objects are from where they are believed after 1 and 2 s without being seen.

    python bench/cjepa_hidden.py

Test episodes of the world model's own scenes, states as noisy as the tracker's. Each case hides
one object, which is struck or pushed meanwhile, or undisturbed. Struck ones also by what they are
shaped like and by who strikes them, and beside the simulator itself, with the true shapes, masses
and frictions, that starts from the same noisy state and sees the others with the same noise: what
could be known (minutes of CPU time).

Shapes are believed as the tracker tells them from images: for each object one of the answers that
it gave for a thing of this kind (`bench/cjepa_shapes.py`); also with shapes known and with none.
Who pushes is told from the tool's joints; also from a person's arm, whose joints are known less
well, and not at all.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import mujoco
import numpy as np
import torch
from common import RESULTS, write_result
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_models.cells import Batch
from perception_models.cjepa.calibrate import QUANTILE
from perception_models.cjepa.dataset import episodes, scene_of
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
from perception_models.cjepa.samples import Windows, roundness
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_models.data import stream
from perception_nodes.arrays import Bools, Floats
from perception_nodes.cjepa.calibration import CALIBRATION, Calibration, read_calibration
from perception_nodes.cjepa.loading import network_hash
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import UNKNOWN_ROUNDNESS
from perception_simulation.world import World

SECONDS = (1, 2)
HAND, WHITE = 0.02, 0.01
"""Standard deviations of a palm's place, m: of what lasts and of what changes each moment."""
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


def as_tracked(windows: Windows, cases: Occlusions) -> Tensor:
    """[C, N, 3] chances that things are round about their axes, as the tracker gave for such."""
    rows = json.loads((RESULTS / "cjepa_shapes.json").read_text())["figures"]["objects"]["said"]
    said: dict[int, list[list[float]]] = {}
    for shape, *chances in rows:
        # what is round about one axis is so about its own z axis in these episodes
        order = {2: [1, 2, 0], 3: [2, 0, 1]}.get(shape, [0, 1, 2])
        said.setdefault(min(shape, 2), []).append([chances[k] for k in order])
    truly = truly_round(windows, cases)
    kind = torch.where(truly.sum(dim=-1) > 2, 1, torch.where(truly[..., 2] > 0, 2, 0))
    generator = stream("cjepa", "shapes told")
    found = torch.full_like(truly, UNKNOWN_ROUNDNESS)
    for value, answers in said.items():
        mask = kind == value
        drawn = torch.randint(len(answers), (int(mask.sum()),), generator=generator)
        found[mask] = torch.tensor(answers)[drawn]
    return found


def truly_round(windows: Windows, cases: Occlusions) -> Tensor:
    """[C, N, 3] the truth."""
    return roundness(windows.episodes.size)[cases.episode]


def as_hand(robot: Tensor) -> Tensor:
    """A robot [C, T, 7] that is known as a palm is."""
    generator = stream("cjepa", "palm")
    bias = HAND * torch.randn(len(robot), 1, 3, generator=generator)
    white = WHITE * torch.randn(*robot.shape[:-1], 3, generator=generator)
    return torch.cat((robot[..., :3] + bias + white, robot[..., 3:]), dim=-1)


def nobody(robot: Tensor) -> Tensor:
    """No robot [C, T, 7]."""
    return torch.zeros_like(robot) + torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0])


def inside(
    found: Tensor, deviation: Tensor, cases: Occlusions, known: Calibration
) -> dict[str, list[int]]:
    """By kind and second: how many level coordinates lie within the 90 % intervals, of how many."""
    widening = torch.from_numpy(known.widening(AHEAD)[:, 0, 0]).float()
    half = QUANTILE * (deviation[..., 0] + widening).exp()
    held = (found - cases.truth)[..., :2].abs() < half[..., None]
    return {
        f"{kind}_{seconds}s": [int(part.sum()), part.numel()]
        for kind, struck in KINDS.items()
        for seconds in SECONDS
        for part in [held[cases.struck == struck, 10 * seconds - 1]]
    }


def by_physics(windows: Windows, cases: Occlusions, switches: Batch) -> Tensor:
    """The simulator from the noisy state on [C, 20, 3]; only struck cases, others are 0."""
    batch = hidden_batch(windows, cases)
    seen = observed(batch, switches)[0].double().numpy()
    truth = batch["truth"].double().numpy()
    found = torch.zeros_like(cases.truth)
    for k in cases.struck.nonzero()[:, 0].tolist():
        episode, item = int(cases.episode[k]), int(cases.item[k])
        frame = int(windows.episodes.branch_frame[episode])
        world = World(scene_of("test", episode))
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
    shapes = {"roundness": as_tracked(windows, cases)}
    robot = hidden_batch(windows, cases)["robot"]
    arms: dict[str, tuple[bool, Batch]] = {
        "world model": (True, shapes),
        "world model, asked once": (False, shapes),
        "world model, shapes known": (True, {"roundness": truly_round(windows, cases)}),
        "world model, no shape known": (True, {"roundness": torch.full_like(
            shapes["roundness"], UNKNOWN_ROUNDNESS)}),
        "world model, told of a hand": (True, shapes | {"robot": as_hand(robot)}),
        "world model, not told who pushes": (True, shapes | {"robot": nobody(robot)}),
    }  # fmt: skip
    told = {
        name: by_network(shipped(turned=turned), windows, cases, switches, batch)
        for name, (turned, batch) in arms.items()
    }
    network, spread = told["world model"]
    held = cases.truth[:, :1].expand_as(cases.truth)
    methods = {
        **{name: found for name, (found, _) in told.items()},
        "Kalman filter": by_kalman(windows, cases, switches),
        "constant velocity": by_velocity(windows, cases, switches),
        "stays (as at the first hidden frame)": held,
    }
    known = read_calibration(weights_folder() / CALIBRATION)
    figures = {name: errors(found, cases) for name, found in methods.items()}
    for name, row in figures.items():
        print(name, {key: (v["median_mm"], v["mean_mm"]) for key, v in row.items()})
    physics = errors(by_physics(windows, cases, switches), cases)
    struck = cases.struck.numpy()
    kinds = {name: mask[struck].tolist() for name, mask in groups(windows, cases).items()}
    write_result(
        "cjepa_hidden",
        {
            "network": network_hash(),
            "cases": len(cases.item),
            "methods": figures,
            "physics": {key: row for key, row in physics.items() if key.startswith("struck")},
            "groups": kinds,
            "inside": inside(network, spread, cases, known),
        },
    )


if __name__ == "__main__":
    main()
