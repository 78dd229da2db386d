"""Local files: which are read, when, and what is remembered of them."""

from __future__ import annotations

import gzip
import io
import os
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.files import FilesConfig, FilesConnector
from connectors.sdk import (
    ConfigurationError,
    Context,
    DataError,
    End,
    LimitError,
    Limits,
    MissingError,
    Policy,
    RetriableError,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of

CSV = "id,name\n1,Ann\n2,Bob\n3,Cid\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "a.csv", CSV)
    return tmp_path


def write(file: Path, content: str | bytes, age: float = 100) -> Path:
    """Write a file as if that had been `age` seconds ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (time.time() - age, time.time() - age))
    return file


def files(path: Path | str, context: Context | None = None, **more: Any) -> FilesConnector:
    config = parse(FilesConfig, {"path": str(path), "settle": 0.05, **more})
    return FilesConnector(config, context)


def ids(batches: Any) -> list[Any]:
    return [row.data["id"] for row in rows_of(batches)]


class TestContract(ConnectorContract):
    connector_class = FilesConnector

    @pytest.fixture
    def connection(self, folder: Path) -> dict[str, Any]:
        return {"path": str(folder / "*.csv")}

    @pytest.fixture
    def unreachable(self, folder: Path) -> dict[str, Any]:
        return {"path": str(folder / "nothing.csv")}


def test_check_tells_what_was_detected(folder: Path) -> None:
    result = files(folder / "a.csv").check()
    assert result.facts["encoding"] == "utf-8 (detected)"
    assert result.facts["delimiter"] == ","
    assert [fact.name for fact in result.fields] == ["id", "name"]
    assert result.row_estimate == 3


def test_a_whole_read_is_full_and_nothing_new_is_unchanged(folder: Path) -> None:
    first = read_all(files(folder / "a.csv"))
    assert first[-1].end is End.FULL
    again = read_all(files(folder / "a.csv"), first[-1].cursor)
    assert [(len(batch), batch.end) for batch in again] == [(0, End.UNCHANGED)]


def test_a_touched_file_is_unchanged_and_a_changed_one_is_read(folder: Path) -> None:
    cursor = read_all(files(folder / "a.csv"))[-1].cursor
    write(folder / "a.csv", CSV, age=50)
    assert read_all(files(folder / "a.csv"), cursor)[-1].end is End.UNCHANGED
    write(folder / "a.csv", CSV.replace("Ann", "Eva"), age=40)
    changed = read_all(files(folder / "a.csv"), cursor)
    assert (changed[-1].end, ids(changed)) == (End.FULL, ["1", "2", "3"])


def test_a_change_in_the_very_moment_of_reading_is_noticed(folder: Path) -> None:
    write(folder / "a.csv", CSV, age=0)
    cursor = read_all(files(folder / "a.csv", settle=0))[-1].cursor
    stamp = (folder / "a.csv").stat().st_mtime_ns
    (folder / "a.csv").write_text(CSV.replace("Ann", "Eva"))
    os.utime(folder / "a.csv", ns=(stamp, stamp))
    again = read_all(files(folder / "a.csv", settle=0), cursor)
    assert rows_of(again)[0].data["name"] == "Eva"


def test_other_settings_read_the_file_again(folder: Path) -> None:
    cursor = read_all(files(folder / "a.csv"))[-1].cursor
    again = read_all(files(folder / "a.csv", csv={"nulls": ["Ann"]}), cursor)
    assert again[-1].end is End.FULL


def test_a_set_is_read_as_a_whole_when_one_file_changed_or_went(folder: Path) -> None:
    write(folder / "b.csv", "id,name\n4,Dan\n")
    cursor = read_all(files(folder / "*.csv"))[-1].cursor
    write(folder / "b.csv", "id,name\n5,Eve\n", age=40)
    changed = read_all(files(folder / "*.csv"), cursor)
    assert (changed[-1].end, ids(changed)) == (End.FULL, ["1", "2", "3", "5"])
    (folder / "b.csv").unlink()
    fewer = read_all(files(folder / "*.csv"), changed[-1].cursor)
    assert (fewer[-1].end, ids(fewer)) == (End.FULL, ["1", "2", "3"])


def test_in_a_set_of_changes_only_new_files_are_read(folder: Path) -> None:
    first = read_all(files(folder / "*.csv", contents="changes"))
    assert first[-1].end is End.INCREMENTAL
    write(folder / "b.csv", "id,name\n4,Dan\n")
    again = read_all(files(folder / "*.csv", contents="changes"), first[-1].cursor)
    assert (again[-1].end, ids(again)) == (End.INCREMENTAL, ["4"])
    rest = read_all(files(folder / "*.csv", contents="changes"), again[-1].cursor)
    assert rest[-1].end is End.UNCHANGED


def test_each_file_of_a_set_of_changes_commits_on_its_own(folder: Path) -> None:
    write(folder / "b.csv", "id,name\n4,Dan\n")
    first, _ = read_all(files(folder / "*.csv", contents="changes"))
    again = read_all(files(folder / "*.csv", contents="changes"), first.cursor)
    assert ids(again) == ["4"]


def test_the_newest_file_alone_may_count(folder: Path) -> None:
    write(folder / "b.csv", "id,name\n4,Dan\n", age=10)
    batches = read_all(files(folder / "*.csv", select="newest"))
    assert (ids(batches), batches[-1].end) == (["4"], End.FULL)


@pytest.mark.promise("files are read while they are still being uploaded")
def test_unfinished_and_hidden_files_are_left_alone(folder: Path) -> None:
    for name in ("b.csv.part", "c.csv.tmp", ".d.csv", "~$e.csv", "f.csv.FILEPART"):
        write(folder / name, CSV)
    assert ids(read_all(files(folder / "*"))) == ["1", "2", "3"]


def test_directories_match_by_pattern(folder: Path) -> None:
    write(folder / "2024" / "x" / "b.csv", "id,name\n4,Dan\n")
    write(folder / "2025" / "x" / "c.csv", "id,name\n5,Eve\n")
    assert ids(read_all(files(folder / "20*" / "x" / "*.csv"))) == ["4", "5"]
    rows = rows_of(read_all(files(folder / "**" / "*.csv")))
    assert [row.position for row in rows][:2] == [
        "file 2024/x/b.csv, line 2",
        "file 2025/x/c.csv, line 2",
    ]


@pytest.mark.promise("files are read while they are still being uploaded")
def test_a_file_that_grows_is_left_for_the_next_run(folder: Path) -> None:
    file = write(folder / "g.csv", "id,name\n", age=0)
    stop = threading.Event()

    def grow() -> None:
        with file.open("a") as out:
            while not stop.wait(0.01):
                out.write("9,more\n")
                out.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        with pytest.raises(RetriableError, match="still being written"):
            read_all(files(file, settle=0.2))
        others = read_all(files(folder / "*.csv", settle=0.2, contents="changes"))
        assert (ids(others), others[-1].end) == (["1", "2", "3"], End.INCREMENTAL)
    finally:
        stop.set()
        thread.join()


def test_a_file_that_changes_while_it_is_read_proves_nothing(folder: Path) -> None:
    write(folder / "a.csv", "id,name\n" + "1,x\n" * 10_000)
    batches = files(folder / "a.csv", Context(limits=Limits(batch_size=100))).read()
    next(batches)
    write(folder / "a.csv", CSV, age=1)
    with pytest.raises(RetriableError, match="changed while it was being read"):
        list(batches)


def test_a_missing_file_is_an_error_or_nothing_new(folder: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_all(files(folder / "x.csv"))
    (batch,) = read_all(files(folder / "x.csv", missing="nothing_new"))
    assert (len(batch), batch.end, batch.cursor) == (0, End.INCREMENTAL, None)


@pytest.mark.parametrize("after", ["move", "delete"])
def test_files_stay_until_their_rows_are_committed(folder: Path, after: str) -> None:
    more: dict[str, Any] = {
        "after": after,
        **({"move_to": str(folder / "done")} if after == "move" else {}),
    }
    connector = files(folder / "*.csv", **more)
    last = read_all(connector)[-1]
    assert (folder / "a.csv").exists()
    write(folder / "new.csv", "id,name\n7,New\n")
    connector.after_commit(last.cursor)
    assert not (folder / "a.csv").exists()
    assert (folder / "new.csv").exists(), "its rows are not read yet"
    assert (folder / "done" / "a.csv").exists() == (after == "move")


def test_moving_replaces_nothing(folder: Path) -> None:
    write(folder / "done" / "a.csv", "older")
    connector = files(folder / "a.csv", after="move", move_to=str(folder / "done"))
    connector.after_commit(read_all(connector)[-1].cursor)
    assert len(list((folder / "done").iterdir())) == 2
    assert (folder / "done" / "a.csv").read_text() == "older"


def test_a_move_needs_a_place() -> None:
    with pytest.raises(ConfigurationError, match="move_to"):
        parse(FilesConfig, {"path": "a.csv", "after": "move"})


@pytest.mark.promise("a symbolic link that leads out, also one created later")
@pytest.mark.parametrize("path", ["../secret.csv", "link.csv", "linked/secret.csv"])
def test_nothing_outside_the_allowed_directories_is_read(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "inside"
    write(inside / "a.csv", CSV)
    secret = write(tmp_path / "secret.csv", CSV)
    (inside / "link.csv").symlink_to(secret)
    (inside / "linked").symlink_to(tmp_path)
    context = Context(policy=Policy(roots=(inside,)))
    with pytest.raises(ConfigurationError, match="may not read files in this directory"):
        read_all(files(inside / path, context))
    rows = rows_of(read_all(files(inside / "**" / "*.csv", context)))
    assert {row.position.split(",")[0] for row in rows} == {"file a.csv"}


def test_gzip_is_unpacked_and_the_format_told_by_the_name_inside(folder: Path) -> None:
    write(folder / "b.csv.gz", gzip.compress(CSV.encode()))
    (first, *_) = rows_of(read_all(files(folder / "b.csv.gz")))
    assert first.position == "file b.csv.gz, line 2"


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_zip_members_are_read_one_after_the_other(folder: Path) -> None:
    members = {"readme.md": b"#", "y/b.csv": b"id,name\n5,E\n", "x.csv": b"id,name\n4,D\n"}
    write(folder / "z.zip", zipped(members))
    rows = rows_of(read_all(files(folder / "z.zip")))
    assert [row.position for row in rows] == [
        "file z.zip/x.csv, line 2",
        "file z.zip/y/b.csv, line 2",
    ]
    assert ids(read_all(files(folder / "z.zip", member="y/*"))) == ["5"]
    with pytest.raises(MissingError, match=r"contains 'readme\.md'"):
        read_all(files(folder / "z.zip", member="*.json"))


@pytest.mark.promise("zip, gzip and workbook bombs")
@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a.csv": data})])
def test_a_bomb_does_not_unpack(folder: Path, pack: Any) -> None:
    name = "bomb.csv.gz" if pack is gzip.compress else "bomb.zip"
    write(folder / name, pack(b"id,name\n" + b"1,x\n" * 30_000_000))
    with pytest.raises(LimitError, match="unpacks to more"):
        for _ in files(folder / name).read():
            pass


@pytest.mark.parametrize("name", ["b.csv.gz", "b.zip"])
def test_a_truncated_archive_is_an_error(folder: Path, name: str) -> None:
    body = b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(100_000))
    packed = gzip.compress(body) if name.endswith(".gz") else zipped({"b.csv": body})
    write(folder / name, packed[: len(packed) // 2])
    with pytest.raises(DataError):
        read_all(files(folder / name))


def test_a_file_larger_than_allowed_is_refused(folder: Path) -> None:
    with pytest.raises(LimitError, match="more than the 0 MiB allowed"):
        read_all(files(folder / "a.csv", Context(limits=Limits(max_file=10))))


def test_an_unknown_ending_asks_for_the_format(folder: Path) -> None:
    write(folder / "data.bin", CSV)
    with pytest.raises(ConfigurationError, match="cannot be determined"):
        read_all(files(folder / "data.bin"))
    assert ids(read_all(files(folder / "data.bin", format="csv"))) == ["1", "2", "3"]


def test_a_cancelled_read_stops_without_an_end(folder: Path) -> None:
    write(folder / "a.csv", "id,name\n" + "1,x\n" * 1000)
    context = Context(limits=Limits(batch_size=10), cancelled=lambda: True)
    assert not any(batch.end for batch in read_all(files(folder / "a.csv", context)))
