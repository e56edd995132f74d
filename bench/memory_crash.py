"""A thousand times kill -9 at a random moment of writing: is anything lost that was acknowledged?

Run `python bench/memory_crash.py`. A child process writes events, observations, causes and
episodes to one memory and says after each frame how many are written; every fourth child also
closes and opens it again every few frames. The parent kills it at a random time after its start,
opens the memory, and looks for damage and for every event that was acknowledged, also by the
children before.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from common import write_result
from memory_stream import busy_scenes

from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory

ROUNDS = 1000
MOST_SECONDS = 0.5
MOST_EVENTS = 2000  # of which the newest half is never taken together in episodes
NEWEST = 500  # acknowledged events that are looked for; unacknowledged ones lie between them


def write_until_killed(path: Path, turn: int, tell: int) -> None:
    """In the child: write, and say how many frames of this turn are written."""
    scenes = enumerate(busy_scenes(turn, 1_000_000), 1)
    at_once = 5 if turn % 4 == 0 else 1_000_000
    while True:
        with Memory(path, most_events=MOST_EVENTS) as memory:
            for count, scene in itertools.islice(scenes, at_once):
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
    time.sleep(dice.uniform(0.0, MOST_SECONDS))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    said = b""
    while chunk := os.read(listen, 65536):
        said += chunk
    os.close(listen)
    return int.from_bytes(said[-4:], "little")


def told(turn: int, frames: int) -> list[str]:
    """The events of the first frames of a turn."""
    scenes = itertools.islice(busy_scenes(turn, 1_000_000), frames)
    return [event.text for scene in scenes for event in scene.events]


def missing(path: Path, wanted: Iterable[str]) -> set[str]:
    """Events that are not in the memory, which must be sound."""
    with MemoryReader(path) as memory:
        known = {row["text"] for row in memory._rows("SELECT text FROM event")}
        assert memory._rows("PRAGMA integrity_check")[0][0] == "ok"
        orphans = memory._rows(
            "SELECT count(*) FROM edge WHERE target NOT IN (SELECT seq FROM event)"
        )[0][0]
        assert orphans == 0
    return set(wanted) - known


def main() -> None:
    """Kill, look, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    rounds = parser.parse_args().rounds
    dice = random.Random(7)
    asked = frames = damaged = silent = 0
    lost: set[str] = set()
    newest: deque[str] = deque(maxlen=NEWEST)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        for turn in range(rounds):
            acknowledged = one_round(path, turn, dice)
            with Memory(path, most_events=MOST_EVENTS) as memory:
                damaged += memory.status().health != "ok"
            written = told(turn, acknowledged)
            newest.extend(written)
            gone = missing(path, newest)
            if gone - lost:
                print(f"turn {turn}: of {acknowledged} frames {sorted(gone)} are gone", flush=True)
            lost |= gone
            asked, frames = asked + len(written), frames + acknowledged
            silent += acknowledged == 0
        size = path.stat().st_size
    figures = {
        "kills": rounds,
        "kills before the first frame": silent,
        "frames acknowledged": frames,
        "events acknowledged": asked,
        "events lost": len(lost),
        "damaged": damaged,
        "bytes at the end": size,
    }
    for name, value in figures.items():
        print(f"{name:30} {value}")
    if rounds == ROUNDS:
        write_result("memory_crash", figures)


if __name__ == "__main__":
    main()
