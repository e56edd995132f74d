"""What was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "BAD"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer.

    Attributes:
        level: "ok"; "note" for what is absent but optional; "BAD" for what has to be repaired.
        subject: What was looked at.
        text: What was found.
        remedy: What to do; empty where nothing needs to be done.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""
