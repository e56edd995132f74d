"""The loop: resuming, stopping, what goes wrong, and cells that don't know of each other."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from perception_models import checkpoint
from perception_models.cells import Cell, CellStack
from perception_models.curriculum import HorizonCurriculum
from perception_models.errors import TrainingError, TrainingInterruptedError
from perception_models.task import VALIDATION
from perception_models.trainer import Trainer, rate_factor

CELLS = [Cell(seed, name) for seed in (0, 1) for name in ("full", "no_interaction")]
CPU = torch.device("cpu")


def quiet(step: int, planned: int, figures: dict[str, float]) -> None:
    pass


def interrupt_at(update: int) -> Any:
    """A listener that presses Ctrl-C after an update."""

    def listen(step: int, planned: int, figures: dict[str, float]) -> None:
        if step == update:
            os.kill(os.getpid(), signal.SIGINT)

    return listen


def weights(trainer: Trainer) -> bytes:
    return b"".join(
        p.detach().numpy().tobytes() for n in trainer.stack.networks for p in n.parameters()
    )


@pytest.mark.parametrize("optimizer", ["muon", "namo-d", "adamw+magma"])
def test_an_interrupted_run_ends_bit_identical_to_one_that_ran_through(
    tiny: Any, tmp_path: Path, optimizer: str
) -> None:
    task = tiny(optimizer=optimizer)
    whole = Trainer(task, CELLS, tmp_path / "whole", CPU, resume=False)
    whole.fit(quiet)
    first = Trainer(task, CELLS, tmp_path / "parts", CPU, resume=False)
    with pytest.raises(TrainingInterruptedError, match="update 10 of 20"):
        first.fit(interrupt_at(10))
    second = Trainer(task, CELLS, tmp_path / "parts", CPU, resume=True)
    assert second.step == 10
    second.fit(quiet)
    assert weights(second) == weights(whole)


def test_ctrl_c_says_how_to_go_on(tiny: Any, run_folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    trainer = Trainer(tiny(), CELLS, run_folder, CPU, resume=False)
    with pytest.raises(TrainingInterruptedError) as caught:
        trainer.fit(interrupt_at(3))
    assert "--resume" in caught.value.remedy
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_an_unfinished_run_is_not_overwritten(tiny: Any, run_folder: Path) -> None:
    Trainer(tiny(), CELLS, run_folder, CPU, resume=False).save()
    with pytest.raises(TrainingError, match="unfinished run"):
        Trainer(tiny(), CELLS, run_folder, CPU, resume=False)


def test_a_checkpoint_of_another_configuration_is_refused_by_the_key(
    tiny: Any, run_folder: Path
) -> None:
    Trainer(tiny(), CELLS, run_folder, CPU, resume=False).save()
    with pytest.raises(TrainingError, match=r"configuration\.batch was 8, now 4"):
        Trainer(tiny(batch=4), CELLS, run_folder, CPU, resume=True)
    with pytest.raises(TrainingError, match="cells was"):
        Trainer(tiny(), CELLS[:1], run_folder, CPU, resume=True)


def test_resuming_what_was_never_begun_is_refused(tiny: Any, run_folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"no checkpoint\.pt"):
        Trainer(tiny(), CELLS, run_folder, CPU, resume=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"cos\nsystem\n(S'x'\ntR."])
def test_a_damaged_checkpoint_is_refused_without_running_what_it_holds(
    tiny: Any, run_folder: Path, content: bytes
) -> None:
    run_folder.mkdir()
    (run_folder / checkpoint.FILE).write_bytes(content)
    with pytest.raises(TrainingError, match="damaged or no checkpoint"):
        Trainer(tiny(), CELLS, run_folder, CPU, resume=True)


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_keeps_the_last_good_checkpoint(
    tiny: Any, run_folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    trainer = Trainer(tiny(checkpoint_every=5), CELLS, run_folder, CPU, resume=False)
    calls = 0

    def full(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args, **kwargs)

    target = (torch, "save") if fails == "write" else (os, "fsync")
    real = getattr(*target)
    monkeypatch.setattr(*target, full)
    with pytest.raises(TrainingError, match="step 10 was not written: the disk is full") as caught:
        trainer.fit(quiet)
    assert "--resume" in caught.value.remedy
    assert sorted(p.name for p in run_folder.iterdir()) == [checkpoint.FILE]
    assert Trainer(tiny(checkpoint_every=5), CELLS, run_folder, CPU, resume=True).step == 5


def test_a_truly_full_device_is_reported_as_full(tiny: Any, run_folder: Path) -> None:
    """/dev/full refuses every write, as torch's own writer reports it."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    run_folder.mkdir()
    (run_folder / "checkpoint.partial").symlink_to("/dev/full")
    trainer = Trainer(tiny(), CELLS, run_folder, CPU, resume=False)
    with pytest.raises(TrainingError, match="the disk is full"):
        trainer.save()


def test_a_loss_that_is_no_number_stops_and_says_where(tiny: Any, run_folder: Path) -> None:
    task = tiny(checkpoint_every=5)
    trainer = Trainer(task, CELLS, run_folder, CPU, resume=False)

    def spoil(step: int, planned: int, figures: dict[str, float]) -> None:
        if step == 7:
            next(trainer.stack.networks[2].parameters()).data.fill_(float("nan"))

    with pytest.raises(TrainingError, match="loss of full/seed 1 is not a number at update 8"):
        trainer.fit(spoil)
    kept = Trainer(task, CELLS, run_folder, CPU, resume=True)
    assert kept.step == 5
    assert all(bool(p.isfinite().all()) for n in kept.stack.networks for p in n.parameters())


def test_weights_that_are_no_numbers_never_replace_a_good_checkpoint(
    tiny: Any, run_folder: Path
) -> None:
    trainer = Trainer(tiny(), CELLS, run_folder, CPU, resume=False)
    trainer.save()
    good = (run_folder / checkpoint.FILE).read_bytes()
    next(trainer.stack.networks[0].parameters()).data.fill_(float("inf"))
    with pytest.raises(TrainingError, match="a weight of full/seed 0"):
        trainer.save()
    assert (run_folder / checkpoint.FILE).read_bytes() == good


def test_cells_trained_together_are_as_cells_trained_alone(tiny: Any, tmp_path: Path) -> None:
    together = Trainer(tiny(clip=0.5), CELLS, tmp_path / "all", CPU, resume=False)
    together.fit(quiet)
    for k, cell in enumerate(CELLS):
        alone = Trainer(tiny(clip=0.5), [cell], tmp_path / str(k), CPU, resume=False)
        alone.fit(quiet)
        for a, b in zip(
            together.stack.networks[k].parameters(), alone.stack.networks[0].parameters(),
            strict=True,
        ):  # fmt: skip
            torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4)


def test_cells_of_one_seed_begin_alike_and_seeds_differ(tiny: Any) -> None:
    task = tiny()
    stack = CellStack(task.network, CELLS, task.ablations, CPU)
    first = [next(n.parameters()) for n in stack.networks]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_the_ablation_hides_the_discs_from_each_other(tiny: Any) -> None:
    task = tiny()
    network = task.network()
    states = task.held_out(VALIDATION)[:4, 0]
    other = states.clone()
    other[:, 1:, :4] += 0.1
    for interaction, same in ((0.0, True), (1.0, False)):
        a = network(states, torch.tensor(interaction))[:, 0]
        b = network(other, torch.tensor(interaction))[:, 0]
        assert torch.allclose(a, b) is same


def test_minutes_plan_as_many_updates_as_fit(tiny: Any, run_folder: Path) -> None:
    trainer = Trainer(tiny(steps=1_000_000), CELLS[:1], run_folder, CPU, resume=False)
    trainer.fit(quiet, minutes=0.01)
    assert 1 <= trainer.step == trainer.planned < 1_000_000


def test_a_run_that_goes_on_may_be_planned_shorter(tiny: Any, run_folder: Path) -> None:
    task = tiny(steps=1_000_000)
    first = Trainer(task, CELLS[:1], run_folder, CPU, resume=False)
    with pytest.raises(TrainingInterruptedError):
        first.fit(interrupt_at(30))
    second = Trainer(task, CELLS[:1], run_folder, CPU, resume=True)
    plans: list[int] = []
    second.fit(lambda _, planned, __: plans.append(planned), minutes=2 * first.seconds / 60)
    assert 30 < plans[0] < 1_000  # by the first update, so that rates fall from there
    assert second.step <= plans[0]


def test_the_rate_grows_then_falls_to_zero_or_stays() -> None:
    falling = [rate_factor(k, 100, 0.1, decay=True) for k in range(101)]
    assert falling[0] == pytest.approx(0.1)
    assert max(falling) == pytest.approx(1.0, abs=0.05)
    assert falling[100] == pytest.approx(0.0)
    assert rate_factor(99, 100, 0.1, decay=False) == 1.0


def test_the_horizon_doubles_when_errors_stop_falling() -> None:
    curriculum = HorizonCurriculum(longest=4, grows=True, patience=2)
    assert curriculum.horizon == 1
    told = [curriculum.told(e) for e in (1.0, 0.5, 0.49, 0.48)]
    assert told == [False, False, False, True]
    assert curriculum.horizon == 2
    assert not curriculum.told(3.0), "a longer horizon begins with a best of its own"
    restored = HorizonCurriculum(**curriculum.state())
    assert restored == curriculum
    assert HorizonCurriculum(longest=4, grows=False).horizon == 4


def test_a_run_with_a_curriculum_reaches_the_longest_horizon(tiny: Any, run_folder: Path) -> None:
    task = tiny(steps=30, evaluate_every=1, curriculum=True, longest_horizon=4, rate=1e-6,
                rest_rate=1e-6)  # fmt: skip
    trainer = Trainer(task, CELLS[:1], run_folder, CPU, resume=False)
    seen: list[float] = []
    trainer.fit(lambda step, planned, figures: seen.append(figures["horizon"]))
    assert list(dict.fromkeys(seen)) == [1.0, 2.0, 4.0]


def test_batches_depend_on_step_and_seed_alone(tiny: Any) -> None:
    first, second = tiny(), tiny()
    second.batch(3, 1, 1)
    assert torch.equal(first.batch(40, 0, 2)["states"], second.batch(40, 0, 2)["states"])
    assert not torch.equal(first.batch(0, 0, 1)["states"], first.batch(0, 1, 1)["states"])
    assert not torch.equal(first.batch(0, 0, 1)["states"], first.batch(1, 0, 1)["states"])
