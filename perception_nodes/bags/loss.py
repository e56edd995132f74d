"""What a bag says it holds, compared with what was delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class TopicLoss:
    """The balance of one topic.

    Attributes:
        name: Of the topic.
        expected: How many messages the bag says it holds; None where it does not say.
        delivered: How many were read, decodable or not.
        undecodable: Of these, how many could not be decoded, by reason.
    """

    name: str
    expected: int | None
    delivered: int = 0
    undecodable: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """How many of the stated messages were not read."""
        return max(0, (self.expected or 0) - self.delivered)

    @property
    def clean(self) -> bool:
        """Whether all was read and decoded."""
        return not self.missing and not self.undecodable


@dataclass(frozen=True, slots=True)
class LossReport:
    """The balance of a bag.

    Attributes:
        topics: Those that were asked for.
        problems: What is damaged or missing, one sentence each.
        remarks: What is odd but lost nothing.
        complete: Whether the bag was read to its end; if not, missing messages say nothing.
    """

    topics: Sequence[TopicLoss]
    problems: Sequence[str]
    remarks: Sequence[str]
    complete: bool

    @property
    def delivered(self) -> int:
        """How many messages were read."""
        return sum(topic.delivered for topic in self.topics)

    @property
    def expected(self) -> int:
        """How many messages the bag says it holds, as far as it says."""
        return sum(topic.expected or 0 for topic in self.topics)

    @property
    def clean(self) -> bool:
        """Whether the bag was read to its end and nothing was lost."""
        return self.complete and not self.problems and all(topic.clean for topic in self.topics)

    def lines(self) -> list[str]:
        """The report for a person, one line for each loss, problem and remark."""
        lines = []
        for topic in self.topics:
            if self.complete and topic.missing:
                lines.append(
                    f"{topic.name}: {topic.missing} of {topic.expected} messages are missing"
                )
            for reason, count in sorted(topic.undecodable.items()):
                lines.append(f"{topic.name}: {count} messages could not be decoded: {reason}")
        lines += self.problems
        lines += self.remarks
        if not self.complete:
            lines.append(f"reading stopped after {self.delivered} messages")
        return lines
