"""Write docs/faults.md: every fault that nodes must survive, and the tests that make it happen.

python scripts/faults_page.py
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"

FAULTS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Sensors": {
        "color or depth stops, both stop, they return": (
            "WARN within a second, then STALE; goes on when they return",
            (
                "test_an_input_that_stops_is_a_warning_then_stale_and_recovers",
                "test_an_input_that_stops_is_a_warning_within_a_second_and_then_stale",
                "test_uncertainty_grows_while_hidden_and_shrinks_when_seen_again",
            ),
        ),
        "planner without inputs": (
            "no command leaves it",
            ("test_what_never_came_went_silent_or_comes_with_old_stamps_is_stale",),
        ),
        "frozen image: same pixels, new stamps": (
            "WARN; not used, since what it shows may be gone",
            ("test_a_frozen_camera_is_noticed_although_its_stamps_go_on",),
        ),
        "noise instead of depth; all NaN, infinite, zero or negative": (
            "makes and moves no objects",
            (
                "test_depth_that_says_nothing_or_is_noise_makes_and_moves_no_objects",
                "test_random_depth_is_survived",
                "test_infinite_negative_and_huge_depths_are_no_readings",
            ),
        ),
        "1 Hz": (
            "a slow camera is no silent one",
            ("test_a_slow_camera_is_not_mistaken_for_a_silent_one",),
        ),
        "30 % of the images lost, depth 500 ms late": (
            "pairs are found by stamp",
            (
                "test_one_image_in_three_lost_and_depth_half_a_second_late_leave_the_objects",
                "test_jitter_and_losses_never_pair_images_of_different_moments",
            ),
        ),
        "burst after a stall": (
            "the newest image first; bounded queues, counted",
            (
                "test_after_a_stall_the_newest_of_a_burst_is_processed",
                "test_a_slow_worker_gets_the_newest_message_and_the_others_are_counted",
                "test_messages_that_wait_are_bounded_and_counted",
            ),
        ),
        "encoding, size or step changes or lies mid-stream": (
            "costs only its frame",
            (
                "test_images_that_lie_about_themselves_cost_only_their_frame",
                "test_images_of_another_size_are_used_as_soon_as_their_camera_model_comes",
                "test_an_image_that_contradicts_itself_is_refused",
            ),
        ),
        "CameraInfo with zero, NaN or infinite K, or of another size": (
            "refused by name; images wait for a usable one",
            (
                "test_an_uncalibrated_camera_is_refused_with_the_reason",
                "test_a_camera_model_that_turns_impossible_stops_images_until_it_is_right_again",
                "test_images_of_another_size_than_their_camera_info_are_refused",
            ),
        ),
        "the robot's own arm in the image": (
            "masked; what can't be masked is named",
            (
                "test_a_link_of_the_robot_is_an_object_only_until_it_is_described",
                "test_a_link_without_a_transform_is_not_masked_and_diagnostics_say_so",
            ),
        ),
    },
    "Time and frames": {
        "the clock jumps back (bag loop, simulation reset)": (
            "short-term state is dropped, the memory stays",
            (
                "test_a_clock_that_jumps_back_starts_afresh_and_tracking_goes_on",
                "test_a_clock_that_jumps_back_drops_what_is_short_term",
                "test_a_clock_that_jumps_back_begins_a_new_session",
            ),
        ),
        "the clock jumps an hour ahead, stops, never starts": (
            "nodes go on and report",
            (
                "test_a_clock_that_never_starts_stops_or_jumps_an_hour_ahead_stops_nothing",
                "test_a_gap_of_two_hours_keeps_objects_with_wide_uncertainty",
            ),
        ),
        "stamps 0, in the future, out of order, repeated": (
            "cost only their frame",
            (
                "test_stamps_that_are_zero_repeated_in_the_future_or_out_of_order_harm_nothing",
                "test_a_zero_stamp_amid_others_is_refused_instead_of_clearing_the_buffer",
            ),
        ),
        "transform missing": (
            "named; slots come without a pose",
            ("test_a_missing_transform_is_named_and_slots_come_without_a_pose",),
        ),
        "transform 2 s late": (
            "its images have no pose; nothing else is lost",
            (
                "test_a_transform_two_seconds_late_costs_the_pose_of_its_images_and_nothing_else",
                "test_an_image_waits_for_the_transform_of_its_stamp",
            ),
        ),
        "looped transforms, quaternion NaN or not of unit length": (
            "refused; the tree stays usable",
            (
                "test_impossible_transforms_are_refused_and_the_tree_stays_usable",
                "test_a_loop_is_refused_with_its_frames_and_the_tree_stays_usable",
            ),
        ),
    },
    "Graph": {
        "QoS of two ends don't match": (
            "both ends are named",
            ("test_a_qos_mismatch_names_both_ends",),
        ),
        "publisher restarts": (
            "is heard again",
            ("test_a_camera_driver_that_restarts_is_heard_again",),
        ),
        "two publishers on one topic": (
            "survived",
            ("test_two_cameras_on_one_topic_are_survived",),
        ),
        "a callback raises": (
            "counted; the node lives",
            ("test_a_callback_that_raises_is_counted_and_the_node_lives",),
        ),
        "parameter of a wrong type, NaN, 1e308, `../../etc`, 10 MB of text": (
            "the whole set is rejected with the reason",
            (
                "test_an_invalid_parameter_rejects_the_whole_set",
                "test_a_node_started_with_an_invalid_parameter_says_so",
            ),
        ),
        "another node sends numbers that are none": (
            "no state takes them over",
            ("test_numbers_that_are_none_in_the_slots_of_another_node_are_refused",),
        ),
    },
    "Models": {
        "missing, truncated, bit-flipped, wrong hash": (
            "refused with the reason",
            (
                "test_a_missing_network_is_refused",
                "test_a_changed_or_shortened_file_is_refused",
                "test_a_part_of_a_network_is_refused_although_its_hash_fits",
                "test_a_node_whose_models_are_nowhere_refuses_to_start_and_says_why",
            ),
        ),
        "wrong names or shapes": (
            "refused by name",
            (
                "test_another_signature_than_the_cards_is_refused",
                "test_an_input_of_another_shape_is_refused_by_name",
            ),
        ),
        "external data outside of the folder": (
            "refused",
            ("test_tensors_outside_of_the_folder_are_refused",),
        ),
        "provider absent": (
            "falls back and says why",
            (
                "test_without_a_gpu_every_faster_device_has_a_reason",
                "test_a_device_that_only_pretends_to_work_is_found_out",
            ),
        ),
        "cache corrupt or foreign": (
            "built anew",
            (
                "test_an_engine_that_somebody_changed_is_built_anew",
                "test_any_part_of_the_key_changes_it",
            ),
        ),
        "cache read-only": (
            "said; the next device is used",
            ("test_a_read_only_cache_of_engines_is_said_and_the_next_device_is_used",),
        ),
        "NaN in the output": (
            "the frame is left out, what is remembered stays",
            ("test_an_answer_with_numbers_that_are_none_costs_its_frame_and_no_memory",),
        ),
    },
    "World": {
        "no objects": ("no states, no error", ("test_an_empty_table_has_no_slots",)),
        "more than the maximum": (
            "the best slots, the latest objects",
            (
                "test_of_more_than_sixteen_objects_the_most_certain_are_reported",
                "test_at_most_sixty_four_objects_are_kept_the_latest_seen_ones",
            ),
        ),
        "identities after occlusion": (
            "kept",
            (
                "test_two_objects_that_pass_each_other_keep_their_ids",
                "test_an_object_moved_behind_a_screen_is_recognized_and_the_move_is_told",
            ),
        ),
        "goal unreachable": (
            "refused with the reason",
            ("test_an_unreachable_goal_is_refused_with_the_reason",),
        ),
        "planner past its deadline": (
            "the best plan so far, and how far it came; the pusher waits meanwhile",
            (
                "test_without_time_there_is_still_a_plan_and_it_says_how_far_it_came",
                "test_while_a_plan_is_past_its_deadline_the_pusher_stands_and_the_node_says_so",
            ),
        ),
        "cost that is not finite": (
            "no plan; the pusher holds, with the reason",
            (
                "test_a_model_that_answers_nonsense_gives_no_plan",
                "test_a_plan_whose_cost_is_not_finite_is_not_carried_out",
            ),
        ),
    },
    "Memory": {
        "`kill -9`, power loss": (
            "every acknowledged event is there",
            (
                "test_every_acknowledged_event_survives_kill_9",
                "test_every_acknowledged_fact_survives_a_power_loss_at_any_frame_of_the_log",
                "test_when_the_memory_is_killed_the_rest_lives_and_nothing_is_forgotten",
            ),
        ),
        "disk full or read-only": (
            "refuses to write, goes on answering",
            (
                "test_a_full_disk_stops_the_writing_but_not_the_pipeline_or_the_answers",
                "test_a_memory_on_a_read_only_disk_is_answered_from_and_not_written",
            ),
        ),
        "damaged file": (
            "opened, the loss is told, a copy is kept",
            (
                "test_a_damaged_page_costs_its_rows_and_nothing_else",
                "test_a_damaged_first_page_is_kept_and_a_new_memory_begun",
            ),
        ),
        "schema of a newer version": (
            "refused, not touched",
            ("test_a_memory_of_a_newer_version_is_refused_and_not_touched",),
        ),
        "second writer": (
            "refused, told who writes",
            (
                "test_a_second_writer_is_refused_and_told_who_writes",
                "test_a_memory_that_is_in_use_refuses_to_configure_and_says_why",
            ),
        ),
        "hostile text": ("is data", ("test_hostile_text_is_data_and_nothing_else",)),
        "causal cycle": ("ends", ("test_a_cycle_of_causes_ends",)),
    },
}

_HEAD = """\
# Faults

What goes wrong on robots, what has to happen then, and the tests that make it happen. Written by
`scripts/faults_page.py`; a test fails if a test named here is gone. Those in `test/ros` run on the
genuine `rclpy`.
"""


def tests() -> dict[str, str]:
    """The file of every test function, relative to the repository, by name."""
    found = {}
    for path in sorted((ROOT / "test").rglob("test_*.py")):
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.FunctionDef) and item.name.startswith("test_"):
                found[item.name] = str(path.relative_to(ROOT))
    return found


def page() -> str:
    """The page as Markdown.

    Raises:
        KeyError: A test that is named does not exist.
    """
    files = tests()
    lines = [_HEAD]
    for title, faults in FAULTS.items():
        lines += [f"## {title}", "", "| fault | what happens | tests |", "| --- | --- | --- |"]
        for fault, (outcome, names) in faults.items():
            links = [f"[{name[5:].replace('_', ' ')}](../{files[name]})" for name in names]
            lines.append(f"| {fault} | {outcome} | {'; '.join(links)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
