"""`--people` and `--private`: what they mean, and what they can't mean."""

from __future__ import annotations

import argparse

import pytest

from perception_nodes.commands.people_options import add_people_options, chosen_people
from perception_nodes.embodmocap.finder import PeopleFinder
from perception_nodes.errors import ConfigurationError


def chosen(*words: str) -> object:
    parser = argparse.ArgumentParser()
    add_people_options(parser)
    parser.set_defaults(device="cpu")
    return chosen_people(parser.parse_args(list(words)))


def test_nobody_is_looked_for_unless_asked() -> None:
    assert chosen() is None
    assert isinstance(chosen("--people"), PeopleFinder)
    assert isinstance(chosen("--people", "--private"), PeopleFinder)


def test_nobody_can_be_kept_out_of_pictures_without_being_looked_for() -> None:
    with pytest.raises(ConfigurationError, match="--people"):
        chosen("--private")
