"""CPU, memory and latency of each node: inactive, active without images, at 15 and at 30 Hz.

    python scripts/with_ros.py python bench/resources.py [--seconds 12]

Each node runs in a process of its own, as `composed:=false` starts them, on simulated images of
640x480; `embodmocap`, which needs keypoints, apart from the others. CPU is in percent of one core,
with that of the processes that a node starts; resident memory is that of all of them, so that what
they share counts more than once. Latency is the age of the image when the result left, by the
nodes' own diagnostics.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import rclpy
from common import write_result
from diagnostic_msgs.msg import DiagnosticArray
from latency_ros import ROOT, Stream
from people_stream import PeopleStream, walker

from perception_nodes.scene import Frame, Sample
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

CASES = (("inactive", 0.0), ("active, no images", 0.0), ("15 Hz", 15.0), ("30 Hz", 30.0))


class Group(NamedTuple):
    """Nodes that are measured together, and what feeds them."""

    nodes: tuple[str, ...]
    stream: Callable[[], Any]
    supply: list[Any]


_FIGURES = {
    "latency_ms": "latency p50/p95/p99 ms",
    "processing_ms": "processing p50/p95/p99 ms",
    "output": "output",
}
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SETTLING_S = 8.0
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Use:
    """What a process and those it started use: CPU seconds so far, MB, open files, threads."""

    cpu: float
    megabytes: float
    files: int
    threads: int


def use_of(pid: int) -> Use:
    """Of a process with its children."""
    cpu, pages, files, threads = 0.0, 0, 0, 0
    for each in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
            files += len(list(Path(f"/proc/{each}/fd").iterdir()))
        except OSError:
            continue
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        threads += int(fields[17])
    return Use(cpu, pages * _PAGE / 1e6, files, threads)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found


@contextmanager
def node_processes(folder: Path, nodes: tuple[str, ...], active: bool) -> Iterator[dict[str, int]]:
    """A process for each node; gives their ids."""
    options = [f"autostart:={str(active).lower()}"]
    if "memory" in nodes:
        options.append(f"memory:file:={folder / 'memory.db'}")
    words = [word for option in options for word in ("-p", option)]
    running = {}
    try:
        for name in nodes:
            command = [sys.executable, str(ROOT / "scripts" / "up"), "--nodes", name, "--ros-args"]
            log = (folder / f"{name}.log").open("wb")
            running[name] = subprocess.Popen([*command, *words], stdout=log, stderr=log)
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(20)


class Told:
    """What the nodes say on /diagnostics."""

    def __init__(self, stream: Any) -> None:
        self.by_node: dict[str, dict[str, str]] = {}
        stream.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)

    def _take(self, message: Any) -> None:
        for status in message.status:
            name = status.hardware_id.strip("/")
            self.by_node[name] = {value.key: value.value for value in status.values}


def images(count: int) -> list[Frame]:
    """Frames of a simulated table, there and back again: in a loop the camera never jumps."""
    scene = replace(generate(1), width=640, height=480)
    samples = cast("Generator[Sample]", iter(Simulator(scene)))
    frames = [next(samples).frame for _ in range(count)]
    samples.close()
    return [*frames, *reversed(frames)]


def send(stream: Any, frames: Iterator[Any], rate: float, seconds: float) -> int:
    """Publish at a rate for a while, or wait at rate 0; gives how many."""
    if not rate:
        time.sleep(seconds)
        return 0
    due = time.perf_counter()
    end, sent = due + seconds, 0
    while due < end:
        time.sleep(max(0.0, due - time.perf_counter()))
        due = max(due + 1.0 / rate, time.perf_counter() - 1.0)
        stream.send(next(frames))
        sent += 1
    return sent


def measure(group: Group, active: bool, rate: float, seconds: float) -> dict[str, Any]:
    """One case: by node, and how many images were sent in how many seconds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        processes = stack.enter_context(node_processes(folder, group.nodes, active))
        stream = group.stream()
        stack.callback(stream.destroy_node)
        told = Told(stream)
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(stream)
        threading.Thread(target=executor.spin, daemon=True).start()
        stack.callback(executor.shutdown)
        _wait(
            lambda: len(told.by_node) == len(group.nodes) and (not active or stream.ready()), folder
        )
        supply = itertools.cycle(group.supply)
        send(stream, supply, rate, _SETTLING_S)
        before, began = {n: use_of(p) for n, p in processes.items()}, time.perf_counter()
        sent = send(stream, supply, rate, seconds)
        elapsed = time.perf_counter() - began
        after = {n: use_of(p) for n, p in processes.items()}
        return {
            "sent": sent,
            "seconds": round(elapsed, 1),
            "nodes": {n: _row(before[n], after[n], elapsed, told.by_node[n]) for n in group.nodes},
        }


def _wait(ready: Any, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            for log in folder.glob("*.log"):
                print(log.name, log.read_text()[-2000:])
            raise SystemExit("the nodes did not start")
        time.sleep(0.1)


def _row(before: Use, after: Use, seconds: float, told: dict[str, str]) -> dict[str, Any]:
    return {
        "cpu_percent": round(100.0 * (after.cpu - before.cpu) / seconds, 1),
        "resident_mb": round(after.megabytes, 1),
        "files": after.files,
        "threads": after.threads,
        **{key: told.get(name, "") for key, name in _FIGURES.items()},
    }


def show(results: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{'':18} {'node':9} {'CPU %':>6} {'MB':>7}  latency p50/p95/p99 ms    output")
    for name, result in results.items():
        for node, row in result["nodes"].items():
            start = f"{name:18} {node:9} {row['cpu_percent']:6.1f} {row['resident_mb']:7.1f}"
            print(f"{start}  {row['latency_ms']:24}  {row['output']}")


def main() -> None:
    """Measure, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement")
    args = parser.parse_args()
    groups = (
        Group(("viewrope", "cjepa", "memory", "planner"), Stream, images(30)),
        Group(("embodmocap",), PeopleStream, walker(90)),
    )
    rclpy.init()
    results: dict[str, Any] = {}
    for name, rate in CASES:
        found = [measure(group, name != "inactive", rate, args.seconds) for group in groups]
        results[name] = found[0]
        for other in found[1:]:
            results[name]["nodes"] |= other["nodes"]
    rclpy.shutdown()
    show(results)
    load = round(os.getloadavg()[2], 1)
    write_result("resources", {"load_before_and_meanwhile": load, "cases": results})


if __name__ == "__main__":
    main()
