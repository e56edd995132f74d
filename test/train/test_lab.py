"""One command from nothing to a documented network; configurations and what refuses them."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from perception_models import checkpoint, device, export, lab
from perception_models.commands import export as export_command
from perception_models.commands import train
from perception_models.configuration import configured
from perception_models.discs.task import Configuration
from perception_models.errors import TrainingError
from perception_models.optimizers.names import DEFAULT_RATES
from perception_nodes.errors import ConfigurationError, ModelError, PermanenceError
from perception_nodes.model_cards import check_file, check_signature, read_card, signature

SMALL = ("steps=6", "batch=8", "width=16", "depth=1", "heads=2", "episodes=10")


def command(*words: Any) -> int:
    """Run `permanence train` on a tiny network."""
    parser = argparse.ArgumentParser()
    train.register(parser.add_subparsers())
    chosen = [word for setting in SMALL for word in ("--set", setting)]
    args = parser.parse_args(["train", "discs", *chosen, *map(str, words)])
    return int(args.run(args))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training."""
    folder = tmp_path_factory.mktemp("lab") / "run"
    assert command("--seeds", "0,1", "--ablations", "all", "-o", folder) == 0
    return folder


def test_a_finished_run_has_a_network_that_is_its_cards(finished: Path) -> None:
    card = read_card(finished / "discs.yaml")
    path = check_file(card, finished)
    session = onnxruntime.InferenceSession(str(path))
    check_signature(card, *signature(session))
    assert card.opset == 20
    out = session.run(None, {"state": np.zeros((7, 4, 5), dtype=np.float32)})[0]
    assert out.shape == (7, 4, 5)
    assert not (finished / checkpoint.FILE).exists()


def test_the_card_says_how_the_network_was_made(finished: Path) -> None:
    card = read_card(finished / "discs.yaml")
    assert card.training["seeds"] == [0, 1]
    assert card.training["configuration"]["steps"] == 6
    assert card.training["learning_rate"] == DEFAULT_RATES["muon"]
    assert card.training["cells_trained_together"] == 4
    assert "torch" in card.training["machine"]["packages"]
    assert card.data["interval_s"] == 0.1
    error = card.metrics["error"]
    assert set(error) == {"full", "no_interaction"}
    assert error["full"]["mean"] == pytest.approx(np.mean(list(error["full"]["seeds"].values())),
                                                  abs=1e-4)  # fmt: skip
    assert card.parity["largest_relative_difference"] < 1e-4


def test_errors_of_each_episode_are_kept_for_paired_statistics(finished: Path) -> None:
    rows = json.loads((finished / lab.EPISODES).read_text())
    assert {(row["seed"], row["ablation"]) for row in rows} == {
        (seed, name) for seed in (0, 1) for name in ("full", "no_interaction")
    }
    assert all(len(row["errors"]["error"]) == 10 for row in rows)


def test_a_run_may_begin_with_the_weights_of_another_and_its_card_says_so(
    finished: Path, tmp_path: Path
) -> None:
    still = ("--set", "rest_rate=0.0", "--set", "rate=1e-12", "--set", "steps=1")
    assert command("--from", finished, "-o", tmp_path / "next", *still) == 0
    before, after = (checkpoint.load(f, torch.device("cpu"), name=lab.TRAINED)["network"]
                     for f in (finished, tmp_path / "next"))  # fmt: skip
    for name, value in before.items():
        assert torch.allclose(after[name], value, atol=1e-9), name
    said = read_card(tmp_path / "next" / "discs.yaml").training["begun_with"]
    assert said["sha256"] == read_card(finished / "discs.yaml").sha256
    assert said["training"]["updates"] == 6
    with pytest.raises(TrainingError, match="another form"):
        command("--from", finished, "-o", tmp_path / "other", "--set", "width=24")


def test_exporting_again_gives_the_same_network(finished: Path, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    export_command.register(parser.add_subparsers())
    args = parser.parse_args(["export", str(finished), "-o", str(tmp_path / "weights")])
    assert args.run(args) == 0
    again = read_card(tmp_path / "weights" / "discs.yaml")
    check_file(again, tmp_path / "weights")
    assert again == read_card(finished / "discs.yaml")


def test_exporting_to_where_nothing_can_be_written_is_refused(
    finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    args = argparse.Namespace(run_folder=finished, output=tmp_path / "file")
    with pytest.raises(TrainingError, match="can't be written"):
        export_command.run(args)


def test_exporting_what_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no trained\.pt"):
        lab.export_again(tmp_path, tmp_path)


def test_a_changed_network_is_refused(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "copy")
    data = bytearray((folder / "discs.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "discs.onnx").write_bytes(data)
    with pytest.raises(ModelError):
        check_file(read_card(folder / "discs.yaml"), folder)


def test_an_export_that_differs_is_not_written(tiny: Any, tmp_path: Path) -> None:
    task = tiny()
    impossible = dataclasses.replace(task.signature(), tolerance=-1.0)
    with pytest.raises(TrainingError, match="differs from the trained one"):
        export.export(task.network(), impossible, tmp_path / "discs.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_network_is_that_of_the_command_on_its_card(finished: Path) -> None:
    """The export carries no paths or dates: its hash depends on weights and versions alone."""
    text = (finished / "discs.onnx").read_bytes()
    assert str(Path(__file__).resolve().parents[2]).encode() not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0,0"], "different"),
        (["--seeds", "a"], "whole numbers"),
        (["--ablations", "nothing"], "no ablation 'nothing'"),
        (["--minutes", "0"], "more than 0"),
        (["--set", "steps"], "not of the form"),
        (["--config", "/nowhere.yaml"], "can't be read"),
    ],
)
def test_wrong_usage_is_an_error_with_a_reason(
    words: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PermanenceError, match=message):
        command("-o", tmp_path, *words)


def test_a_folder_that_can_not_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"can't be written|was not written") as caught:
        command("-o", tmp_path / "file" / "run")
    assert "-o" in caught.value.remedy


def test_a_disk_that_fills_while_the_card_is_written_leaves_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lab, "write_card", full)
    with pytest.raises(TrainingError, match="No space left"):
        command("-o", tmp_path / "run")
    monkeypatch.undo()
    assert (tmp_path / "run" / checkpoint.FILE).exists()
    assert command("-o", tmp_path / "run", "--resume") == 0
    assert (tmp_path / "run" / "discs.yaml").exists()


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(Configuration, None, ["optimiser=muon"])
    assert "nearest is 'optimizer'" in caught.value.remedy


@pytest.mark.parametrize(
    "setting", ["steps=0", "steps=1.5", "optimizer=sgd", "rate=fast", "decay=3", "batch=true"]
)
def test_a_value_of_the_wrong_type_or_range_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting.partition("=")[0]):
        configured(Configuration, None, [setting])


def test_settings_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("steps: 7\nrate: 1e-3\nbatch: 5\n")
    found = configured(Configuration, file, ["batch=6", "optimizer=adamw+magma"])
    assert (found.steps, found.rate, found.batch) == (7, 1e-3, 6)
    assert found.optimizer == "adamw+magma"
    assert found.warmup == Configuration().warmup


@pytest.mark.parametrize("text", ["[1", "- 1", "3", "1: 2"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        configured(Configuration, file)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigurationError, match="no CUDA device"):
        device.choose("cuda")
    assert device.choose("auto").type == "cpu"


def test_training_in_bfloat16_learns_too(tiny: Any, tmp_path: Path) -> None:
    """Emulated where it isn't built in; the answer leaves the network in single precision."""
    from perception_models.cells import Cell
    from perception_models.trainer import Trainer

    first, last = [], []
    for precision, found in (("bf16", first), ("fp32", last)):
        trainer = Trainer(
            tiny(precision=precision), [Cell(0), Cell(1)], tmp_path / precision,
            torch.device("cpu"), resume=False,
        )  # fmt: skip
        trainer.fit(lambda step, planned, figures, found=found: found.append(figures["loss/full"]))
        assert trainer.stack.networks[0].head.weight.dtype == torch.float32
    assert first != last
    assert np.mean(first[-5:]) == pytest.approx(np.mean(last[-5:]), rel=0.2)


def test_every_configuration_field_has_a_description() -> None:
    for field in dataclasses.fields(Configuration):
        assert field.metadata["permanence.parameter"].description
