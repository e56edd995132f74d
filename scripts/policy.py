"""Write config/permanence.policy.xml: what each node may do on a secured graph (SROS2).

python scripts/policy.py
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from perception_nodes.ros.interfaces import NODES, NodeSpec

FILE = Path(__file__).resolve().parents[1] / "config" / "permanence.policy.xml"
_HEAD = "<!-- Written by scripts/policy.py from the table of interfaces: change that one. -->\n"
_OFFERED_BY_ALL = (
    "describe_parameters",
    "get_parameter_types",
    "get_parameters",
    "get_type_description",
    "list_parameters",
    "set_parameters",
    "set_parameters_atomically",
)
_LIFECYCLE = (
    "change_state",
    "get_available_states",
    "get_available_transitions",
    "get_state",
    "get_transition_graph",
)


def policy(nodes: tuple[NodeSpec, ...] = NODES) -> str:
    """The policy: one enclave a node, with the topics and services of its row and no others."""
    root = ElementTree.Element("policy", {"version": "0.2.0"})
    enclaves = ElementTree.SubElement(root, "enclaves")
    for node in nodes:
        enclave = ElementTree.SubElement(enclaves, "enclave", {"path": f"/permanence/{node.name}"})
        profiles = ElementTree.SubElement(enclave, "profiles")
        profile = ElementTree.SubElement(profiles, "profile", {"ns": "/", "node": node.name})
        for kind, tag, names in _rights(node):
            if names:
                element = ElementTree.SubElement(profile, kind, {tag: "ALLOW"})
                for name in sorted(set(names)):
                    ElementTree.SubElement(element, kind.rstrip("s")).text = name
    ElementTree.indent(root)
    return _HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _rights(node: NodeSpec) -> list[tuple[str, str, list[str]]]:
    taken = [topic.name for topic in node.subscribes]
    given = [topic.name for topic in node.publishes]
    answered = [f"~/{name}" for name in (*_OFFERED_BY_ALL, *_LIFECYCLE)]
    asked = {"cjepa": ["restore"], "view": ["recall"]}.get(node.name, [])
    return [
        ("topics", "subscribe", [*taken, "/clock", "/parameter_events"]),
        (
            "topics",
            "publish",
            [
                *given,
                *("/diagnostics", "/rosout", "/parameter_events"),
                *("~/processing_time_ms", "~/transition_event"),
            ],
        ),
        ("services", "reply", [*(s.name for s in node.services), *answered]),
        ("services", "request", asked),
        ("actions", "execute", [action.name for action in node.actions]),
    ]


if __name__ == "__main__":
    FILE.write_text(policy(), encoding="utf-8")
    print(f"wrote {FILE}")
