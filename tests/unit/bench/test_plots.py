"""Plots are the same whenever the results are, so that a difference in them means something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bench.peers import plots, report
from bench.peers.standing import HISTORY_PANDAS, PUT
from tests.unit.bench.made_up_runs import runs


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    return plots.draw(runs(), tmp_path_factory.mktemp("plots"))


def test_headlines_and_growth_are_drawn(drawn: dict[tuple[str, str], Path]) -> None:
    assert {key: path.name for key, path in drawn.items()} == {
        ("W1", HISTORY_PANDAS): "w1_whole_history_to_pandas.svg",
        ("W3", PUT): "w3_5_m_trades_put.svg",
        ("W9", ""): "w9_growth.svg",
    }


def test_a_second_drawing_is_the_same(drawn: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    again = plots.draw(runs(), tmp_path)
    assert {key: path.read_bytes() for key, path in again.items()} == {
        key: path.read_bytes() for key, path in drawn.items()
    }


def test_a_plot_names_everyone_with_its_time(drawn: dict[tuple[str, str], Path]) -> None:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn["W1", HISTORY_PANDAS].read_text())
    assert {"flightstore", "PostgreSQL (ADBC)", "30 ms", "3 s (not right)"} <= set(texts)


def test_plots_of_what_is_no_longer_measured_go(tmp_path: Path) -> None:
    (tmp_path / "w1_old.svg").touch()
    plots.draw({}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_document_shows_plots_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "README.md").write_text("<!-- bench:begin -->\n<!-- bench:end -->\n")
    assert report.write(runs(), tmp_path) == []
    text = (tmp_path / "bench" / "RESULTS.md").read_text()
    shown = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(shown) == 3
    assert all((tmp_path / "bench" / path).exists() for path in shown)


def test_a_readme_without_a_place_is_told_of_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "README.md").write_text("nothing\n")
    (problem,) = report.write(runs(), tmp_path)
    assert "README.md has no" in problem
    assert (tmp_path / "bench" / "RESULTS.md").exists()
