"""The page of keypoints: what the shipped network finds, and from pictures to people."""

from __future__ import annotations

from typing import Any

from evidence.tables import table

MEASURE = ("keypoints.py", "embodmocap_images.py")
BY_HAND = True
"""They need the body model, which `make evidence` doesn't install."""
_WAYS = ("offsets, then maps", "offsets alone", "maps alone")
_TOLD = {"oks": "OKS", "missed": "missed", "pck": "PCK@0.2", "pixels": "median error, pixels"}


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/keypoints.md."""
    parts = [_INTRODUCTION]
    for name, (title, section) in {
        "keypoints": ("Pictures that training never saw", _keypoints),
        "embodmocap_images": ("From pictures of two moving cameras to people", _images),
    }.items():
        result = results.get(name)
        text = "not measured yet\n" if result is None else section(result["figures"])
        parts.append(f"## {title}\n\n{text}")
    return {"keypoints.md": "\n".join(parts)}


def _keypoints(figures: dict[str, Any]) -> str:
    """What the network finds in rendered pictures that it never saw, and in real ones."""
    ways = figures["ways"]
    introduction = (
        f"Network `{figures['model']}`, trained on rendered bodies only; {figures['pictures']} "
        "rendered pictures of 320 x 240 with bodies, clothes and rooms that training never saw. "
        "OKS is COCO's similarity (0 for people who are missed, a found one counts from 0.3 on); "
        "PCK@0.2 the share of seen joints within a fifth of the trunk's length, those of missed "
        "people being wrong. *Invented* people are found where there is nobody, per picture. The "
        "network gives maps of joints and offsets from people's middles; what each is good for:\n"
    )
    header = ["way to people", *_TOLD.values(), "invented", "AP at OKS 0.5"]
    rows = [
        [name, *(_told(row, key) for key in _TOLD), row["invented"], row["ap50"]]
        for name, row in ((name, ways[name]) for name in _WAYS)
    ]
    best, maps = ways["offsets, then maps"], ways["maps alone"]
    held = "holds" if best["ap50"] > maps["ap50"] else "does not hold"
    verdict = f"Offsets group joints better than nearness alone: {held}.\n"
    bands = [
        [f"{'distance' if key == 'distance' else 'share shown'} {b['from']:g} to {b['to']:g}",
         b["people"], *(_told(b, name) for name in _TOLD)]
        for key in ("distance", "shown") for b in figures[key]
    ]  # fmt: skip
    parts = [introduction, table(header, rows), verdict,
             table(["people", "how many", *_TOLD.values()], bands)]  # fmt: skip
    return "\n".join([*parts, _empty(figures), _time(figures["milliseconds"])])


def _images(figures: dict[str, Any]) -> str:
    """Two drifting cameras, from their pictures."""
    text = (
        f"A rendered body replays a motion for {figures['seconds']:.0f} s before two moving "
        f"cameras of {figures['rate']:.0f} pictures a second, 640 x 480; poses and clocks err as "
        "above (depth by 1 % of its square). Keypoints are found in the pictures by the network "
        f"`{figures['model']}`, or given as by a good detector, 3 pixels off: the difference is "
        "what the network costs. *Known* is the share of pictures in which fusion tells the person "
        "within a meter; the errors are those of these pictures alone.\n"
    )
    rows, told = [], []
    for motion, row in figures["motions"].items():
        for source in ("network", "3 pixels off"):
            rows += [
                [motion, source, arm, a["known"], _millimeters(a["world"]),
                 _millimeters(a["wa_mpjpe"]), _millimeters(a["w_mpjpe"])]
                for arm, a in row[source].items()
            ]  # fmt: skip
        k = row["keypoints"]
        told.append(
            f"- {motion}: person found in {k['person found']:.0%} of {k['pictures']} pictures, "
            f"{k['joints found']:.0%} of its joints, median error {k['median pixels']:.1f} pixels "
            f"of 640; {k['invented']:.2f} people invented a picture"
        )
    header = ["motion", "keypoints", "arm", "known", "world, mm", "WA-MPJPE, mm", "W-MPJPE, mm"]
    return "\n".join([text, *told, "", table(header, rows)])


def _empty(figures: dict[str, Any]) -> str:
    real = figures["real"]
    if not real:
        return "Real pictures: not measured, as there were none.\n"
    told = ", ".join(f"{n} {row['invented']:.2f} ({row['pictures']})" for n, row in real.items())
    return (
        "Pictures of rooms and shelves that show nobody, invented people a picture (pictures), the "
        f"first two photographed, the last rendered by others: {told}. We have no photographs of "
        "people with known joints: how well real people are found is not measured.\n"
    )


def _time(milliseconds: dict[str, float]) -> str:
    total = sum(milliseconds.values())
    held = "holds" if total <= 40.0 else "does not hold"
    return (
        f"One core, an image: network {milliseconds['network']:.1f} ms, decoding "
        f"{milliseconds['decoding']:.1f} ms. At most 40 ms: {held}.\n"
    )


def _told(row: dict[str, Any], key: str) -> object:
    value = row.get(key)
    return "none" if value is None else value


def _millimeters(value: float | None) -> object:
    return "none" if value is None else 1e3 * value


_INTRODUCTION = """# Evidence: keypoints of people

How well does the shipped network find people and their joints in color images? Measured by
`bench/keypoints.py` and `bench/embodmocap_images.py`, in the training environment with the body
model (docs/embodmocap.md).
"""
