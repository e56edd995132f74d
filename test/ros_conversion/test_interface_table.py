"""The table of interfaces agrees with the definitions and with itself."""

from __future__ import annotations

from perception_nodes.resources import resource
from perception_nodes.ros.factory import typestore
from perception_nodes.ros.interfaces import NODES, node


def test_every_message_type_of_the_table_is_defined() -> None:
    for spec in NODES:
        for topic in (*spec.subscribes, *spec.publishes):
            assert topic.type_name in typestore().fielddefs, (spec.name, topic)


def test_our_services_and_actions_of_the_table_are_defined() -> None:
    for spec in NODES:
        for offer in (*spec.services, *spec.actions):
            package, folder, name = offer.type_name.split("/")
            if package == "permanence":
                assert (resource(folder) / f"{name}.{folder}").is_file(), offer


def test_whoever_takes_a_topic_agrees_on_its_type_with_whoever_gives_it() -> None:
    given = {topic.name: topic.type_name for spec in NODES for topic in spec.publishes}
    for spec in NODES:
        for topic in spec.subscribes:
            assert given.get(topic.name, topic.type_name) == topic.type_name, (spec.name, topic)


def test_names_are_relative_so_that_two_robots_fit_in_two_namespaces() -> None:
    fixed_by_ros = {"/tf", "/tf_static", "/clock"}
    for spec in NODES:
        for topic in (*spec.subscribes, *spec.publishes):
            assert not topic.name.startswith("/") or topic.name in fixed_by_ros


def test_a_topic_is_found_by_the_name_of_its_node() -> None:
    assert node("cjepa").gives("objects").type_name == "permanence/msg/ObjectStateArray"
    assert node("memory").takes("objects") == node("cjepa").gives("objects")
