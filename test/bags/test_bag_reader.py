"""Reading recordings of every kind: what is delivered, and in which order."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.writer import BagWriter
from perception_nodes.ros.factory import RosbagsFactory, typestore

STRING = "std_msgs/msg/String"
FACTORY = RosbagsFactory()


def string(text: str) -> Any:
    return FACTORY.make(STRING, data=text)


def cdr(text: str) -> bytes:
    return bytes(typestore().serialize_cdr(string(text), STRING))


def write_rosbag2(
    path: Path,
    times: Iterable[int],
    plugin: StoragePlugin = StoragePlugin.SQLITE3,
    mode: CompressionMode = CompressionMode.NONE,
) -> Path:
    """A rosbag2 folder as ROS writes it, with one string message at each time."""
    writer = Rosbag2Writer(path, version=8, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/chatter", STRING, typestore=typestore())
        for time in times:
            writer.write(connection, time, cdr(str(time)))
    return path


def texts(path: Path) -> list[str]:
    with open_bag(path) as bag:
        found = [message.data.data for message in bag.messages()]
        assert bag.loss().clean, bag.loss().lines()
    return found


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("mode", list(CompressionMode))
def test_every_storage_and_compression_delivers_all_messages_in_order_of_time(
    tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode
) -> None:
    if mode is CompressionMode.STORAGE and plugin is StoragePlugin.SQLITE3:
        pytest.skip("sqlite3 has no compression of its own")
    bag = write_rosbag2(tmp_path / "bag", [30, 10, 20], plugin, mode)
    assert texts(bag) == ["10", "20", "30"]
    (bag / "metadata.yaml").unlink()
    assert texts(bag) == ["10", "20", "30"]
    (storage,) = bag.iterdir()
    assert texts(storage) == ["10", "20", "30"]


def test_a_bag_tells_its_topics_times_and_counts(tmp_path: Path) -> None:
    with open_bag(write_rosbag2(tmp_path / "bag", [5, 7, 6])) as bag:
        topic = bag.topics["/chatter"]
        assert (topic.type_name, topic.expected, topic.serialization) == (STRING, 3, "cdr")
        assert (bag.start_time, bag.end_time, bag.expected()) == (5, 7, 3)
        assert bag.expected(["/other"]) == 0


def test_only_the_topics_asked_for_are_delivered_and_counted(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "two.mcap") as writer:
        for time in range(3):
            writer.write("/a", string(f"a{time}"), time)
            writer.write("/b", string(f"b{time}"), time)
    with open_bag(tmp_path / "two.mcap") as bag:
        assert [m.data.data for m in bag.messages(["/b"])] == ["b0", "b1", "b2"]
        assert [t.name for t in bag.loss().topics] == ["/b"]
        assert bag.loss().clean


def test_undecoded_messages_are_the_bytes_without_compression(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "bag", [1], mode=CompressionMode.MESSAGE)
    with open_bag(path) as bag:
        (message,) = bag.messages(decode=False)
    assert message.data == cdr("1")


def test_splits_that_overlap_in_time_are_merged(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for split, times in enumerate(([1, 4, 9], [2, 3, 10], [0, 11])):
        part = write_rosbag2(tmp_path / f"part{split}", times)
        shutil.move(part / f"part{split}.db3", folder / f"run_{split}.db3")
    assert texts(folder) == [str(t) for t in (0, 1, 2, 3, 4, 9, 10, 11)]


def test_a_folder_named_like_a_file_is_read(tmp_path: Path) -> None:
    assert texts(write_rosbag2(tmp_path / "x.bag", [1, 2])) == ["1", "2"]


def test_metadata_may_be_named_instead_of_its_folder(tmp_path: Path) -> None:
    assert texts(write_rosbag2(tmp_path / "bag", [1]) / "metadata.yaml") == ["1"]


def write_mcap(path: Path, times: Iterable[int], **options: Any) -> Path:
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=1, **options)
        writer.start(profile="ros2", library="test")
        text = typestore().generate_msgdef(STRING, ros_version=2)[0]
        schema = writer.register_schema(STRING, "ros2msg", text.encode())
        channel = writer.register_channel("/chatter", "cdr", schema)
        for time in times:
            writer.add_message(channel, time, cdr(str(time)), time)
        writer.finish()
    return path


@pytest.mark.parametrize("compression", list(CompressionType))
def test_mcap_chunks_out_of_order_are_put_in_order(
    tmp_path: Path, compression: CompressionType
) -> None:
    path = write_mcap(tmp_path / "a.mcap", [3, 1, 2, 0], compression=compression)
    assert texts(path) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("summary", [False, True])
def test_mcap_without_summary_or_chunks_is_read_and_counted(
    tmp_path: Path, chunked: bool, summary: bool
) -> None:
    path = write_mcap(
        tmp_path / "a.mcap",
        [2, 1],
        use_chunking=chunked,
        use_statistics=summary,
        repeat_schemas=summary,
        repeat_channels=summary,
        index_types=IndexType.ALL if summary else IndexType.NONE,
    )
    assert texts(path) == ["1", "2"]
    with open_bag(path) as bag:
        assert bag.expected() == 2


def test_messages_of_a_killed_recorder_are_read_from_the_write_ahead_log(tmp_path: Path) -> None:
    original = write_rosbag2(tmp_path / "bag", [1]) / "bag.db3"
    database = sqlite3.connect(original)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("INSERT INTO messages VALUES (2, 1, 2, ?)", (cdr("2"),))
    database.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"{original}{suffix}", tmp_path / f"killed.db3{suffix}")
    database.close()
    assert texts(tmp_path / "killed.db3") == ["1", "2"]


def test_type_names_from_before_dashing_are_understood(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "bag", [1]) / "bag.db3"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE topics SET type = 'std_msgs/String'")
        database.execute("DROP TABLE message_definitions")
    assert texts(path) == ["1"]


def test_a_definition_that_does_not_fit_is_replaced_by_the_well_known_one(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "bag", [1]) / "bag.db3"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE message_definitions SET encoded_message_definition = 'uint8 x'")
    assert texts(path) == ["1"]


def ros1_bag(path: Path, raw: bytes, type_name: str) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(path) as writer:
        connection = writer.add_connection("/topic", type_name, typestore=store)
        writer.write(connection, 42, raw)
    return path


def test_ros1_images_with_trailing_bytes_are_tolerated(tmp_path: Path) -> None:
    """RealSense's recorder appends four bytes."""
    store, kind = get_typestore(Stores.ROS1_NOETIC), "sensor_msgs/msg/Image"
    header = store.types["std_msgs/msg/Header"](
        0, store.types["builtin_interfaces/msg/Time"](1, 2), "camera"
    )
    image = store.types[kind](header, 2, 3, "mono8", 0, 3, np.arange(6, dtype=np.uint8))
    raw = bytes(store.serialize_ros1(image, kind)) + b"\0\0\0\0"
    with open_bag(ros1_bag(tmp_path / "realsense.bag", raw, kind)) as bag:
        (message,) = bag.messages()
        assert bag.loss().clean
    assert message.data.data.tolist() == list(range(6))
    assert (message.log_time, message.type_name) == (42, kind)


def test_service_events_are_decoded_although_bags_define_only_the_service(tmp_path: Path) -> None:
    definition = "int64 a\nint64 b\n---\nint64 sum\n"
    event = "pkg/srv/Add_Event"
    data = BytesIO()
    writer = McapWriter(data, compression=CompressionType.NONE)
    writer.start()
    schema = writer.register_schema(event, "ros2msg", definition.encode())
    channel = writer.register_channel("/add/_service_event", "cdr", schema)
    info = bytes([0, 1, 0, 0, 2]) + bytes(3) + (7).to_bytes(4, "little") + bytes(4 + 16)
    info += bytes(4) + (9).to_bytes(8, "little")
    response = (1).to_bytes(4, "little") + (4).to_bytes(8, "little")
    writer.add_message(channel, 1, info + bytes(4) + response, 1)
    writer.finish()
    path = tmp_path / "service.mcap"
    path.write_bytes(data.getvalue())
    with open_bag(path) as bag:
        (message,) = bag.messages()
    assert (message.data.info.sequence_number, message.data.info.stamp.sec) == (9, 7)
    assert message.data.request == []
    assert message.data.response[0].sum == 4


def expected_rows(shared_data: Path) -> list[tuple[Path, int | None]]:
    """Paths and, for files, true counts of EXPECTED.txt."""
    rows = []
    for line in (shared_data / "bags" / "EXPECTED.txt").read_text().splitlines():
        match = re.match(r"(?:DIR|FILE) +(\S+)(?: \d+ true (\d+))?", line)
        if match:
            rows.append((shared_data / match[1], int(match[2]) if match[2] else None))
    return rows


def test_every_shared_file_delivers_its_true_count(shared_data: Path) -> None:
    rows = [row for row in expected_rows(shared_data) if row[1] is not None]
    assert len(rows) > 40
    for path, true in rows:
        with open_bag(path) as bag:
            for _ in bag.messages(decode=False):
                pass
            report = bag.loss()
        assert (path, report.delivered) == (path, true)
        assert report.clean, (path, report.lines())


def test_the_whole_mcap_conformance_corpus_is_read(shared_data: Path) -> None:
    paths = sorted((shared_data / "bags" / "mcap_conformance").glob("*/*.mcap"))
    assert len(paths) == 188
    for path in paths:
        with open_bag(path) as bag:
            messages = list(bag.messages(decode=False))
            assert bag.loss().clean, (path, bag.loss().lines())
        if path.parent.name == "OneMessage":
            assert messages == [("example", 2, b"\x01\x02\x03", "Example")], path
        else:
            assert messages == [], path


@pytest.mark.parametrize("name", ["example.bag", "example-bz2.bag", "example-lz4.bag"])
def test_ros1_bags_of_every_compression_are_decoded(shared_data: Path, name: str) -> None:
    with open_bag(shared_data / "bags" / "ros1_fixtures" / name) as bag:
        times = [message.log_time for message in bag.messages()]
        assert bag.loss().clean
        assert len(times) == bag.expected() == 8647
    assert times == sorted(times)


def test_a_humble_bag_is_delivered_where_the_library_yields_nothing(shared_data: Path) -> None:
    """Its metadata state another QoS than its file."""
    folder = shared_data / "bags/rosbag2_rolling/rosbag2_py/test/resources/mcap/convert_a"
    with open_bag(folder) as bag:
        assert sum(1 for _ in bag.messages()) == 150
        assert bag.loss().clean


def test_the_digest_is_that_of_the_messages_not_of_their_file(tmp_path: Path) -> None:
    def digest(path: Path) -> str:
        with open_bag(path) as bag:
            assert bag.digest == ""
            for _ in bag.messages():
                assert bag.digest == ""
            return bag.digest

    sqlite = digest(write_rosbag2(tmp_path / "a", [1, 2, 3]))
    mcap = digest(write_rosbag2(tmp_path / "b", [1, 2, 3], StoragePlugin.MCAP))
    packed = write_rosbag2(tmp_path / "c", [1, 2, 3], mode=CompressionMode.MESSAGE)
    assert sqlite == mcap == digest(packed) != ""
    assert digest(write_rosbag2(tmp_path / "d", [1, 2, 4])) != sqlite
