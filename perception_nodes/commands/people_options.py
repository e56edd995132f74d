"""The options of commands that find people in images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_nodes.embodmocap.interface import PeopleSource


def add_people_options(parser: argparse.ArgumentParser) -> None:
    """Add `--people` and `--private`; the network runs on the device of `slot_options`."""
    parser.add_argument(
        "--people",
        action="store_true",
        help="also find people, with the shipped keypoints; docs/embodmocap.md tells how well",
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="with --people: keep no picture while somebody is known",
    )


def chosen_people(args: argparse.Namespace) -> PeopleSource | None:
    """What finds people, if it is asked for.

    Raises:
        ModelError: The network is missing, not what its card says, or can't be loaded.
        ConfigurationError: Nobody could be kept out of pictures, as nobody is looked for.
    """
    if not args.people:
        if args.private:
            raise ConfigurationError("--private says nothing without --people", "add --people")
        return None
    from perception_nodes.embodmocap.finder import PeopleFinder
    from perception_nodes.embodmocap.learned import learned_keypoints

    return PeopleFinder(learned_keypoints(args.device))
