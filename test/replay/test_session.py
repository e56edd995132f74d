"""A run from samples to files: what is kept when it ends early, and what goes on from before."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from tabletop import Box, observe

from perception_nodes.bags.reader import open_bag
from perception_nodes.errors import BagError, InputError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.scene import ObjectState, Sample, Visibility
from perception_nodes.session import About, Outputs, Result, run_session

PERIOD = 100_000_000
HOUR = 3600_000_000_000
RED = Box((0.0, 0.15, 0.06), (0.12, 0.12, 0.12), (200.0, 60.0, 60.0))
GREEN = Box((0.0, -0.15, 0.04), (0.1, 0.1, 0.08), (60.0, 200.0, 60.0))
BLUE = Box((0.2, 0.0, 0.05), (0.08, 0.08, 0.1), (60.0, 60.0, 200.0))


def shown(boxes: Sequence[Box], start: int = HOUR, count: int = 8) -> Iterator[Sample]:
    """Frames of boxes on a table."""
    for i in range(count):
        yield Sample(observe(boxes, start + i * PERIOD)[0], None)


def session(
    folder: Path, samples: Iterable[Sample], *, resume: bool = False, map_id: str = "map"
) -> Result:
    outputs = Outputs(folder / "objects.mcap", folder, folder / "memory.db", resume)
    return run_session(samples, "test", outputs, lambda: About("the test"), map_id=map_id)


def recorded(folder: Path) -> int:
    with open_bag(folder / "objects.mcap") as bag:
        return bag.expected({"/objects"})


def known(folder: Path) -> dict[str, ObjectState]:
    with MemoryReader(folder / "memory.db") as memory:
        return {r.state.id: r.state for r in memory.records()}


def test_what_was_processed_is_kept_when_the_source_breaks_off(tmp_path: Path) -> None:
    def breaking() -> Iterator[Sample]:
        yield from shown([RED], count=6)
        raise BagError("the disk is gone", "plug it in")

    result = session(tmp_path, breaking())
    assert result.losses == ("the source broke off: the disk is gone (plug it in)",)
    assert result.outcome.frames == recorded(tmp_path) == 6
    assert "the disk is gone" in result.report.read_text()
    assert list(known(tmp_path)) == ["o1"]


def test_a_source_that_breaks_off_before_the_first_frame_is_an_error(tmp_path: Path) -> None:
    def broken() -> Iterator[Sample]:
        raise BagError("the disk is gone")
        yield

    with pytest.raises(BagError, match="the disk is gone"):
        session(tmp_path, broken())
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "objects.mcap").exists()


def test_a_source_without_frames_is_an_error_that_says_why(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "objects.mcap", tmp_path, tmp_path / "memory.db")
    about = About("nothing", ("a note",), ("a loss",), {"cause": 7})
    with pytest.raises(InputError, match="a loss; 7 x cause; a note"):
        run_session([], "test", outputs, lambda: about)


def test_ctrl_c_ends_the_run_after_the_frame_at_hand_and_keeps_results(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Sample]:
        for i, sample in enumerate(shown([RED], count=9)):
            if i == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield sample

    before = signal.getsignal(signal.SIGINT)
    result = session(tmp_path, interrupted())
    assert result.outcome.frames == recorded(tmp_path) == 6
    assert result.losses == ("interrupted by the user: later frames were not processed",)
    assert list(known(tmp_path)) == ["o1"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def ctrl_c_as_usual() -> Iterator[None]:
    """Also where the tests run in the background, so that the shell has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_as_usual")
def test_a_second_ctrl_c_abandons_the_run(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Sample]:
        yield from shown([RED], count=2)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)  # two signals at once arrive as one
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        session(tmp_path, interrupted())
    assert not (tmp_path / "objects.mcap").exists()


def test_frames_that_were_not_used_are_losses_stated_once(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "objects.mcap", tmp_path, tmp_path / "memory.db")
    about = About("the test", losses=("a file is missing",), drops={"frame without a partner": 3})
    result = run_session(shown([RED]), "test", outputs, lambda: about)
    assert result.losses == ("a file is missing", "3 x frame without a partner")
    assert result.report.read_text().count("frame without a partner") == 1


def test_without_resuming_the_memory_starts_anew(tmp_path: Path) -> None:
    session(tmp_path, shown([RED, GREEN]))
    session(tmp_path, shown([BLUE], start=2 * HOUR))
    assert list(known(tmp_path)) == ["o1"]


@pytest.mark.parametrize("start", [HOUR + 10 * PERIOD, 20 * HOUR, 0], ids=["soon", "late", "clock"])
def test_a_resumed_memory_recognizes_what_it_knows_and_numbers_what_is_new(
    tmp_path: Path, start: int
) -> None:
    """Also hours later, and where the clock of a simulation starts again at zero."""
    session(tmp_path, shown([RED, GREEN]))
    before = known(tmp_path)
    assert len(before) == 2
    session(tmp_path, shown([RED, GREEN, BLUE], start=start), resume=True)
    after = known(tmp_path)
    assert sorted(after) == ["o1", "o2", "o3"]
    for name, state in before.items():
        assert abs(after[name].position - state.position).max() < 0.02
        assert after[name].visibility is Visibility.VISIBLE
        assert after[name].last_seen == start + 7 * PERIOD


def test_a_resumed_memory_keeps_what_is_not_seen_any_more(tmp_path: Path) -> None:
    session(tmp_path, shown([RED, GREEN]))
    hidden = Box((-0.35, -0.1, 0.2), (0.02, 0.4, 0.4), (120.0, 120.0, 120.0), slot=False)
    session(tmp_path, shown([RED, GREEN, hidden], start=2 * HOUR), resume=True)
    after = known(tmp_path)
    assert sorted(after) == ["o1", "o2"]
    unseen = min(after.values(), key=lambda s: s.position[1])
    assert unseen.visibility is Visibility.OCCLUDED
    assert unseen.last_seen == HOUR + 7 * PERIOD


def test_the_longer_nobody_looked_the_less_sure_is_what_a_resumed_memory_knows(
    tmp_path: Path,
) -> None:
    spread = []
    wall = Box((-0.35, -0.1, 0.2), (0.02, 0.4, 0.4), (120.0, 120.0, 120.0), slot=False)
    for folder, hours in ((tmp_path / "soon", 0), (tmp_path / "late", 24)):
        folder.mkdir()
        session(folder, shown([RED, GREEN]))
        start = HOUR * (1 + hours) + 10 * PERIOD
        session(folder, shown([RED, GREEN, wall], start=start), resume=True)
        unseen = min(known(folder).values(), key=lambda s: s.position[1])
        spread.append(float(unseen.pose_covariance[0, 0]))
    assert spread[1] - spread[0] == pytest.approx(24 * 0.02**2, rel=0.1)


def test_positions_of_another_map_are_not_taken_over_but_their_numbers_are_taken(
    tmp_path: Path,
) -> None:
    session(tmp_path, shown([RED, GREEN]), map_id="kitchen")
    session(tmp_path, shown([RED], start=2 * HOUR), resume=True, map_id="garage")
    assert sorted(known(tmp_path)) == ["o1", "o2", "o3"]
