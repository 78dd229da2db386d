"""The measuring itself: medians, tables, plot and page; and that idle programs do not win."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import floor, other_sources, page, plot, readers, report
from benchmarks.cron import Pass
from benchmarks.cron import table as cron_table
from benchmarks.databases import Databases
from benchmarks.growth import Line
from benchmarks.growth import table as growth_table
from benchmarks.measure import Cost, FailedError, measured
from benchmarks.peers import Peer
from benchmarks.register import counted
from benchmarks.results import Results, Sample, Span, span
from benchmarks.scenarios import CHANGED, DELETED, INITIAL, OURS, UNCHANGED, Contest
from tests.conftest import DatabaseServer
from tests.places import DOCS

PERFORMANCE = (DOCS / "performance.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def cost(wall: float) -> Cost:
    return Cost(wall, 0.5, 0.25, 100_000_000, 2_500_000)


@pytest.fixture
def results() -> Results:
    found = Results()
    for wall in (1.0, 4.0, 2.0):
        found.add("load", OURS, Sample(1000, cost(wall)))
    found.add("load", "floor <bare>", Sample(1000, cost(0.5)))
    found.add("again", OURS, Sample(1000, cost(0.1)))
    return found


def test_median_with_least_and_greatest() -> None:
    assert span([3.0, 1.0, 10.0]) == Span(3.0, 1.0, 10.0)
    assert span([1.0, 2.0]) == Span(1.5, 1.0, 2.0)


def test_no_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        span([])


def test_table_lists_the_quickest_first_with_its_range(results: Results) -> None:
    assert report.table(results).splitlines() == [
        "| scenario | program | rows/s | client CPU s | server CPU s | peak memory MB | WAL MB |",
        "|---|---|--:|--:|--:|--:|--:|",
        "| load | floor <bare> | 2,000 | 0.5 | 0.2 | 100 | 2.5 |",
        "| load | Open Register | 500 (250–1,000) | 0.5 | 0.2 | 100 | 2.5 |",
        "| again | Open Register | 10,000 | 0.5 | 0.2 | 100 | 2.5 |",
    ]


def test_table_names_what_failed(results: Results) -> None:
    results.fail("load", "dlt", "it\nbroke")
    assert report.table(results).endswith("Not measured:\n\n- dlt, load: it broke")


def test_ratios_of_medians_skip_what_was_not_measured(results: Results) -> None:
    wanted = [
        ("load", OURS, "load", "floor <bare>", 0.25),
        ("again", OURS, "load", OURS, None),
        ("load", OURS, "load", "dlt", 2.0),
    ]
    assert report.ratios(results, wanted).splitlines()[2:] == [
        "| load | Open Register : floor <bare> | 0.25 × | at least 0.25 |",
        "| again | Open Register : Open Register, load | 20.00 × |  |",
    ]


def test_ratio_below_its_target_is_marked_as_missed(results: Results) -> None:
    wanted = [("load", OURS, "load", "floor <bare>", 1.0)]
    assert report.ratios(results, wanted).endswith("| 0.25 × | at least 1: **missed** |")


def test_only_the_connector_alone_has_a_target_among_other_sources() -> None:
    with_target = {name for _, name, _, _, target in other_sources.wanted() if target is not None}
    assert with_target == {other_sources.CONNECTOR}


def test_published_ratios_are_judged_by_their_targets() -> None:
    published = re.findall(r"\| ([\d.]+) × \| at least ([\d.]+)(.*) \|$", PERFORMANCE, re.MULTILINE)
    assert len(published) > 8
    for ratio, target, verdict in published:
        shown = f"at least {target}{verdict}"
        assert report.judged(float(ratio), float(target)) == shown


def test_plot_has_a_bar_in_proportion_for_each_program(results: Results) -> None:
    drawing = ElementTree.fromstring(plot.svg(results, "Rows & more"))  # noqa: S314 - our own
    bars = {
        bar.get("class"): float(bar.get("width", "0"))
        for bar in drawing.iter(f"{SVG}rect")
        if bar.get("class") != "ground"
    }
    texts = [text.text for text in drawing.iter(f"{SVG}text")]
    widths = [float(bar.get("width", "0")) for bar in drawing.iter(f"{SVG}rect")][1:]
    assert set(bars) == {"ours", "floor"}
    assert widths[0] == pytest.approx(4 * widths[1], rel=0.01)  # 2,000 and 500
    assert widths[2] == pytest.approx(5 * widths[0], rel=0.01)  # 10,000
    assert {"Rows & more", "floor <bare>", "500 rows/s"} <= set(texts)


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        plot.svg(Results(), "nothing")


def test_figures_replace_those_of_their_topic_only(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    text = "# A\n<!-- figures of {} -->\n\n{}\n\n<!-- end of figures -->\nafter\n"
    path.write_text(text.format("one", "old") + text.format("two", "kept"))
    page.write("one", "new\n", path)
    assert path.read_text() == text.format("one", "new") + text.format("two", "kept")
    with pytest.raises(ValueError, match="no place for the figures of three"):
        page.write("three", "new", path)


@pytest.mark.parametrize("topic", ["tables", "other sources", "growth", "cron"])
def test_the_manual_has_a_place_for_every_topic(topic: str, tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(page.PAGE.read_text())
    page.write(topic, "fresh figures", path)
    assert "fresh figures" in path.read_text()


def test_growth_counts_the_run_alone() -> None:
    line = growth_table([Line(0, 10_000, "initial load", 0.5, 80_000_000)]).splitlines()[-1]
    assert line == "| 0 | initial load | 10,000 | 20,000 | 50.0 | 80 |"


def test_passes_of_cron() -> None:
    line = cron_table([Pass(10_000, 100, 4, cost(2.0))]).splitlines()[-1]
    assert line == "| 10,000 | 100 | 4 | 2.0 | 50 | 0.5 | 0.2 | 100 |"


def test_report_with_other_counters_is_refused() -> None:
    said = json.dumps({"read": 10, "unchanged": 9})
    assert counted(said, read=10)["unchanged"] == 9
    with pytest.raises(FailedError, match="unchanged should be 10"):
        counted(said, read=10, unchanged=10)


@pytest.mark.parametrize("kind", ["rest", "csv", "excel"])
def test_library_and_connector_read_the_same_rows(kind: str, tmp_path: Path) -> None:
    with other_sources.made(kind, 1_001, tmp_path) as (place, type_name, connection):
        assert readers.READERS[kind](place) == 1_001
        assert readers.connector(type_name, json.dumps(connection)) == 1_001


def test_cost_of_a_program(empty_database_url: str) -> None:
    found, said = measured(
        [sys.executable, "-c", "x = b'.' * 90_000_000; print(len(x))"], empty_database_url, [], {}
    )
    assert said == "90000000\n"
    assert found.peak_memory > 90_000_000
    assert 0 < found.client_cpu <= found.wall * (os.cpu_count() or 1)


def test_program_that_fails_says_why(empty_database_url: str) -> None:
    with pytest.raises(FailedError, match="no such luck"):
        measured([sys.executable, "-c", "exit('no such luck')"], empty_database_url, [], {})


class Idle(Peer):
    """A program that ends well and did nothing."""

    def command(self, source: str, target: str, folder: Path) -> list[str]:
        return [sys.executable, "-c", "pass"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_smallest_round(installed_server: DatabaseServer, tmp_path: Path) -> None:
    databases = Databases(installed_server.url("postgres"), f"_test_{os.getpid()}")
    results = Results()
    try:
        Contest(databases, 300, [Idle("idle", ())], tmp_path).run(results)
    finally:
        databases.drop()
    assert [name for _, name in results.samples].count("idle") == 0
    assert sum(failure.startswith("idle") for failure in results.failures) == 4
    assert {
        *((scenario, OURS) for scenario in (INITIAL, UNCHANGED, CHANGED, DELETED)),
        (INITIAL, floor.WITHOUT),
        (INITIAL, floor.WITH),
        (UNCHANGED, floor.READ),
    } <= results.samples.keys()
