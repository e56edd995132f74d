"""What kind of question plain words are, and which time they mean. No language model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from perception_nodes.memory.times import period

_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_LONG = {"second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d"}
_UNIT = r"(ms|s|secs?|seconds?|min|minutes?|h|hours?|d|days?)"
_AGO = re.compile(rf"\b{_NUMBER}\s*{_UNIT}\s+ago\b")
_LAST = re.compile(rf"\b(?:in|for|over|during)?\s*(?:the )?last\s+{_NUMBER}?\s*{_UNIT}\b")
_AT = re.compile(rf"\bat\s+(?:t\s*=\s*)?{_NUMBER}\s*(?:s|seconds?)?(?=\s|[?.!]|$)")
_VERB = r"([a-z]+?)(?:ing|es|ed|s)?"

_KINDS = (
    (
        "believes",
        re.compile(
            r"\bwhere (?:does|do|did|would|will) (?:the )?(\w+) "
            r"(?:think|believe|look for|look|expect|search for)\b"
        ),
    ),
    ("changes", re.compile(r"\bwhat(?:'s| has| is| was)? (?:changed|different|new)\b|\bchanges\b")),
    (
        "what_if",
        re.compile(
            r"\bwhat (?:usually |would |will )?happens? (?:if|when|after) "
            rf"(?:i |you |we |one |the robot |someone )?{_VERB}\b"
        ),
    ),
    ("what_if", re.compile(rf"\bwhat[ -]if (?:i |you |we |one |the robot |someone )?{_VERB}\b")),
    (
        "why",
        re.compile(r"\bwhy\b|\b(?:who|what) (?:has |have )?(?:moved|pushed|caused|took|hit)\b"),
    ),
    ("near", re.compile(r"\b(?:near|beside|next to|around|close to)\b")),
    (
        "list",
        re.compile(
            r"\b(?:what|which|where)(?: (?:objects|things))?(?: is| are|'s) "
            r"(?:all |every)?(?:the )?(hidden|visible|lost|gone|known|there|objects|things|thing)"
            r"(?=\s*[?.!]*$)|\bwhat do you (know|remember|see)(?=\s*[?.!]*$)"
            r"|^\s*(?:list|show) (?:all|everything|objects|the objects)\b"
        ),
    ),
    ("happened", re.compile(r"\bwhat (?:has )?happened\b|\bhistory\b|\bwhat did\b")),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question in plain words, understood.

    Attributes:
        kind: "where", "why", "changes", "what_if", "near", "happened", "list" or "believes".
        text: The question in lower case.
        rest: What is left of it once times and actions are taken out; it contains the names.
        at: Message time that it is about, ns; None for now.
        since: Beginning of the stretch of time that it is about, ns.
        action: Of a "what_if"; of a "believes" who; of a "list" as what: "hidden", say.
    """

    kind: str
    text: str
    rest: str
    at: int | None = None
    since: int | None = None
    action: str = ""


def parse(text: str, start: int, now: int) -> Question:
    """Understand a question.

    Args:
        text: Any text.
        start: Message time that "at 12.5" counts from, ns.
        now: Message time that "ago" counts back from, ns.
    """
    lower = text.lower()
    at, since, rest = None, None, text
    for pattern in (_AGO, _LAST, _AT):
        found = pattern.search(rest.lower())
        if found is None:
            continue
        if pattern is _AGO:
            at = now - _length(found[1], found[2])
        elif pattern is _LAST:
            since = now - _length(found[1] or "1", found[2])
        else:
            at = start + period(found[1])
        rest = rest[: found.start()] + " " + rest[found.end() :]
    for kind, pattern in _KINDS:
        if (found := pattern.search(rest.lower())) is not None:
            action = (
                next(filter(None, found.groups()), "")
                if kind in ("what_if", "believes", "list")
                else ""
            )
            rest = rest[: found.start()] + " " + rest[found.end() :]
            return Question(kind, lower, rest.strip(), at, since, action)
    return Question("where", lower, rest.strip(), at, since)


def _length(number: str, unit: str) -> int:
    short = unit.rstrip("s") if len(unit) > 2 else unit
    return period(f"{number}{_LONG.get(short, short)}")
