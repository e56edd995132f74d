"""Cards of networks: read, written, and refused when the network is another. Needs no torch."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perception_nodes import cli
from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.model_cards import (
    Card,
    TensorCard,
    card_files,
    check_file,
    check_signature,
    read_card,
    sha256,
    weights_folder,
    write_card,
)


def make_card(folder: Path, content: bytes = b"\x08\x0a") -> Card:
    """A card and its network in a folder."""
    (folder / "thing.onnx").write_bytes(content)
    card = Card(
        name="thing", summary="Does a thing.", limits="Not much.", license="Apache-2.0",
        file="thing.onnx", sha256=sha256(folder / "thing.onnx"), opset=20,
        inputs=(TensorCard("x", "tensor(float)", ("batch", 4)),),
        outputs=(TensorCard("y", "tensor(float)", (1,)),),
        metrics={"error": {"full": {"mean": 0.5}}},
    )  # fmt: skip
    write_card(card, folder / "thing.yaml")
    return card


def models(*words: Any) -> int:
    """Run `permanence models` without needing it to be installed."""
    from perception_nodes.commands import models as command

    parser = cli.argparse.ArgumentParser()
    command.register(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["models", *map(str, words)])
    return int(args.run(args))


def test_a_card_reads_as_it_was_written(tmp_path: Path) -> None:
    card = make_card(tmp_path)
    assert read_card(tmp_path / "thing.yaml") == card
    assert check_file(card, tmp_path) == tmp_path / "thing.onnx"
    assert not list(tmp_path.glob("*.partial"))


def test_a_network_of_another_hash_is_refused(tmp_path: Path) -> None:
    card = make_card(tmp_path)
    (tmp_path / "thing.onnx").write_bytes(b"another")
    with pytest.raises(ModelError, match="is not the network of its card"):
        check_file(card, tmp_path)


def test_a_missing_network_is_refused(tmp_path: Path) -> None:
    card = make_card(tmp_path)
    (tmp_path / "thing.onnx").unlink()
    with pytest.raises(ModelError, match="can't be read"):
        check_file(card, tmp_path)


@pytest.mark.parametrize(
    "found",
    [
        (TensorCard("z", "tensor(float)", ("batch", 4)),),
        (TensorCard("x", "tensor(double)", ("batch", 4)),),
        (TensorCard("x", "tensor(float)", (1, 4)),),
        (),
        (TensorCard("x", "tensor(float)", ("batch", 4)), TensorCard("w", "tensor(float)", ())),
    ],
)
def test_another_signature_is_refused_and_named(
    tmp_path: Path, found: tuple[TensorCard, ...]
) -> None:
    card = make_card(tmp_path)
    check_signature(card, card.inputs, card.outputs)
    with pytest.raises(ModelError, match=r"input [01] of thing\.onnx is"):
        check_signature(card, found, card.outputs)


@pytest.mark.parametrize(
    "text", ["", "- 1", "schema: 2", "schema: 1\nname: x", "schema: 1\ninputs: 3", "a: [", "\x00"]
)
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "thing.yaml"
    path.write_text(text)
    with pytest.raises(ModelError):
        read_card(path)


def test_a_network_that_is_no_network_is_refused_although_its_hash_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    make_card(tmp_path)
    assert models("verify", "--folder", tmp_path) == 1
    assert "can't be loaded" in capsys.readouterr().err


def test_verify_checks_all_before_it_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = make_card(tmp_path)
    write_card(dataclasses.replace(card, name="other", sha256="0" * 64), tmp_path / "other.yaml")
    (tmp_path / "third.yaml").write_text("schema: 1")
    assert models("verify", "--folder", tmp_path) == 1
    shown = capsys.readouterr()
    assert "other" in shown.err
    assert "third" in shown.err
    assert "thing" in shown.out + shown.err


def test_list_and_card_show_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_card(tmp_path)
    assert models("list", "--folder", tmp_path) == 0
    assert "Does a thing." in capsys.readouterr().out
    assert models("card", "thing", "--folder", tmp_path) == 0
    assert "mean: 0.5" in capsys.readouterr().out


def test_an_unknown_model_names_those_there_are(tmp_path: Path) -> None:
    make_card(tmp_path)
    with pytest.raises(ConfigurationError, match="no card of thingy") as caught:
        models("card", "thingy", "--folder", tmp_path)
    assert "thing" in caught.value.remedy


def test_the_networks_that_come_with_the_program_are_those_of_their_cards() -> None:
    folder = weights_folder()
    cards = card_files(folder)
    assert cards
    known = [read_card(path) for path in cards]
    named = {card.file for card in known} | {card.half.file for card in known if card.half}
    assert named == {path.name for path in folder.glob("*.onnx")}
    assert len({card.opset for card in known}) == 1
    for path in cards:
        card = read_card(path)
        assert check_file(card, folder).stat().st_size < 15e6
        assert card.license == "Apache-2.0"
        # the planner's network is computed, not trained
        assert card.name == "planner" or card.training["command"].startswith("permanence train")
    assert models("verify") == 0


def test_without_torch_training_says_how_to_install_it() -> None:
    code = (
        "import sys, argparse; sys.modules['torch'] = None\n"
        "from perception_models.commands import train, export\n"
        "from perception_nodes.errors import ConfigurationError\n"
        "top = argparse.ArgumentParser().add_subparsers()\n"
        "train.register(top); export.register(top)\n"
        "try:\n"
        "    train.run(argparse.Namespace(model='discs'))\n"
        "except ConfigurationError as error:\n"
        "    assert 'pip install torch==2.13.0' in error.remedy, error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_verify_refuses_a_changed_variant_in_half_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(weights_folder(), folder)
    half = folder / "cjepa.half.onnx"
    content = bytearray(half.read_bytes())
    content[5000] ^= 1
    half.write_bytes(bytes(content))
    assert models("verify", "cjepa", "--folder", folder) == 1
    assert "cjepa.half.onnx is not the network of its card" in capsys.readouterr().err
    assert models("verify", "planner", "--folder", folder) == 0
