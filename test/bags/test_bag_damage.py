"""Damaged, incomplete and foreign recordings: what can be read is delivered, the rest is told."""

from __future__ import annotations

import errno
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

from perception_nodes.bags.loss import LossReport
from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.storage_mcap import McapStorage
from perception_nodes.errors import BagError
from perception_nodes.ros.factory import RosbagsFactory, typestore

STRING = "std_msgs/msg/String"
COUNT = 200
TEXT = "x" * 300


def cdr(text: str = TEXT) -> bytes:
    message = RosbagsFactory().make(STRING, data=text)
    return bytes(typestore().serialize_cdr(message, STRING))


def write_mcap(path: Path, *, chunk_size: int = 4096) -> Path:
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=chunk_size, compression=CompressionType.NONE)
        writer.start(profile="ros2", library="test")
        text = typestore().generate_msgdef(STRING, ros_version=2)[0]
        schema = writer.register_schema(STRING, "ros2msg", text.encode())
        channel = writer.register_channel("/chatter", "cdr", schema)
        for time in range(COUNT):
            writer.add_message(channel, time, cdr(), time)
        writer.finish()
    return path


def write_folder(
    path: Path, count: int = COUNT, mode: CompressionMode = CompressionMode.NONE, start: int = 0
) -> Path:
    writer = Rosbag2Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/chatter", STRING, typestore=typestore())
        for time in range(start, start + count):
            writer.write(connection, time, cdr())
    return path


def write_db3(path: Path) -> Path:
    folder = write_folder(path.with_suffix(""))
    return Path(shutil.move(folder / f"{folder.name}.db3", path))


def write_zstd(path: Path) -> Path:
    folder = write_folder(path.with_suffix(""), mode=CompressionMode.FILE)
    return Path(shutil.move(folder / f"{folder.name}.db3.zstd", path))


def write_ros1(path: Path) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC)
    raw = bytes(store.serialize_ros1(store.types[STRING](TEXT), STRING))
    writer = Ros1Writer(path)
    writer.chunk_threshold = 4096
    with writer:
        connection = writer.add_connection("/chatter", STRING, typestore=store)
        for time in range(COUNT):
            writer.write(connection, time, raw)
    return path


def read(path: Path) -> LossReport:
    with open_bag(path) as bag:
        for message in bag.messages():
            assert message.type_name
        return bag.loss()


KINDS = {"a.mcap": write_mcap, "a.db3": write_db3, "a.db3.zstd": write_zstd, "a.bag": write_ros1}


@pytest.fixture(params=sorted(KINDS))
def intact(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = KINDS[request.param](tmp_path / request.param)
    assert read(path).clean
    return path


def test_a_truncated_bag_delivers_its_beginning_and_reports_what_was_lost(intact: Path) -> None:
    data = intact.read_bytes()
    intact.write_bytes(data[: len(data) * 6 // 10])
    if intact.suffix == ".zstd":  # so small a file has a single block of compressed data
        with pytest.raises(BagError, match=r"can't be read|no recording|is empty"):
            read(intact)
        return
    report = read(intact)
    assert COUNT * 0.4 < report.delivered < COUNT * 0.7
    assert not report.clean
    assert any("cut off" in line for line in report.lines())


def test_damage_anywhere_is_never_silent_and_never_a_traceback(intact: Path) -> None:
    """Cuts and overwritten stretches at random places; fewer messages must always be told."""
    data, rng = intact.read_bytes(), random.Random(7)
    for trial in range(60):
        damaged = bytearray(data)
        if trial % 2:
            del damaged[rng.randrange(len(data)) :]
        else:
            start = rng.randrange(len(data))
            stretch = min(rng.randrange(1, 3000), len(data) - start)
            damaged[start : start + stretch] = rng.randbytes(stretch)
        intact.write_bytes(damaged)
        try:
            report = read(intact)
        except BagError as error:
            assert str(intact) in error.message  # noqa: PT017 -- either outcome is right
            continue
        assert report.delivered == COUNT or not report.clean, (trial, report)


def test_what_lies_behind_damage_in_an_mcap_file_is_found_through_its_summary(
    tmp_path: Path,
) -> None:
    path = write_mcap(tmp_path / "a.mcap")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    report = read(path)
    assert COUNT * 0.8 < report.delivered < COUNT
    assert any(f"of {COUNT} messages are missing" in line for line in report.lines())


def test_what_lies_behind_damage_in_a_database_is_found_from_its_end(tmp_path: Path) -> None:
    path = write_db3(tmp_path / "a.db3")
    data = bytearray(path.read_bytes())
    page = len(data) // 4096 // 2 * 4096
    data[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    report = read(path)
    assert COUNT * 0.8 < report.delivered < COUNT
    assert not report.clean


def test_a_ros1_bag_that_was_never_closed_is_read_without_its_index(tmp_path: Path) -> None:
    path = write_ros1(tmp_path / "a.bag")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"op=\x05") + 100])
    report = read(path)
    assert report.delivered > COUNT * 0.8
    assert any("index is missing" in line for line in report.lines())


def test_a_wrong_checksum_is_told_and_the_messages_are_delivered(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap")
    data = bytearray(path.read_bytes())
    data[data.index(TEXT.encode()) + 5] ^= 1
    path.write_bytes(data)
    report = read(path)
    assert report.delivered == COUNT
    assert any("checksum" in line for line in report.lines())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mcap", b"", "is empty"),
        ("text.mcap", b"this is no recording", "is no recording"),
        ("noise.db3", bytes(range(200)), "is no recording"),
        ("old.bag", b"#ROSBAG V1.2\n", "old format"),
        ("other.db3", None, "no table `topics`"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_name_and_a_remedy(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE other (id INTEGER)")
    else:
        path.write_bytes(content)
    with pytest.raises(BagError, match=reason) as caught:
        open_bag(path)
    assert name in caught.value.message
    assert caught.value.remedy


def test_a_path_without_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no recording at"):
        open_bag(tmp_path / "absent.mcap")
    with pytest.raises(BagError, match="holds no recording"):
        open_bag(tmp_path)


def test_a_folder_with_several_recordings_asks_for_one(tmp_path: Path) -> None:
    write_mcap(tmp_path / "a.mcap")
    write_mcap(tmp_path / "b.mcap")
    with pytest.raises(BagError, match=r"2 recordings: a\.mcap, b\.mcap"):
        open_bag(tmp_path)


def split_bag(tmp_path: Path) -> Path:
    """Three splits with metadata as rosbag2 writes them."""
    folder, files = tmp_path / "run", []
    for split in range(3):
        part = write_folder(tmp_path / f"part{split}", 10, start=10 * split)
        folder.mkdir(exist_ok=True)
        shutil.move(part / f"part{split}.db3", folder / f"run_{split}.db3")
        files.append({"path": f"run_{split}.db3", "message_count": 10})
    information = yaml.safe_load((part / "metadata.yaml").read_text())
    content = information["rosbag2_bagfile_information"]
    content["files"], content["relative_file_paths"] = files, [f["path"] for f in files]
    content["topics_with_message_count"][0]["message_count"] = 30
    (folder / "metadata.yaml").write_text(yaml.safe_dump(information))
    assert read(folder).clean
    return folder


def test_a_missing_split_is_named_with_its_messages(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    (folder / "run_1.db3").unlink()
    report = read(folder)
    assert report.delivered == 20
    assert "/chatter: 10 of 30 messages are missing" in report.lines()
    assert "1 of 3 files are missing: run_1.db3, with 10 messages" in report.lines()


def test_a_gap_in_the_numbers_of_splits_is_noticed_without_metadata(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    (folder / "run_1.db3").unlink()
    (folder / "metadata.yaml").unlink()
    report = read(folder)
    assert report.delivered == 20
    assert any("split 1 of" in line for line in report.lines())


def test_metadata_without_any_of_their_files_are_refused(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    for file in folder.glob("*.db3"):
        file.unlink()
    with pytest.raises(BagError, match=r"none of the 3 files .* all 30 messages are missing"):
        open_bag(folder)


def test_a_file_that_the_metadata_do_not_list_is_not_passed_over_silently(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    write_mcap(folder / "extra.mcap")
    report = read(folder)
    assert not report.clean
    assert any(line.startswith("extra.mcap lies in the folder") for line in report.lines())


def test_damaged_metadata_are_ignored_and_told(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    (folder / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    report = read(folder)
    assert report.delivered == 30
    assert any("metadata.yaml is unreadable" in line for line in report.lines())


@pytest.mark.parametrize(("stated", "clean"), [(25, True), (35, False)])
def test_contradicting_counts_are_told(tmp_path: Path, stated: int, clean: bool) -> None:
    folder = split_bag(tmp_path)
    path = folder / "metadata.yaml"
    path.write_text(path.read_text().replace("message_count: 30", f"message_count: {stated}"))
    report = read(folder)
    assert report.delivered == 30
    assert report.clean is clean
    assert any(str(stated) in line for line in report.lines())


def test_an_unreadable_split_does_not_take_the_others_along(tmp_path: Path) -> None:
    folder = split_bag(tmp_path)
    (folder / "run_0.db3").write_bytes(b"")
    report = read(folder)
    assert report.delivered == 20
    assert any("run_0.db3 is empty" in line for line in report.lines())


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("serialization_format", "wrong_format", "serialization format 'wrong_format'"),
        ("type", "my_msgs/msg/Unknown", "type 'my_msgs/msg/Unknown' is unknown"),
        ("type", "sensor_msgs/msg/CameraInfo", "do not fit the definition"),
    ],
)
def test_undecodable_messages_are_counted_with_the_reason(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    path = write_db3(tmp_path / "a.db3")
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE topics SET {column} = ?", (value,))
    with open_bag(path) as bag:
        assert list(bag.messages()) == []
        report = bag.loss()
    assert report.delivered == COUNT
    assert not report.clean
    assert f"{COUNT} messages could not be decoded" in report.lines()[0]
    assert reason in report.lines()[0]


def test_an_error_of_the_disk_while_reading_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with open_bag(write_mcap(tmp_path / "a.mcap")) as bag:
        stream = bag.messages()
        next(stream)
        monkeypatch.setattr(McapStorage, "_contents", fail)
        assert len(list(stream)) < COUNT
        report = bag.loss()
    assert not report.clean
    assert any("reading failed: Input/output error" in line for line in report.lines())


def test_reading_that_was_stopped_is_not_called_a_loss(tmp_path: Path) -> None:
    with open_bag(write_mcap(tmp_path / "a.mcap")) as bag:
        stream = bag.messages()
        for _ in range(3):
            next(stream)
        report = bag.loss()
    assert not report.complete
    assert report.lines() == ["reading stopped after 3 messages"]


def test_no_temporary_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    path = write_db3(tmp_path / "a.db3")
    path.write_bytes(path.read_bytes()[:-9000])
    read(path)
    read(write_zstd(tmp_path / "b.db3.zstd"))
    assert list(scratch.iterdir()) == []


def test_soccer_goal_states_its_twelve_missing_splits(shared_data: Path) -> None:
    report = read(shared_data / "bags" / "soccer_goal_zstd_msg")
    assert report.delivered == 2
    assert "/camera/image_raw: 249 of 251 messages are missing" in report.lines()
