"""The nearest vectors: exact while they are few, nearly so beyond, the same for the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.arrays import Floats
from perception_nodes.memory.nearest import Nearest


def looks(count: int, seed: int, things: int = 40) -> Floats:
    """Unit vectors that look like one of some things each."""
    kinds = np.random.default_rng(1).standard_normal((things, 32))
    dice = np.random.default_rng(seed)
    rows = kinds[dice.integers(things, size=count)] + 0.5 * dice.standard_normal((count, 32))
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def truly(rows: Floats, vector: Floats, k: int) -> list[int]:
    return [int(i) for i in np.argsort(-(rows @ vector), kind="stable")[:k]]


def recall(index: Nearest, rows: Floats, questions: Floats) -> float:
    found = [{i for i, _ in index.search(q, 10)} & set(truly(rows, q, 10)) for q in questions]
    return sum(map(len, found)) / (10 * len(questions))


def test_few_vectors_are_compared_one_by_one() -> None:
    rows, index = looks(200, 2), Nearest(32, exact=200)
    for part in np.array_split(rows, 7):
        index.add(part)
    for question in looks(20, 3):
        found = index.search(question, 5)
        assert [i for i, _ in found] == truly(rows, question, 5)
        assert [c for _, c in found] == pytest.approx(sorted(rows @ question)[:-6:-1])
    assert index.search(rows[0], 1000)[0][0] == 0
    assert len(index.search(rows[0], 1000)) == len(index) == 200
    assert Nearest(32).search(rows[0], 5) == []


def test_many_vectors_are_found_by_their_cells_whenever_they_came() -> None:
    """Also those that came one by one, before and after centers were learned anew."""
    rows, questions = looks(6000, 2), looks(60, 3)
    index = Nearest(32, exact=1000)
    index.add(rows[:3000])
    assert recall(index, rows[:3000], questions) > 0.9
    for row in range(3000, 3200):
        index.add(rows[row : row + 1])
        assert index.search(rows[row], 1)[0][0] == row
    index.add(rows[3200:])
    assert len(index) == 6000
    assert recall(index, rows, questions) > 0.9
    for row in range(0, 6000, 100):
        number, cosine = index.search(rows[row], 1)[0]
        assert (number, cosine) == (row, pytest.approx(1.0))


def test_a_search_by_cells_compares_a_small_part(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Nearest(32, exact=1000)
    index.add(looks(6000, 2))
    (question,) = looks(1, 3)
    compared = len(index.search(question, 6000))
    assert 100 < compared < 1500
    monkeypatch.setattr("perception_nodes.memory.nearest._PROBED", 1.0)
    assert len(index.search(question, 6000)) == 6000


def test_the_same_vectors_give_the_same_answers() -> None:
    rows, questions = looks(3000, 2), looks(10, 3)
    answers = []
    for _ in range(2):
        index = Nearest(32, exact=1000)
        index.add(rows)
        answers.append([index.search(question, 10) for question in questions])
    assert answers[0] == answers[1]
