"""Writing recordings: complete or absent, the same bytes every time."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.writer import BagWriter
from perception_nodes.errors import BagError
from perception_nodes.ros.factory import RosbagsFactory

FACTORY = RosbagsFactory()
Storage = Literal["mcap", "sqlite3"]


def string(text: str) -> Any:
    return FACTORY.make("std_msgs/msg/String", data=text)


def write(path: Path, storage: Storage = "mcap") -> Path:
    with BagWriter(path, storage) as writer:
        for time in range(100):
            writer.write("/chatter", string(f"message {time}"), time)
        objects = FACTORY.make("permanence/msg/ObjectStateArray")
        writer.write("/objects", objects, 100, latched=True)
        assert writer.counts == {"/chatter": 100, "/objects": 1}
    return path


@pytest.mark.parametrize(("name", "storage"), [("a.mcap", "mcap"), ("a", "mcap"), ("a", "sqlite3")])
def test_what_is_written_is_read_by_us_and_by_the_library(
    tmp_path: Path, name: str, storage: Storage
) -> None:
    path = write(tmp_path / name, storage)
    with open_bag(path) as bag:
        messages = list(bag.messages())
        assert bag.loss().clean
        assert bag.topics["/objects"].type_name == "permanence/msg/ObjectStateArray"
        assert "durability: 1" in bag.topics["/objects"].qos  # transient local
    assert [m.data.data for m in messages[:100]] == [f"message {t}" for t in range(100)]
    with AnyReader([path]) as reader:
        assert reader.message_count == 101
        assert len([reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]) == 101


def test_a_single_mcap_file_has_the_index_and_schemas_that_viewers_need(tmp_path: Path) -> None:
    with write(tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 101
        assert {s.name for s in summary.schemas.values()} == {
            "std_msgs/msg/String",
            "permanence/msg/ObjectStateArray",
        }
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
        assert summary.chunk_indexes
        assert reader.get_header().profile == "ros2"
        assert len(list(reader.iter_messages(topics="/chatter"))) == 100


@pytest.mark.parametrize(("name", "storage"), [("a.mcap", "mcap"), ("a", "sqlite3")])
def test_the_same_messages_give_the_same_bytes(tmp_path: Path, name: str, storage: Storage) -> None:
    contents = []
    for folder in ("one", "two"):
        path = write(tmp_path / folder / name, storage)
        files = [path] if path.is_file() else sorted(path.iterdir())
        contents.append([(file.name, file.read_bytes()) for file in files])
    assert contents[0] == contents[1]


def test_nothing_is_visible_before_the_end_and_nothing_is_left_after_an_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.mcap"

    def fail_halfway() -> None:
        with BagWriter(path) as writer:
            writer.write("/chatter", string("x"), 1)
            assert not path.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "a")
    writer.write("/chatter", string("x"), 1)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap")
    before = path.read_bytes()
    with pytest.raises(BagError, match="exists already"):
        BagWriter(path)
    assert path.read_bytes() == before


def test_a_path_that_contradicts_the_storage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="can't be written with storage sqlite3"):
        BagWriter(tmp_path / "a.mcap", "sqlite3")


def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="can't be written"):
        BagWriter(tmp_path / "file" / "a.mcap")


FULL_DISK = """
import random
import sys
from pathlib import Path
from perception_nodes.bags.writer import BagWriter
from perception_nodes.errors import BagError
from perception_nodes.ros.factory import RosbagsFactory

noise = random.Random(1).randbytes(1_000_000)
message = RosbagsFactory().make("std_msgs/msg/UInt8MultiArray", data=noise)
try:
    with BagWriter(Path(sys.argv[1]), sys.argv[2]) as writer:
        for time in range(20):
            writer.write("/noise", message, time)
except BagError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("name", "storage"), [("a.mcap", "mcap"), ("a", "sqlite3")])
def test_a_full_disk_gives_a_remedy_and_leaves_nothing(
    tmp_path: Path, name: str, storage: Storage
) -> None:
    """A limit on the size of files stands for the full disk."""
    limit = 3_000_000

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / name), storage],
        capture_output=True,
        text=True,
        preexec_fn=restrict,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "can't be written" in result.stdout
    assert "free disk space" in result.stdout
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []
