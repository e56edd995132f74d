"""What became of the messages of a recording: assumptions made, and what could not be used."""

from __future__ import annotations

from collections import Counter

_MAX_KINDS = 100


class Account:
    """Notes and drops, each kind told once however often it happens.

    A kind is a fixed sentence; the detail of its first case is kept as an example. The number of
    kinds is bounded, so that a hostile recording can't fill the memory.
    """

    def __init__(self) -> None:
        self._details: dict[str, str] = {}
        self._notes: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, in the order in which it came up."""
        return tuple(self._text(kind, count) for kind, count in self._notes.items())

    @property
    def drops(self) -> dict[str, int]:
        """Frames and images that were not used, by cause, in the order in which they came up."""
        return {self._text(kind, 1): count for kind, count in self._drops.items()}

    def note(self, kind: str, detail: str = "") -> None:
        """Something worth knowing that costs no frame."""
        if len(self._notes) < _MAX_KINDS or kind in self._notes:
            self._notes[kind] += 1
            self._details.setdefault(kind, detail)

    def drop(self, kind: str, detail: str = "", count: int = 1) -> None:
        """Frames or images that can't be used."""
        if len(self._drops) < _MAX_KINDS or kind in self._drops:
            self._drops[kind] += count
            self._details.setdefault(kind, detail)

    def _text(self, kind: str, count: int) -> str:
        detail = self._details[kind]
        if not detail:
            return kind
        return f"{kind}: {detail}" if count == 1 else f"{kind} ({count} times): {detail}"
