"""The option of commands that follow objects: what says how unseen ones move."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perception_nodes.cjepa.names import DEFAULT, MOTIONS

if TYPE_CHECKING:
    from perception_nodes.cjepa.foresight import Foresight


def add_motion_option(parser: argparse.ArgumentParser) -> None:
    """Add `--motion`; its network runs on the device of `slot_options`."""
    parser.add_argument(
        "--motion",
        choices=MOTIONS,
        default=DEFAULT,
        help=f"how unseen objects move: each by itself, or as the world model says ({DEFAULT})",
    )


def chosen_foresight(args: argparse.Namespace) -> Foresight:
    """What the options ask for; without a usable world model the Kalman filter, and a note."""
    from perception_nodes.cjepa.foresight import make_foresight

    return make_foresight(args.motion, args.device)
