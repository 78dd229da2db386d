"""What a connector does with its source once the rows are safe."""

from __future__ import annotations

from pathlib import Path

from app.sources import manage
from app.sync import dry_run
from app.sync.run import Request
from tests.integration.bench import Bench

ROWS = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(5)]


def _define(bench: Bench, **connection: str) -> None:
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(bench.path), "format": "ndjson", **connection},
            "target": {"register": "geo", "schema": "place"},
            "mapping": {"key": "code", "passthrough": True},
        },
        test=False,
    )


def test_a_file_is_moved_away_only_after_its_rows_are_committed(
    bench: Bench, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    done.mkdir()
    _define(bench, after="move", move_to=str(done), missing="nothing_new")
    bench.write(ROWS)
    dry_run.dry_run(bench.app, "places", Request())
    assert bench.path.exists()
    bench.sync(limit=2)
    assert bench.path.exists()
    assert bench.sync().warnings == []
    assert not bench.path.exists()
    assert [path.name for path in done.iterdir()] == ["places.ndjson"]
    assert len(bench.objects()) == 5


def test_a_file_that_cannot_be_moved_is_said_and_loses_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    _define(bench, after="move", move_to=str(tmp_path / "nowhere" / "else"), missing="nothing_new")
    (tmp_path / "nowhere").write_text("a file, not a folder")
    bench.write(ROWS)
    run = bench.sync()
    assert len(bench.objects()) == 5
    assert any("could not be cleaned up" in warning for warning in run.warnings)
