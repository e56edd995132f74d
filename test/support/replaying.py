"""Running `permanence replay` and looking at what it left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from bags_for_replay import Recorded, save

from perception_nodes.bags.reader import open_bag
from perception_nodes.cli import main
from perception_nodes.memory.reader import MemoryReader


class Ran(NamedTuple):
    """How a run of the command ended and what it left behind."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def stamps(self) -> list[int]:
        """Log times of the object states it recorded."""
        with open_bag(self.folder / "objects.mcap") as bag:
            return [m.log_time for m in bag.messages({"/objects"})]

    @property
    def lost(self) -> list[str]:
        """The lines that say what was lost."""
        return [line for line in self.out.splitlines() if line.startswith("LOST")]

    def objects(self) -> int:
        """How many objects the memory knows."""
        with MemoryReader(self.folder / "memory.db") as memory:
            return len(memory.records())

    def report(self) -> str:
        """The page."""
        return (self.folder / "report.html").read_text()


class Replay:
    """Runs the command on a recording in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, bag: Path | Sequence[Recorded], *options: str) -> Ran:
        path = bag if isinstance(bag, Path) else save(self.folder / "bag.mcap", bag)
        out = self.folder / "out"
        self._capsys.readouterr()
        status = main(["replay", str(path), "-o", str(out / "objects.mcap"), *options])
        captured = self._capsys.readouterr()
        return Ran(status, captured.out, captured.err, out)
