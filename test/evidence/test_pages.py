"""Tables, plots and pages are exactly what the committed results say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from evidence import pages
from evidence.statistics import Interval
from evidence.tables import bars, table


def test_a_table_rounds_and_aligns_numbers_and_escapes_bars() -> None:
    text = table(["name", "error"], [["a|b", 0.123456], ["c", 2.0]])
    assert text == "| name | error |\n| --- | ---: |\n| a\\|b | 0.123 |\n| c | 2 |\n"


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        table(["a", "b"], [[1]])


def test_a_plot_is_a_well_formed_drawing_with_longer_bars_for_more() -> None:
    text = bars([("a <b>", Interval(1.0, 0.9, 1.1)), ("c", Interval(2.0, 1.5, 2.5))], mark=1.0)
    root = ElementTree.fromstring(text)
    widths = [
        float(item.attrib["width"])
        for item in root.iter("{http://www.w3.org/2000/svg}rect")
        if "%" not in item.attrib["width"]
    ]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)


@pytest.mark.parametrize("name", pages.names())
def test_committed_pages_are_those_of_the_committed_results(name: str) -> None:
    """Fails when a result was measured again and `make evidence` was not run."""
    for file, text in pages.files(name).items():
        assert (pages.DOCS / file).read_text() == text, f"run `make evidence`: {file} is stale"
