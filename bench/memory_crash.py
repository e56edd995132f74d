"""A thousand times kill -9 at a random moment of writing: is anything lost that was acknowledged?

Run `python bench/memory_crash.py`. A child process writes events, observations, causes and beliefs
of others to one memory and says after each frame which events are written; the parent kills it at a
random time, opens the memory, and looks for every event that was ever acknowledged and for damage.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
import traceback
from pathlib import Path

from common import write_result
from memory_stream import busy_scenes

from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory

ROUNDS = 1000
MOST_SECONDS = 0.08


def write_until_killed(path: Path, turn: int, tell: int) -> None:
    """In the child: write, and say how many frames of this turn are written."""
    with Memory(path, most_events=2000) as memory:
        for count, scene in enumerate(busy_scenes(turn, 1_000_000), 1):
            memory.write(scene)
            os.write(tell, count.to_bytes(4, "little"))


def one_round(path: Path, turn: int, dice: random.Random) -> int:
    """Let a child write and kill it; how many frames it had acknowledged."""
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        try:
            write_until_killed(path, turn, tell)
        except BaseException:  # noqa: BLE001 -- the child must never return from here
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(tell)
    first = os.read(listen, 4)  # it has begun
    assert first, "the child could not write"
    time.sleep(dice.uniform(0.0, MOST_SECONDS))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    rest = first
    while chunk := os.read(listen, 65536):
        rest += chunk
    os.close(listen)
    return int.from_bytes(rest[-4:], "little")


def missing(path: Path, turn: int, frames: int) -> tuple[int, int]:
    """How many acknowledged events of a turn there were and are not in the memory."""
    wanted: list[str] = []
    for count, scene in enumerate(busy_scenes(turn, 1_000_000), 1):
        if count > frames:
            break
        wanted += [event.text for event in scene.events]
    with MemoryReader(path) as memory:
        # Old events become episodes, so that only the newest thousand are asked for one by one.
        known = {event.text for event in memory.events()}
        assert memory._rows("PRAGMA integrity_check")[0][0] == "ok"
        orphans = memory._rows(
            "SELECT count(*) FROM edge WHERE target NOT IN (SELECT seq FROM event)"
        )[0][0]
        assert orphans == 0
    newest = wanted[-900:]
    return len(newest), sum(text not in known for text in newest)


def main() -> None:
    """Kill, look, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    rounds = parser.parse_args().rounds
    dice = random.Random(7)
    asked = lost = frames = damaged = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        for turn in range(rounds):
            acknowledged = one_round(path, turn, dice)
            with Memory(path, most_events=2000) as memory:
                damaged += memory.status().health != "ok"
            there, gone = missing(path, turn, acknowledged)
            asked, lost, frames = asked + there, lost + gone, frames + acknowledged
        size = path.stat().st_size
    figures = {
        "kills": rounds,
        "frames acknowledged": frames,
        "events acknowledged": asked,
        "events lost": lost,
        "damaged": damaged,
        "bytes at the end": size,
    }
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if rounds == ROUNDS:
        write_result("memory_crash", figures)


if __name__ == "__main__":
    main()
