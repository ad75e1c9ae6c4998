"""What a benchmark's guard makes of recorded runs and of a new one; all figures are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bench.figures import Better, Figure
from bench.guard import check, judged, take_record
from bench.recorded import MARGIN_LEAST, Record, load, recorded, save

HERE = "* measured: now\n* processor: 2 x one\n* memory: 1 kB"
ELSEWHERE = "* measured: then\n* processor: 64 x another"
WHAT = "time, of the floor's"
Measured = Callable[[str], list[Figure]]


def finds(*values: float, watched: Better | None = "less", what: str = WHAT) -> Measured:
    """A measurement that finds these values, one run after another, and then the last for ever."""
    rest = list(values)

    def measure(_: str) -> list[Figure]:
        return [Figure(what, rest.pop(0) if len(rest) > 1 else rest[0], watched=watched)]

    return measure


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of one measurement: around 2.0, with a margin of 1.3."""
    path = tmp_path / "recorded.json"
    take_record(["reads"], finds(1.8, 2.0, 2.2), 3, HERE, path)
    return path


@pytest.mark.parametrize(
    ("better", "values"), [("less", [2.0, 1.8, 2.2]), ("more", [1 / 2.0, 1 / 1.8, 1 / 2.2])]
)
def test_a_margin_is_the_worst_run_and_half_of_the_range(
    better: Better, values: Sequence[float]
) -> None:
    found = recorded(better, values)
    assert found.margin == pytest.approx(1.1 + (1.1 - 0.9) / 2)
    assert found.times_as_bad(found.worst) == pytest.approx(1.1)


def test_runs_that_agree_leave_the_least_margin() -> None:
    assert recorded("less", [1.0, 1.0, 1.01]).margin == MARGIN_LEAST


def test_less_is_worse_where_more_is_better() -> None:
    found = recorded("more", [10.0, 10.0, 10.0])
    assert found.times_as_bad(5.0) == 2.0
    assert found.times_as_bad(20.0) == 0.5


def test_runs_that_are_all_over_the_place_are_no_measure() -> None:
    assert not recorded("less", [1.0, 2.0, 4.0]).steady


def test_a_record_is_what_was_saved(path: Path) -> None:
    record = load(path)
    again = path.with_name("again.json")
    save(again, record)
    assert load(again) == record
    assert record.figures["reads"][WHAT].median == 2.0


def test_nothing_is_recorded_before_the_first_record(tmp_path: Path) -> None:
    assert load(tmp_path / "recorded.json") == Record({}, {})


def test_recording_one_measurement_leaves_the_others(path: Path) -> None:
    before = load(path).figures["reads"]
    take_record(["puts"], finds(3.0), 3, ELSEWHERE, path)
    after = load(path)
    assert after.figures["reads"] == before
    assert after.figures["puts"][WHAT].runs == 3
    assert after.machines == {"reads": HERE.splitlines(), "puts": ELSEWHERE.splitlines()}


def test_all_is_measured_once_before_anything_is_measured_again(tmp_path: Path) -> None:
    asked = []

    def measure(name: str) -> list[Figure]:
        asked.append(name)
        return [Figure(WHAT, 1.0, watched="less")]

    take_record(["a", "b"], measure, 2, HERE, tmp_path / "recorded.json")
    assert asked == ["a", "b", "a", "b"]


def test_only_watched_figures_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    take_record(["reads"], finds(1.0, watched=None), 3, HERE, path)
    assert json.loads(path.read_text())["reads"]["figures"] == {}


def test_a_figure_within_its_margin_is_well(path: Path) -> None:
    assert check(["reads"], finds(2.3), HERE, path) == 0


def test_a_figure_that_got_better_is_well(path: Path) -> None:
    assert check(["reads"], finds(0.1), HERE, path) == 0


def test_a_figure_that_is_worse_twice_is_named(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(["reads"], finds(3.0), HERE, path) == 1
    assert f"reads: {WHAT}: 1.50 times as bad as the recorded median" in capsys.readouterr().out


def test_a_figure_that_is_worse_once_has_a_second_chance(path: Path) -> None:
    [verdict] = judged(["reads"], finds(3.0, 2.1), load(path))
    assert verdict.passed
    assert (verdict.first, verdict.value) == (3.0, 2.1)


def test_the_second_chance_comes_after_all_others(path: Path) -> None:
    asked = []

    def measure(name: str) -> list[Figure]:
        asked.append(name)
        return [Figure(WHAT, 9.0, watched="less")]

    take_record(["puts"], finds(2.0), 3, HERE, path)
    judged(["reads", "puts"], measure, load(path))
    assert asked == ["reads", "puts", "reads", "puts"]


def test_what_was_well_at_first_is_not_judged_by_the_second_try(path: Path) -> None:
    take_record(["reads"], _both(finds(2.0), finds(2.0, what="other")), 3, HERE, path)
    twice = _both(finds(2.0, 9.0), finds(9.0, 2.0, what="other"))
    assert all(verdict.passed for verdict in judged(["reads"], twice, load(path)))


def test_what_is_well_is_not_measured_twice(path: Path) -> None:
    assert check(["reads"], finds(2.0, 9.0), HERE, path) == 0


def test_nothing_is_measured_where_nothing_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(["reads"], _never, HERE, tmp_path / "recorded.json") == 1
    assert "--record" in capsys.readouterr().out


def test_a_figure_that_nobody_recorded_fails(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(["puts"], finds(1.0), HERE, path) == 1
    assert "--record" in capsys.readouterr().out


def test_a_figure_that_is_not_measured_any_more_fails(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(["reads"], finds(1.0, watched=None), HERE, path) == 1
    assert f"reads: {WHAT}: is recorded and was not measured" in capsys.readouterr().out


def test_a_figure_that_is_too_unsteady_is_shown_and_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recorded.json"
    take_record(["reads"], finds(1.0, 2.0, 4.0), 3, HERE, path)
    assert check(["reads"], finds(40.0), HERE, path) == 0
    assert "too unsteady to judge" in capsys.readouterr().out


@pytest.mark.parametrize(("machine", "said"), [(HERE, False), (ELSEWHERE, True)])
def test_a_record_of_another_processor_is_said_to_be(
    machine: str, said: bool, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(["reads"], finds(2.0), machine, path)
    assert ("another machine" in capsys.readouterr().out) is said


def _both(one: Measured, other: Measured) -> Measured:
    return lambda name: [*one(name), *other(name)]


def _never(name: str) -> list[Figure]:
    raise AssertionError(f"{name} was measured")
