"""The section on the rate of the part `viewrope` at 640x480."""

from __future__ import annotations

from typing import Any

from evidence.tables import table

_TEXT = """\
From images to slots, key frames remembered and selected, on all cores and with nothing else running
(`bench/viewrope_rate.py`); the network computes while planes are looked for. Asked: {target:.0f} Hz
on two cores.
"""


def section(figures: dict[str, Any], _files: dict[str, str]) -> str:
    """From the figures of bench/viewrope_rate.py."""
    sources = {
        f"{recording}, {source}": row
        for recording, found in figures["recordings"].items()
        for source, row in found.items()
    }
    rows = [
        [name, row["hz"], *(row["ms"][key] for key in ("p50", "p95", "p99"))]
        for name, row in sources.items()
    ]
    header = [f"{figures['cores']} cores", "Hz", "ms p50", "p95", "p99"]
    return _TEXT.format(target=figures["target_hz"]) + "\n" + table(header, rows)
