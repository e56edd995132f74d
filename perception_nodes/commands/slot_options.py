"""The options of commands that find objects in images: with what, and what networks run on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError
from perception_nodes.inference.providers import DEVICES
from perception_nodes.viewrope.factory import DEFAULT, SOURCES, make_source

if TYPE_CHECKING:
    from perception_nodes.viewrope.source import SlotSource


def add_slot_options(parser: argparse.ArgumentParser) -> None:
    """Add `--slots`, `--gate`, `--threshold`, `--budget`, `--promise` and `--device`."""
    parser.add_argument(
        "--slots",
        choices=SOURCES,
        default=DEFAULT,
        help=f"what finds objects in images: depth alone, or the learned encoder ({DEFAULT})",
    )
    parser.add_argument(
        "--gate",
        action="store_true",
        help="search only images in which something moved; predict objects in the others",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="METERS",
        help="with --gate: how far an outline may move unnoticed (0.02; see calibrate-gate)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SHARE",
        help="with --gate: the share of the computing that may be done on average, 0 to 1",
    )
    parser.add_argument(
        "--promise",
        type=float,
        metavar="METERS",
        help="with --gate: error that nine of ten images that are not searched keep",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="what networks run on (auto: the fastest)"
    )


def chosen_source(args: argparse.Namespace) -> SlotSource:
    """The slot source that the options ask for.

    Raises:
        ModelError: Its network is missing, not what its card says, or can't be loaded.
        ConfigurationError: The budget or the promise is impossible, or there is no gate to keep it.
    """
    asked = (args.threshold, args.budget, args.promise)
    if not args.gate and asked != (None, None, None):
        raise ConfigurationError(
            "--threshold, --budget and --promise say nothing without --gate", "add --gate"
        )
    source = make_source(args.slots, args.device)
    if not args.gate:
        return source
    from perception_nodes.gate.governor import NOMINAL, Governor
    from perception_nodes.gate.source import gated

    governor = None
    if args.budget is not None:  # a replay that keeps no pace with the clock is the same each time
        keeps_pace = getattr(args, "live", False)
        governor = Governor(args.budget, nominal=None if keeps_pace else NOMINAL)
    return gated(source, governor, args.promise, args.threshold)
