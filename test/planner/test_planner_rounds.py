"""Rounds of candidates: as one graph where there is a GPU, with NumPy elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pushing import block, goal, scene

from perception_nodes.errors import ModelError
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.planner import network_round
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.network_round import NetworkRound, Round, on_gpu
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import Plan

FOREVER = 1e6
QUICK = Budget(samples=32, rounds=2, slice=32)


def made_by(network: NetworkRound | None) -> Plan:
    solver = SamplingSolver(Table(0.0), QUICK, network=network)
    return solver.plan(
        scene(block("a", 0.0, 0.0), block("b", 0.3, 0.2)), goal("a", 0.1, 0.05), FOREVER
    )


class Counting(NetworkRound):
    """Counts rounds; says that costs are no numbers if it is `broken`."""

    rounds = 0
    broken = False

    def draw(self, *given: Any) -> Round:
        self.rounds += 1
        found = super().draw(*given)
        return found._replace(costs=found.costs * np.nan) if self.broken else found


@pytest.fixture(scope="module")
def graph() -> Counting:
    return Counting(load_network(weights_folder() / "planner.yaml", "cpu", threads=1))


def test_the_graph_makes_the_plan_that_numpy_makes(graph: Counting) -> None:
    exact, found = made_by(None), made_by(graph)
    assert graph.rounds > QUICK.rounds  # those of the search, and proposals
    assert found.iterations == exact.iterations == QUICK.rounds
    assert found.velocity == pytest.approx(exact.velocity, abs=1e-3)
    assert found.cost == pytest.approx(exact.cost, rel=1e-3)


def test_a_graph_that_gives_no_numbers_leads_to_hold(graph: Counting) -> None:
    broken = Counting(graph._network)
    broken.broken = True
    assert made_by(broken).reason == "no candidate had a finite cost"


def test_without_a_gpu_numpy_computes_and_the_reason_is_told() -> None:
    assert on_gpu(weights_folder(), "cpu") == (None, "NumPy, as the parameter device asks")
    network, reason = on_gpu(weights_folder(), "auto")
    if network is None:
        assert reason.startswith("NumPy: ")
        assert len(reason) > len("NumPy: ")


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_graph_is_used_only_where_it_runs_on_the_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    loaded: list[tuple[Path, str]] = []

    def load(path: Path, asked: str) -> Any:
        loaded.append((path, asked))
        return SimpleNamespace(device=device, fallbacks={"cuda": "out of memory"})

    monkeypatch.setattr(network_round, "why_not", lambda *_: "")
    monkeypatch.setattr(network_round, "load_network", load)
    network, told = on_gpu(Path("models"), "auto")
    assert loaded == [(Path("models/planner.yaml"), "auto")]
    if device == "cuda":
        assert isinstance(network, NetworkRound)
        assert told == "planner.onnx on cuda"
    else:
        assert network is None
        assert told == "NumPy: out of memory"


def test_without_onnx_runtime_there_are_plans_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Any:
        raise ModelError("networks need ONNX Runtime, which is not installed")

    monkeypatch.setattr(network_round, "onnxruntime", absent)
    network, told = on_gpu(weights_folder(), "auto")
    assert network is None
    assert told == "NumPy: networks need ONNX Runtime, which is not installed"
