"""How fast the simulator is: physics, drawing, and whole frames with truth.

python bench/simulation.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from common import write_result

from perception_simulation import gl
from perception_simulation.generator import generate
from perception_simulation.motion import camera_track
from perception_simulation.renderer import Renderer
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Scene
from perception_simulation.world import World

SIZES = ((160, 120), (320, 240), (640, 480))
SECONDS = 1.5
OBJECTS = 8


def rate(step: Callable[[], object]) -> dict[str, float]:
    """Calls a second, and calls a second of processor time (all threads)."""
    step()
    count, start, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return {
        "per_s": count / (time.perf_counter() - start),
        "per_cpu_s": count / (time.process_time() - used),
    }


def physics(scene: Scene) -> dict[str, float]:
    """Steps of 2 ms a second of processor time: all moving at the start, and the whole scene."""
    start = time.process_time()
    world = World(scene)
    compiling = time.process_time() - start
    start = time.process_time()
    world.advance(0.2)
    awake = 100 / (time.process_time() - start)
    start = time.process_time()
    world.advance(scene.duration)
    steps = (scene.duration - 0.2) / 0.002
    whole = steps / (time.process_time() - start)
    return {
        "compile_ms": 1000.0 * compiling,
        "steps_per_cpu_s_all_moving": awake,
        "steps_per_cpu_s_whole_scene": whole,
        "times_real_time_whole_scene": 0.002 * whole,
    }


def drawing(scene: Scene) -> dict[str, dict[str, float]]:
    """Images a second of one camera."""
    world = World(scene)
    world.advance(1.0)
    camera = scene.cameras[0]
    pose, model = camera_track(camera).at(1.0), scene.intrinsics(camera)
    with Renderer(world.model, scene.width, scene.height, shadows=scene.shadows) as renderer:
        return {
            "color_depth_masks": rate(lambda: renderer.render(world.data, pose, model)),
            "depth_masks": rate(lambda: renderer.render(world.data, pose, model, color=False)),
        }


def frames(scene: Scene) -> dict[str, float]:
    """Frames a second with physics, drawing, sensor errors and truth."""
    samples = iter(Simulator(replace(scene, duration=60.0)))
    return rate(lambda: next(samples))


def main() -> None:
    """Measure, print and write the result."""
    scene = generate(0, objects=OBJECTS)
    backend, load = gl.backend(), os.getloadavg()[0]
    print(f"{backend}, load average {load:.1f}")
    moved = physics(scene)
    for key, value in moved.items():
        print(f"{key:30} {value:10.1f}")
    print("\nframes a second (a second of processor time)")
    drawn: dict[str, dict[str, dict[str, float]]] = {}
    for width, height in SIZES:
        for shadows in (False, True):
            sized = replace(scene, width=width, height=height, shadows=shadows)
            row = {**drawing(sized), "with_noise_and_truth": frames(sized)}
            name = f"{width}x{height}{' shadows' if shadows else ''}"
            drawn[name] = row
            cells = (f"{k} {v['per_s']:4.0f} ({v['per_cpu_s']:4.0f})" for k, v in row.items())
            print(f"{name:16}", "   ".join(cells))
    figures = {
        "backend": backend,
        "objects": OBJECTS,
        "load_average_at_start": load,
        "physics": moved,
        "frames": drawn,
    }
    write_result("simulation", figures)


if __name__ == "__main__":
    main()
