"""Write docs/interfaces.md from the tables in the code: nodes, topics, services, parameters.

python scripts/with_ros.py python scripts/interfaces_page.py
"""

from __future__ import annotations

import importlib.metadata
import typing
from pathlib import Path

from perception_nodes.ros.interfaces import NODES, NodeSpec, ServiceSpec, TopicSpec
from perception_nodes.ros.parameters import NodeParameters, Rule, rules

PAGE = Path(__file__).resolve().parents[1] / "docs" / "interfaces.md"
_QOS = {
    "SENSOR_DATA": "best effort, keep last 5",
    "RESULTS": "reliable, keep last 10",
    "LATCHED": "reliable, latched",
    "TRANSFORMS": "reliable, keep last 100",
    "STATIC_TRANSFORMS": "reliable, latched",
}
_HEAD = """\
# Nodes, topics, services and parameters

Generated from `perception_nodes/ros/interfaces.py` and the nodes' parameter classes by
`scripts/interfaces_page.py`; a test keeps it up to date. Names are relative: a namespace goes in
front. The QoS of each topic can be overridden with the parameters
`qos_overrides.<topic>.<publisher|subscription>.<history|depth|reliability|durability>`.
"""


def page() -> str:
    """The page as Markdown."""
    points = importlib.metadata.entry_points(group="permanence.nodes")
    made = {point.name: point.load() for point in points}
    parts = [_HEAD]
    for spec in NODES:
        parts.append(f"## `{spec.name}`\n\n{spec.text.capitalize()}.\n")
        if spec.name not in made:
            parts.append("Not there yet: the topics and services are reserved.\n")
        parts += _topics(spec)
        if spec.name in made:
            parts.append(_parameters(_parameters_of(made[spec.name])))
    return "\n".join(parts)


def _parameters_of(node: type) -> type[NodeParameters]:
    """The dataclass P of a class that derives from ManagedNode[P]."""
    (base,) = node.__orig_bases__  # type: ignore[attr-defined]
    return typing.cast("type[NodeParameters]", typing.get_args(base)[0])


def _topics(spec: NodeSpec) -> list[str]:
    parts = []
    for title, topics in (("Subscribes", spec.subscribes), ("Publishes", spec.publishes)):
        rows = [_topic(topic) for topic in topics]
        parts.append(_table((title, "type", "QoS", ""), rows))
    offers = [*spec.services, *spec.actions]
    if offers:
        parts.append(_table(("Offers", "type", ""), [_service(offer) for offer in offers]))
    return parts


def _topic(topic: TopicSpec) -> tuple[str, ...]:
    text = f"{topic.text} (optional)" if topic.optional else topic.text
    return f"`{topic.name}`", topic.type_name, _QOS[topic.intent], text


def _service(service: ServiceSpec) -> tuple[str, ...]:
    return f"`{service.name}`", service.type_name, service.text


def _parameters(cls: type[NodeParameters]) -> str:
    rows = [_parameter(name, *rule) for name, rule in rules(cls).items()]
    return _table(("Parameter", "default", "allowed", "changes", ""), rows)


def _parameter(name: str, default: object, rule: Rule) -> tuple[str, ...]:
    allowed = type(default).__name__
    if rule.choices:
        allowed = " or ".join(rule.choices)
    elif rule.low is not None and rule.high is not None:
        allowed = f"{rule.low:g}..{rule.high:g}"
    changes = "at start" if rule.read_only else "any time"
    return f"`{name}`", f"`{default!r}`", allowed, changes, rule.description


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
