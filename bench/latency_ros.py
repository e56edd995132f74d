"""Latency of the node graph: a simulated RGB-D stream in, object states out.

    python scripts/with_ros.py python bench/latency_ros.py [--size 640x480] [--rate 10]

The nodes run in a process of their own (`permanence up`), as on a robot. Latency is the time from
publishing the image to receiving the object states of that image, on one machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import rclpy
from common import write_result
from rclpy.node import Node

from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    time_from_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface
from perception_nodes.scene import Frame, Sample
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

ROOT = Path(__file__).resolve().parents[1]
FACTORY = RclpyFactory()


class Stream(Node):  # type: ignore[misc]
    """Publishes frames with the time of now, and notes when their object states come."""

    def __init__(self) -> None:
        super().__init__("stream")
        self.sent: dict[int, float] = {}
        self.latencies: list[float] = []
        self._outputs = {
            topic.name: self.create_publisher(
                interface(topic.type_name), topic.name, profile(Intent[topic.intent])
            )
            for topic in node("viewrope").subscribes
            if not topic.optional and "ompressed" not in topic.name and topic.name != "/tf_static"
        }
        objects = node("cjepa").gives("objects")
        kind = interface(objects.type_name)
        self.create_subscription(kind, objects.name, self._received, profile(Intent.RESULTS))

    def ready(self) -> bool:
        """Whether the nodes listen."""
        return all(p.get_subscription_count() for p in self._outputs.values())

    def send(self, frame: Frame) -> None:
        """Publish a frame as if it had been taken now."""
        stamp = self.get_clock().now().nanoseconds
        header = header_to_msg(stamp, frame.frame_id, FACTORY)
        assert frame.pose is not None
        pose = transform_to_msg(frame.pose, stamp, "map", frame.frame_id, FACTORY)
        messages = {
            "/tf": transforms_to_msg([pose], FACTORY),
            "camera/color/camera_info": camera_info_to_msg(
                frame.camera, stamp, frame.frame_id, FACTORY
            ),
            "camera/color/image_raw": color_to_msg(frame.color, header, FACTORY),
            "camera/depth/image_raw": depth_to_msg(frame.depth, header, FACTORY),
        }
        self.sent[stamp] = time.perf_counter()
        for name, message in messages.items():
            self._outputs[name].publish(message)

    def _received(self, message: Any) -> None:
        now = time.perf_counter()
        began = self.sent.get(time_from_msg(message.header.stamp))
        if began is not None:
            self.latencies.append((now - began) * 1e3)


def measure(stream: Stream, frames: list[Frame], rate: float) -> dict[str, Any]:
    """Send frames at a rate and return the figures."""
    stream.latencies.clear()
    while not stream.ready():
        time.sleep(0.1)
    due = time.perf_counter() + 0.5
    for frame in frames:
        time.sleep(max(0.0, due - time.perf_counter()))
        due += 1.0 / rate
        stream.send(frame)
    time.sleep(2.0)
    p50, p95, p99 = np.percentile(stream.latencies, (50, 95, 99))
    return {
        "frames": len(frames),
        "answered": len(stream.latencies),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10.0, help="frames a second")
    arguments = parser.parse_args()
    results = {}
    rclpy.init()
    stream = Stream()
    threading.Thread(target=rclpy.spin, args=(stream,), daemon=True).start()
    for width, height in ((320, 240), (640, 480)):
        scene = replace(generate(1), width=width, height=height)
        samples = cast("Generator[Sample]", iter(Simulator(scene)))
        frames = [next(samples).frame for _ in range(arguments.frames)]
        samples.close()
        command = [sys.executable, str(ROOT / "scripts" / "up"), "--nodes", "viewrope,cjepa"]
        nodes = subprocess.Popen([*command, "--ros-args", "-p", "cjepa:map_id:=''"])
        try:
            results[f"{width}x{height}"] = measure(stream, frames, arguments.rate)
        finally:
            nodes.terminate()
            nodes.wait(20)
        while stream.ready():
            time.sleep(0.1)
    print(f"{'images':>8} {'frames':>7} {'answered':>9} {'p50':>7} {'p95':>7} {'p99':>7}  ms")
    for size, f in results.items():
        row = f"{size:>8} {f['frames']:7} {f['answered']:9}"
        print(f"{row} {f['p50_ms']:7.1f} {f['p95_ms']:7.1f} {f['p99_ms']:7.1f}")
    write_result("latency_ros", {"rate": arguments.rate, "sizes": results})


if __name__ == "__main__":
    main()
