"""`permanence replay` on recordings whose clocks jump, pause or begin at different times."""

from __future__ import annotations

from bags_for_replay import START, Recorded, stamps, tabletop_messages
from replaying import Replay

SECOND = 1_000_000_000


def recorded_in_order(order: list[int]) -> list[Recorded]:
    """A recording whose frames were recorded in another order than they were taken."""
    times = stamps(len(order))
    messages = tabletop_messages(times)
    return [
        m._replace(log_time=times[slot])
        for slot, i in enumerate(order)
        for m in messages[4 * i : 4 * i + 4]
    ]


def test_stamps_a_little_out_of_order_are_put_in_order(replay: Replay) -> None:
    ran = replay(recorded_in_order([0, 1, 2, 4, 3, 5, 7, 6, 8, 9]))
    assert ran.status == 0
    assert ran.stamps == stamps(10)
    assert ran.objects() == 2


def test_stamps_far_out_of_order_cost_only_the_late_frames(replay: Replay) -> None:
    times = stamps(16)
    ran = replay(recorded_in_order([0, 1, 2, *range(5, 13), 3, 4, 13, 14, 15]))
    assert ran.status == 3
    assert ran.lost == ["LOST          2 x frame of camera older than the one before"]
    assert ran.stamps == times[:3] + times[5:]
    assert ran.objects() == 2


def test_a_recording_that_was_played_twice_is_processed_twice(replay: Replay) -> None:
    times = stamps(20)
    first = tabletop_messages(times)
    again = [m._replace(log_time=m.log_time + 3 * SECOND) for m in first]
    ran = replay(first + again)
    assert ran.status == 0
    assert len(ran.stamps) == 40
    assert "the clock of camera jumps back: by 1.9 s" in ran.out


def test_a_recording_of_a_loop_without_a_pause_keeps_all_poses(replay: Replay) -> None:
    times = stamps(20)
    first = tabletop_messages(times)
    again = [m._replace(log_time=m.log_time + times[-1] - times[0] + 1) for m in first]
    ran = replay(first + again)
    assert ran.status == 0
    assert ran.stamps == sorted(times + times)


def test_objects_stay_known_over_a_pause_of_two_hours(replay: Replay) -> None:
    times = [*stamps(8), *stamps(8, START + 7200 * SECOND)]
    ran = replay(tabletop_messages(times))
    assert ran.status == 0
    assert ran.stamps == times
    assert ran.objects() == 2
    assert "note          camera pauses: 2.0 h" in ran.out
    assert "camera pauses: 2.0 h" in ran.report()


def test_a_pause_of_two_hours_without_transforms_is_survived_too(replay: Replay) -> None:
    times = [*stamps(5), *stamps(5, START + 7200 * SECOND)]
    ran = replay([m for m in tabletop_messages(times) if m.topic != "/tf"])
    assert ran.status == 0
    assert ran.stamps == times
    assert "camera pose   RGB-D odometry" in ran.out


def test_frames_whose_pose_is_unknown_are_stated_as_lost(replay: Replay) -> None:
    times = stamps(30)
    messages = [
        m for m in tabletop_messages(times) if not (m.topic == "/tf" and m.log_time < times[20])
    ]
    ran = replay(messages)
    assert ran.status == 3
    (line,) = ran.lost
    assert "20 x frame of camera without a camera pose" in line
    assert "before the first of its" in line
    assert len(ran.stamps) == 30


def test_frames_just_before_the_first_transform_are_noted_but_no_loss(replay: Replay) -> None:
    times = stamps(12)
    messages = [
        m for m in tabletop_messages(times) if not (m.topic == "/tf" and m.log_time < times[3])
    ]
    ran = replay(messages)
    assert ran.status == 0
    assert "note          3 x frame of camera without a camera pose" in ran.out
    assert len(ran.stamps) == 12
