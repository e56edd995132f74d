"""The options of commands that find objects in images: with what, and what networks run on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perception_nodes.inference.providers import DEVICES
from perception_nodes.viewrope.factory import DEFAULT, SOURCES, make_source

if TYPE_CHECKING:
    from perception_nodes.viewrope.source import SlotSource


def add_slot_options(parser: argparse.ArgumentParser) -> None:
    """Add `--slots`, `--gate` and `--device`."""
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
        "--device", choices=DEVICES, default="auto", help="what networks run on (auto: the fastest)"
    )


def chosen_source(args: argparse.Namespace) -> SlotSource:
    """The slot source that the options ask for.

    Raises:
        ModelError: Its network is missing, not what its card says, or can't be loaded.
    """
    source = make_source(args.slots, args.device)
    if not args.gate:
        return source
    from perception_nodes.gate.source import GatedSource

    return GatedSource(source)
