from __future__ import annotations

import numpy as np
import pytest
from tabletop import PERIOD, Box, observe

from perception_nodes.errors import ConfigurationError
from perception_nodes.gate.governor import Governor
from perception_nodes.gate.promise import AUDITED, Promise, corrected
from perception_nodes.gate.source import GatedSource, gated
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import Frame, Slots

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))


def test_the_share_of_broken_skips_becomes_the_stated_one_even_where_errors_drift() -> None:
    rng, promise, kept = np.random.default_rng(5), Promise(0.02), []
    for k in range(20_000):
        scale = 0.4 if k % 4000 < 2000 else 1.2  # what a skip of one threshold costs changes
        error = scale * promise.threshold * rng.exponential()
        if promise.audited():
            promise.learn(error)
        else:
            kept.append(error <= promise.tolerance)
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert promise.audits / promise.skips == pytest.approx(AUDITED, abs=0.005)


def test_a_threshold_stays_within_what_makes_sense() -> None:
    promise = Promise(0.02)
    for _ in range(200):
        promise.learn(1.0)
    assert promise.threshold == pytest.approx(0.001)
    for _ in range(2000):
        promise.learn(0.0)
    assert promise.threshold == pytest.approx(0.08)


@pytest.mark.parametrize(("tolerance", "risk"), [(0.0, 0.1), (0.5, 0.1), (0.02, 1.0)])
def test_what_can_not_be_promised_is_refused(tolerance: float, risk: float) -> None:
    with pytest.raises(ConfigurationError, match="can't be promised"):
        Promise(tolerance, risk)


class Finder:
    """Finds a mug that moves a little each frame: never enough for the gate's threshold."""

    model_id = "test"

    def find(self, frame: Frame) -> Slots:
        assert frame.pose is not None
        mug = MUG.at(0.0, 0.004 * (frame.stamp // PERIOD))
        return observe((mug,), frame.stamp, frame.pose)[1]

    def reset(self) -> None:
        """Nothing to forget."""


def test_the_pipeline_tells_the_gate_what_audits_found_and_it_looks_again_sooner() -> None:
    gate = GatedSource(Finder(), longest_rest=60.0, promise=Promise(0.003, threshold=0.08))
    pipeline = Pipeline(gate, ObjectTracker())
    for k in range(8 + 30):
        pipeline.process(observe((MUG,), (k + 1) * PERIOD)[0])  # the gate sees a still mug
    assert gate.promise is not None
    assert gate.promise.audits >= 2
    assert gate.promise.broken == gate.promise.audits
    assert gate.promise.threshold < 0.06
    assert gate.facts()["promise"].startswith(f"{gate.promise.broken} of {gate.promise.audits}")


def test_only_visible_objects_that_were_known_before_are_corrected() -> None:
    tracker, finder = ObjectTracker(), Finder()
    for k in range(8):
        frame = observe((MUG,), (k + 1) * PERIOD)[0]
        before = tracker.states()
        after, _ = tracker.update(frame, finder.find(frame))
    assert 0.0 < corrected(before, after) < 0.02
    assert corrected((), after) == 0.0


def test_a_budget_and_a_promise_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="can't both be kept"):
        gated(Finder(), Governor(0.5), 0.02)
