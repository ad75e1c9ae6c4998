"""The results as documents: nothing that was found is left out, and nothing is made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.peers import elsewhere, headlines, report, results, tables
from bench.peers.results import Result
from bench.peers.standing import CANDLES, HISTORY_PANDAS, PUT
from tests.unit.bench.made_up_runs import run, runs


@pytest.fixture(scope="module")
def document() -> str:
    return report.document(runs(), {("W1", HISTORY_PANDAS): Path("plots/w1.svg")})


def row(text: str, *starts: str) -> list[str]:
    """The cells of the first table row that begins with these."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if cells[: len(starts)] == list(starts):
            return cells
    raise AssertionError(f"There is no row of {starts} in\n{text}")


def question(name: str) -> str:
    workload = "W3" if name == PUT else "W1"
    return tables.of_question(tables.questions(runs()[workload].results)[name])


def test_results_are_the_same_after_they_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(path, runs().values())
    assert results.load(path) == runs()


def test_a_workload_that_is_measured_again_replaces_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(path, runs().values())
    again = run("W1", Result("W1", HISTORY_PANDAS, "flightstore", [0.5]))
    results.save(path, [again])
    assert results.load(path) == runs() | {"W1": again}


def test_the_fastest_stands_on_top() -> None:
    lines = question(HISTORY_PANDAS).splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == [
        "flightstore",
        "PostgreSQL (ADBC)",
        "InfluxDB",
    ]


def test_everyone_is_compared_with_flightstore() -> None:
    assert row(question(HISTORY_PANDAS), "PostgreSQL (ADBC)")[2] == "21.7x"


def test_what_is_wrong_with_an_answer_is_beside_its_time() -> None:
    assert row(question(HISTORY_PANDAS), "InfluxDB")[-1] == "12 lost"


def test_a_failure_is_shown_in_one_cell_and_in_its_own_words() -> None:
    assert "failed: OutOfMemory: no \\| memory at all" in question(PUT)


def test_a_column_that_nobody_fills_is_not_there() -> None:
    assert "p99" not in question(HISTORY_PANDAS)


def test_a_99th_percentile_needs_a_hundred_calls() -> None:
    many = [Result("W5", "a question", "flightstore", [0.001] * 100)]
    assert "p99" in tables.of_question(many)


def test_numbers_that_are_no_times_have_columns_of_their_own(document: str) -> None:
    assert "bars, MB" in document
    assert "61.2" in document


def test_a_goal_that_is_missed_is_shown_as_missed(document: str) -> None:
    found = row(document, "W9", "1.27 M bars of one of the series, flightstore (100x the series)")
    assert found[2:] == ["flightstore (1x the series)", "at most 1.2x", "1.5x", "", "**no**"]


def test_a_goal_that_is_reached_is_shown_with_its_spread(document: str) -> None:
    found = row(document, "W1", HISTORY_PANDAS, "PostgreSQL (ADBC)")
    assert found[3:] == ["15x", "21.7x", "19.8 to 26.7", "yes"]


def test_a_goal_without_a_measurement_is_not_left_out(document: str) -> None:
    assert "not measured" in row(document, "W1", HISTORY_PANDAS, "chDB")


def test_a_workload_that_was_not_run_has_no_goals() -> None:
    assert CANDLES not in tables.of_standings(runs())


def test_who_took_part_is_named_with_its_version(document: str) -> None:
    assert row(document, "PostgreSQL 15.1") == ["PostgreSQL 15.1", "a sync"]


def test_who_is_missing_is_named_with_the_reason(document: str) -> None:
    assert "* chDB is missing: No module named 'chdb'" in document


def test_who_is_missing_did_not_take_part() -> None:
    assert "chDB" not in tables.of_participants(runs())


def test_who_has_no_answer_to_a_question_is_named(document: str) -> None:
    assert "Not offered: DuckDB." in document


def test_growth_is_a_question_to_flightstore_alone() -> None:
    assert not tables.not_offered(["PostgreSQL"], runs()["W9"].results)


def test_a_machine_is_described_once(document: str) -> None:
    assert document.count("2 x slow") == 1
    assert "* W3: `bench W3`, 2026-01-01 00:00 UTC, load before the run 0.00" in document


def test_a_plot_is_shown_with_its_question(document: str) -> None:
    assert f"![{HISTORY_PANDAS}](plots/w1.svg)" in document


def test_all_verdicts_of_a_contestant_stand_in_one_row() -> None:
    assert row(tables.of_answers(runs()), "InfluxDB") == ["InfluxDB", "12 lost", "1,234 lost"]


def test_what_was_measured_elsewhere_is_called_an_estimate(document: str) -> None:
    # 21.7 times PostgreSQL's speed, which MarketStore has 2.11 times.
    found = row(document, "W1", HISTORY_PANDAS, "0.28 s")
    assert found[5] == "about 10.3x"


def test_without_postgresql_there_is_nothing_to_estimate_from() -> None:
    assert row(elsewhere.table([]), "W1", HISTORY_PANDAS)[5] == "-"


def test_the_short_table_has_times_and_how_many_times_as_long_a_peer_takes() -> None:
    found = row(headlines.table(runs()), "the same to pandas")
    assert found == ["the same to pandas", "30 ms", "21.7x", "100x\\*"]


def test_the_short_table_has_rates_of_writes() -> None:
    found = row(headlines.table(runs()), "5 M trades, durable, in batches of 50,000")
    assert found[1:] == ["5 M rows/s", "-", "28x\\*"]


def test_the_short_table_goes_between_its_markers(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    for _ in range(2):
        headlines.update(path, runs())
    text = path.read_text()
    assert text.startswith("before\n<!-- bench:begin -->\n| work")
    assert text.endswith("\n<!-- bench:end -->\nafter\n")
    assert "old" not in text


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("no place\n<!-- bench:end -->\n")
    with pytest.raises(headlines.Unmarked, match=r"README\.md has no <!-- bench:begin -->"):
        headlines.update(path, runs())
    assert path.read_text() == "no place\n<!-- bench:end -->\n"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.00004567, "45.7 µs"),
        (0.00123, "1.23 ms"),
        (0.1, "100 ms"),
        (1.0, "1 s"),
        (4321, "4,321 s"),
    ],
)
def test_durations_have_three_digits(seconds: float, shown: str) -> None:
    assert tables.duration(seconds) == shown
