"""A read that is not proven complete writes its rows and concludes nothing from other ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest

from app.sources import manage
from app.sources import store as source_store
from app.sources.model import Source
from app.sync.after import held, rejects
from app.sync.report import RunState
from connectors.sdk.rows import (
    Batch,
    End,
    FieldError,
    KeyRange,
    Proof,
    Row,
    RowBatch,
    RowProblem,
    Stage,
)
from tests.integration.bench import Bench, figures

ROWS: list[dict[str, Any]] = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(12)]
DOUBT = "12 rows, and nothing says whether there are more. Set pagination to none if not"


def rows(found: Sequence[dict[str, Any]], **batch: Any) -> RowBatch:
    return RowBatch(rows=[Row(row, f"row {row.get('code')}") for row in found], **batch)


def full(found: Sequence[dict[str, Any]], **batch: Any) -> RowBatch:
    return rows(found, end=End.FULL, because=Proof.TOTAL, **batch)


def source_of(bench: Bench) -> Source:
    with bench.app.engine.connect() as connection:
        return source_store.get(connection, "places")


@pytest.mark.promise("the first page is reported as a complete read")
@pytest.mark.promise("a read is complete on evidence only")
def test_an_unproven_read_writes_and_deletes_nothing(bench: Bench) -> None:
    bench.define(on_missing="delete")
    first = bench.play(full(ROWS, cursor={"at": 1}))
    assert (first.complete, first.complete_because) == (True, Proof.TOTAL)
    before = source_of(bench)
    newer = {"code": "new", "name": "New"}
    run = bench.play(rows([*ROWS[:3], newer], end=End.UNPROVEN, doubt=DOUBT), full=True)
    assert figures(run) == {"read": 4, "created": 1, "unchanged": 3}
    assert (run.state, run.complete, run.complete_because) == (RunState.DONE, False, None)
    assert DOUBT in run.warnings
    assert len(bench.objects()) == 13
    after = source_of(bench)
    assert (after.last_full, after.cursor) == (before.last_full, {"at": 1})


def test_the_cursor_of_an_unproven_read_is_the_one_that_the_connector_hands_out(
    bench: Bench,
) -> None:
    bench.define()
    bench.play(rows(ROWS[:3], cursor={"at": 3}), rows(ROWS[3:6], end=End.UNPROVEN, doubt=DOUBT))
    assert source_of(bench).cursor == {"at": 3}
    bench.play(rows(ROWS[6:], end=End.UNPROVEN, doubt=DOUBT, cursor={"at": 12}))
    assert source_of(bench).cursor == {"at": 12}


def test_rows_that_did_not_come_in_an_unproven_read_stay_in_quarantine(bench: Bench) -> None:
    bench.define()
    bench.play(full([{"name": "who am I"}, *ROWS]))
    run = bench.play(rows(ROWS, end=End.UNPROVEN, doubt=DOUBT), full=True)
    assert (run.state, run.rejected_before) == (RunState.PARTIAL, 1)
    run = bench.play(full(ROWS), full=True)
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


@pytest.mark.promise("the first page is reported as a complete read")
@pytest.mark.promise("a read is complete on evidence only")
@pytest.mark.parametrize("last", [RowBatch(), RowBatch(end=End.FULL)], ids=["no end", "no proof"])
def test_an_end_without_evidence_proves_nothing(bench: Bench, last: Batch) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS))
    run = bench.play(rows(ROWS[:11]), last, full=True)
    assert (run.complete, run.complete_because, run.counters.deleted) == (False, None, 0)
    assert any("nothing was deleted" in warning for warning in run.warnings)


@pytest.mark.promise("a failed or empty read empties the target")
@pytest.mark.promise("deletion of all objects of a source always needs approval")
@pytest.mark.parametrize("number", [1, 5, 12])
def test_that_all_objects_are_gone_is_always_held(bench: Bench, number: int) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS[:number]))
    run = bench.play(full([]), full=True)
    assert (run.state, figures(run)) == (RunState.HELD, {"held": number})
    assert len(bench.objects()) == number


def test_all_objects_of_a_covered_range_gone_are_held(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS[:4]))
    everything = [KeyRange("code", None, None, numeric=False)]
    run = bench.play(RowBatch(end=End.INCREMENTAL, because=Proof.END_OF_DATA, covered=everything))
    assert (run.state, figures(run)) == (RunState.HELD, {"held": 4})
    some = [KeyRange("code", "002", None, numeric=False)]
    run = bench.play(
        RowBatch(end=End.INCREMENTAL, because=Proof.END_OF_DATA, covered=some, skipped=2)
    )
    assert figures(run) == {"read": 2, "unchanged": 2, "deleted": 2}


def tombstones(found: Sequence[dict[str, Any]], *others: dict[str, Any]) -> RowBatch:
    made = [Row(row, "", deleted=True) for row in found] + [Row(row, "") for row in others]
    return RowBatch(rows=made, end=End.INCREMENTAL, because=Proof.END_OF_DATA)


@pytest.mark.promise("a source marks all its records as deleted")
@pytest.mark.promise("deletion of all objects of a source always needs approval")
def test_a_source_that_calls_all_its_records_deleted_waits_for_a_person(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS[:5], cursor={"at": 1}))
    run = bench.play(tombstones(ROWS[:5]))
    assert (run.state, figures(run)) == (RunState.HELD, {"held": 5})
    assert "All 5 objects" in (run.message or "")
    assert len(bench.objects()) == 5
    assert bench.play(RowBatch(end=End.UNCHANGED, because=Proof.NOT_MODIFIED)).state.exit_code == 5
    assert held.approve(bench.app, "places", ceiling=5, actor="test").counters.deleted == 5
    assert bench.objects() == {}


def test_single_records_that_a_source_calls_deleted_go_at_once(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS, cursor={"at": 1}))
    assert figures(bench.play(tombstones(ROWS[:11]))) == {"deleted": 11}
    new = {"code": "new", "name": "New"}
    run = bench.play(tombstones(ROWS[11:], new))
    assert figures(run) == {"read": 1, "created": 1, "deleted": 1}


@pytest.mark.promise("a rejected row with an unknown key prevents deletions")
def test_a_rejected_row_of_unknown_key_deletes_nothing(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS))
    unclear = RowProblem("line 3", Stage.READ, (FieldError("", "a quote is misplaced"),), '7,"x')
    run = bench.play(full(ROWS[:11], problems=[unclear]), full=True)
    assert figures(run) == {"read": 12, "unchanged": 11, "errors": 1}
    assert any("1 rejected row has no readable key" in warning for warning in run.warnings)
    assert len(bench.objects()) == 12


def test_what_waits_for_approval_goes_on_waiting_meanwhile(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS))
    assert bench.play(full([]), full=True).state is RunState.HELD
    bench.play(full([{"name": "who am I"}]), full=True)
    assert len(held.held(bench.app, "places")) == 12


@pytest.mark.promise("a row that cannot be read is treated as deleted")
def test_the_key_of_a_rejected_row_is_taken_where_it_is_certain(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS))
    cell = RowProblem(
        "sheet A, row 2",
        Stage.READ,
        (FieldError("name", "The cell contains the error #N/A", "#N/A"),),
        {"code": "000", "name": "#N/A"},
    )
    run = bench.play(full(ROWS[1:11], problems=[cell]), full=True)
    assert figures(run) == {"read": 11, "unchanged": 10, "errors": 1, "deleted": 1}
    assert bench.objects().keys() == {row["code"] for row in ROWS[:11]}
    assert [row["key"] for row in rejects.rows(bench.app, "places")] == ["000"]
    run = bench.play(rows(ROWS[:1], end=End.INCREMENTAL, because=Proof.END_OF_DATA))
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


def test_a_broken_cell_of_the_key_itself_is_not_a_key(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.play(full(ROWS))
    cell = RowProblem(
        "row 2", Stage.READ, (FieldError("code", "holds #N/A"),), {"code": "#N/A", "name": "x"}
    )
    run = bench.play(full(ROWS[1:], problems=[cell]), full=True)
    assert figures(run, "deleted", "held") == {"deleted": 0, "held": 0}


def table(bench: Bench, form: str, found: Sequence[dict[str, Any]], broken: bool) -> dict[str, Any]:
    """Write rows as a real file, one of them broken; the connection that reads it."""
    path = bench.path.with_suffix(f".{form}")
    match form:
        case "csv":
            lines = [f"{row['code']},{row['name']}" for row in found]
            lines += ['"x"y,Place 11'] if broken else []
            path.write_text("\n".join(["code,name", *lines, ""]))
        case "xlsx":
            book = openpyxl.Workbook()
            assert book.active is not None
            book.active.append(["code", "name"])
            for row in found:
                book.active.append([row["code"], row["name"]])
            if broken:
                book.active.append(["#N/A", "Place 11"])
                book.active.cell(book.active.max_row, 1).data_type = "e"
            book.save(path)
            return {"type": "excel", "connection": {"path": str(path)}}
        case _:
            items: list[Any] = [*found, *([["no", "object"]] if broken else [])]
            path.write_text(json.dumps(items))
    return {"type": "files", "connection": {"path": str(path), "format": form}}


@pytest.mark.promise("a row that cannot be read is treated as deleted")
@pytest.mark.parametrize("form", ["csv", "xlsx", "json"])
def test_a_row_that_cannot_be_read_never_costs_an_object(bench: Bench, form: str) -> None:
    document = {
        "name": "places",
        "target": {"register": "geo", "schema": "place"},
        "mapping": {"key": "code", "passthrough": True},
        "on_missing": "delete",
    }
    manage.save(bench.app, {**document, **table(bench, form, ROWS, False)}, test=False)
    assert bench.sync().counters.created == 12
    manage.save(bench.app, {**document, **table(bench, form, ROWS[:11], True)}, test=False)
    run = bench.sync()
    assert figures(run) == {"read": 12, "unchanged": 11, "errors": 1}
    assert any("no readable key" in warning for warning in run.warnings)
    assert len(bench.objects()) == 12
    manage.save(bench.app, {**document, **table(bench, form, ROWS[:11], False)}, test=False)
    assert figures(bench.sync()) == {"read": 11, "unchanged": 11, "deleted": 1}
