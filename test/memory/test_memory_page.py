"""The page about a memory, and the command that looks after one."""

from __future__ import annotations

import argparse
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state
from tabletop import Box, observe

from perception_nodes.commands import memory as command
from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.page import memory_page
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """o1 is pushed by a robot, with a picture; o2 has a hostile name; a second session follows."""
    file = tmp_path / "memory.db"
    box = Box((0.0, 0.0, 0.05), (0.1, 0.1, 0.1))
    for start in (1, 1000):
        with Memory(file) as memory:
            for k in range(start, start + 10):
                stamp = k * SECOND
                told = []
                if k == 5:
                    told = [
                        event(stamp, EventKind.ACTION, "o1", "robot", text="push: robot pushes o1"),
                        event(stamp, EventKind.CONTACT_ON, "o1", "robot"),
                        event(stamp, EventKind.MOVED, "o1", text="o1 moves"),
                    ]
                frame, _ = observe([box], stamp)
                objects = (state("o1", stamp, box.center), state("o2", stamp, (0.5, 0.5, 0)))
                memory.write(scene(stamp, *objects, events=told), frame)
            memory.label("o2", HOSTILE)
    return file


class Tags(HTMLParser):
    """Collects tags and checks that they close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "img", "br", "path", "circle", "ellipse"):
            self.open.append(tag)
        assert not any(name in ("href", "onclick") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "circle", "ellipse"):
            assert self.open.pop() == tag


def test_the_page_shows_chain_pictures_and_timelines_and_loads_nothing(path: Path) -> None:
    with MemoryReader(path) as memory:
        page = memory_page(memory)
        assert page == memory_page(memory)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert "push: robot pushes o1" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert re.search(r"<small>t = \d+\.\d s; event \d+", page)
    assert "2 objects" in page
    assert "http" not in page.split("</style>")[1]


def test_the_page_of_one_object_has_its_causes_alone(path: Path) -> None:
    with MemoryReader(path) as memory:
        assert "Nothing was seen to move" in memory_page(memory, "o2")


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers(required=True))
    args = parser.parse_args(["memory", *arguments])
    return int(args.run(args))


def test_the_command_writes_pages_and_copies_pins_and_forgets(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = ("--memory", str(path))
    assert run("page", *memory) == 0
    assert path.with_suffix(".html").stat().st_size > 1000
    assert run("status", *memory) == 0
    assert "2 objects, 5 events" in capsys.readouterr().out
    assert run("snapshot", str(path.parent / "copy.db"), *memory) == 0
    assert run("pin", "o1", *memory) == 0
    assert run("forget", "o1", *memory) == 0
    assert "forgot 3 events" in capsys.readouterr().out
    with MemoryReader(path) as reader:
        assert [s.id for s in reader.objects()] == ["o2"]
        assert reader._rows("SELECT * FROM pin") == []
    with MemoryReader(path.parent / "copy.db") as reader:
        assert len(reader.objects()) == 2
    with pytest.raises(MemoryStoreError, match="there is no memory"):
        run("forget", "o1", "--memory", str(path.parent / "none.db"))
