"""Which sizes of a network are free, and the range of each that TensorRT builds an engine for.

Without a range TensorRT builds its engine anew, inside a call, whenever a size grows beyond those
seen before: seconds in which a robot knows nothing. So a network whose card leaves a size open is
not given to it.
"""

from __future__ import annotations

from perception_nodes.model_cards import Card


def is_static(card: Card) -> bool:
    """Whether all sizes of a network's inputs and outputs are fixed."""
    tensors = (*card.inputs, *card.outputs)
    return not any(isinstance(size, str) for tensor in tensors for size in tensor.shape)


def without_ranges(card: Card) -> str:
    """Why TensorRT is not given a network, in one sentence; empty if all free sizes have ranges."""
    free = {size for tensor in card.inputs for size in tensor.shape if isinstance(size, str)}
    missing = sorted(free - set(card.ranges))
    if not missing:
        return ""
    return (
        f"the card of {card.name} gives no range for the free sizes {', '.join(missing)}, so that "
        "its engine would be built again inside calls"
    )


def profile(card: Card) -> dict[str, str]:
    """TensorRT's options for the free sizes of a network; none for one of fixed sizes.

    Returns:
        "trt_profile_{min,opt,max}_shapes", each "input:1x3x16,...", over the inputs with a free
        size, as ONNX Runtime's TensorRT provider reads them.
    """
    free = [t for t in card.inputs if any(isinstance(size, str) for size in t.shape)]
    if not free:
        return {}
    options = {}
    for index, end in enumerate(("min", "opt", "max")):
        shapes = (
            "x".join(str(card.ranges[s][index] if isinstance(s, str) else s) for s in tensor.shape)
            for tensor in free
        )
        named = (f"{tensor.name}:{shape}" for tensor, shape in zip(free, shapes, strict=True))
        options[f"trt_profile_{end}_shapes"] = ",".join(named)
    return options
