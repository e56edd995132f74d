"""Slot sources by name: the one place that knows which there are.

Each is imported when it is made, so that naming them costs the command line nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_nodes.viewrope.source import SlotSource

SOURCES = ("depth", "learned")
DEFAULT = "depth"
NETWORK = "viewrope"
"""Name of the card of the slot encoder."""


def make_source(
    name: str = DEFAULT,
    device: str = "auto",
    models: Path | None = None,
    precision: str = "auto",
) -> SlotSource:
    """A slot source, loaded and warm.

    Args:
        name: One of `SOURCES`.
        device: What its network runs on, one of `perception_nodes.inference.providers.DEVICES`.
        models: Folder of networks and cards; None for those that come with the program.
        precision: Of its network, one of `perception_nodes.inference.precision.PRECISIONS`.

    Raises:
        ConfigurationError: There is no such source or device.
        ModelError: Its network is missing, not what its card says, or can't be loaded.
    """
    if name == "depth":
        from perception_nodes.viewrope.depth_finder import DepthFinder

        return DepthFinder()
    if name == "learned":
        from perception_nodes.inference.loading import load_network
        from perception_nodes.model_cards import weights_folder
        from perception_nodes.viewrope.learned import LearnedFinder

        card = (models or weights_folder()) / f"{NETWORK}.yaml"
        return LearnedFinder(load_network(card, device, precision=precision))
    raise ConfigurationError(
        f"there is no slot source {name!r}", f"choose one of {', '.join(SOURCES)}"
    )
