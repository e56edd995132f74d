"""Single or half precision: which variant of a network runs, and why."""

from __future__ import annotations

from perception_nodes.errors import ConfigurationError
from perception_nodes.model_cards import Card

PRECISIONS = ("auto", "single", "half")


def against_half(card: Card, device: str, precision: str) -> str:
    """What speaks against half precision.

    Args:
        card: Of the network; says how far its variant in half precision differs.
        device: "tensorrt", "cuda" or "cpu".
        precision: One of `PRECISIONS`; "auto" wants half on a GPU where the card vouches for it.

    Returns:
        One sentence; empty if nothing does.

    Raises:
        ConfigurationError: There is no such precision.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(
            f"there is no precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}"
        )
    if precision == "single":
        return "single was asked for"
    if card.half is None:
        return "the network has no variant in half precision"
    if precision == "half":
        return ""
    if device == "cpu":
        return "a CPU gains nothing by half precision"
    if not card.half.difference <= card.half.tolerance:
        return (
            f"half precision changes outputs by {card.half.difference:g}, more than the "
            f"{card.half.tolerance:g} allowed"
        )
    return ""
