"""CSV: dialects, encodings, quoting, bad lines, raw forms."""

from __future__ import annotations

import csv
import io
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.formats import CsvOptions, CsvReader
from connectors.sdk import ConfigurationError, DataError, Row, RowProblem

Item = Row | RowProblem


def read(data: bytes | str, **options: Any) -> list[Item]:
    raw = data.encode() if isinstance(data, str) else data
    return list(CsvReader(CsvOptions(**options)).rows(io.BytesIO(raw), name="file x.csv"))


def rows(data: bytes | str, **options: Any) -> list[dict[str, Any]]:
    return [item.data for item in read(data, **options) if isinstance(item, Row)]


def problems(data: bytes | str, **options: Any) -> list[tuple[str, str]]:
    return [
        (item.position, item.errors[0].message)
        for item in read(data, **options)
        if isinstance(item, RowProblem)
    ]


def facts(data: bytes) -> dict[str, Any]:
    reader = CsvReader()
    list(reader.batches(io.BytesIO(data)))
    return reader.facts


@pytest.mark.promise("leading zeros are lost")
def test_values_stay_text_and_positions_count_lines() -> None:
    first, second = read("code,n\n02,1.50\n\nNL,\n")
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first == Row({"code": "02", "n": "1.50"}, "file x.csv, line 2")
    assert second == Row({"code": "NL", "n": ""}, "file x.csv, line 4")


@pytest.mark.promise("byte order marks, Latin-1 or semicolons garble a file")
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected(delimiter: str) -> None:
    text = 'a,b,c\n"x,y;z",1,2\n3,4,5\n'.replace(",", delimiter)
    assert [len(row) for row in rows(text)] == [3, 3]


def test_a_decimal_comma_is_no_delimiter() -> None:
    assert rows("a;b\n1,5;2,5\n3,5;4,5\n") == [{"a": "1,5", "b": "2,5"}, {"a": "3,5", "b": "4,5"}]


def test_the_separator_line_of_spreadsheets_is_obeyed() -> None:
    assert rows("sep=;\r\na;b\r\n1,2,3;4\r\n") == [{"a": "1,2,3", "b": "4"}]


@pytest.mark.promise("byte order marks, Latin-1 or semicolons garble a file")
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naam\nZoë\n"),
        ("utf-8-sig", "naam\nZoë\n"),
        ("utf-16", "naam\nZoë\n"),
        ("utf-16-le", "naam\nZoë en Daniël\n"),
        ("utf-32", "naam\nZoë\n"),
        ("cp1252", "naam\nZoë en Daniël hebben €5\n"),
        ("cp1251", "naam\n" + "Привет, как дела сегодня утром\n".replace(",", "") * 20),
    ],
)
def test_encodings_are_detected(encoding: str, text: str) -> None:
    assert [row["naam"] for row in rows(text.encode(encoding))] == text.split("\n")[1:-1]


def test_an_accent_far_down_the_file_decides_the_encoding() -> None:
    data = b"id,name\n" + b"1,plain\n" * 100_000 + "2,Zoë\n".encode("cp1252")
    assert rows(data)[-1] == {"id": "2", "name": "Zoë"}


@pytest.mark.promise("byte order marks, Latin-1 or semicolons garble a file")
def test_a_given_encoding_is_used_and_a_wrong_name_refused() -> None:
    assert rows("a\nß\n".encode("cp437"), encoding="cp437") == [{"a": "ß"}]
    with pytest.raises(ConfigurationError, match="no text encoding"):
        read("a\n1\n", encoding="klingon")


@pytest.mark.promise("byte order marks, Latin-1 or semicolons garble a file")
def test_what_was_detected_is_told() -> None:
    assert facts("a;b\nZoë;1\n".encode("cp1252")) == {
        "encoding": "cp1252 (detected, 100 % certain)",
        "delimiter": ";",
        "columns": 2,
    }


def test_an_invalid_byte_costs_its_own_row_only() -> None:
    data = "a,b\n1,ë\n2,".encode() + b"\xff\n3,x\n"
    assert [row["a"] for row in rows(data, encoding="utf-8")] == ["1", "3"]
    assert problems(data, encoding="utf-8")[0][0] == "file x.csv, line 3"


def test_a_ragged_row_is_a_problem_and_the_rest_is_read() -> None:
    text = "a,b\n1,2\n3\n4,5,6\n7,8\n"
    assert [row["a"] for row in rows(text)] == ["1", "7"]
    assert problems(text) == [
        ("file x.csv, line 3", "1 cell, but the header has 2"),
        ("file x.csv, line 4", "3 cells, but the header has 2"),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_newlines_within_quotes_belong_to_the_value(newline: str) -> None:
    text = newline.join(["a,b", '1,"one', '""two""', 'three"', "2,x", ""])
    first, second = read(text)
    assert isinstance(first, Row)
    assert first.data["b"] == f'one{newline}"two"{newline}three'
    assert second.position == "file x.csv, line 5"


def test_old_macintosh_line_ends_are_understood() -> None:
    assert rows("a,b\r1,2\r3,4\r") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_quote_that_never_closes_costs_one_row() -> None:
    text = 'a,b\n1,x\n2,"open\n3,y\n4,z\n'
    assert [row["a"] for row in rows(text)] == ["1", "3", "4"]
    assert problems(text)[0][0] == "file x.csv, line 3"


def test_a_stray_quote_does_not_swallow_the_rows_up_to_the_next() -> None:
    text = 'a,b\n2,"open\n3,y\n4,"z"\n5,w\n'
    assert [row["a"] for row in rows(text)] == ["3", "4", "5"]


def test_text_behind_a_closing_quote_is_a_problem() -> None:
    assert len(problems('a,b\n1,"x"y\n2,ok\n')) == 1


def test_a_quote_within_an_unquoted_value_is_a_character() -> None:
    assert rows('a,b\n1,5" pipe\n') == [{"a": "1", "b": '5" pipe'}]


def test_a_record_may_span_blocks() -> None:
    long = "x\n" * 900_000
    assert rows(f'a,b\n1,"{long}"\n2,y\n') == [{"a": "1", "b": long}, {"a": "2", "b": "y"}]


def test_duplicate_headers_are_a_clear_error() -> None:
    with pytest.raises(DataError, match="same name: 'a'"):
        read("a,b,a\n1,2,3\n")


def test_columns_without_a_name_are_called_by_their_place() -> None:
    assert rows("a,,c\n1,2,3\n4,,6\n") == [
        {"a": "1", "column_2": "2", "c": "3"},
        {"a": "4", "c": "6"},
    ]


def test_the_header_may_stand_further_down_or_be_missing() -> None:
    assert rows("Report\n\na,b\n1,2\n", header_row=3) == [{"a": "1", "b": "2"}]
    assert rows("1,2\n", header_row=0) == [{"column_1": "1", "column_2": "2"}]
    assert rows("1,2\n", header_row=0, columns=["x", "y"]) == [{"x": "1", "y": "2"}]


def test_named_texts_mean_null() -> None:
    assert rows("a,b\nx,NULL\n", nulls=["", "NULL"]) == [{"a": "x", "b": None}]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_error_because_it_proves_nothing(data: bytes) -> None:
    with pytest.raises(DataError, match="header"):
        read(data)


def test_a_binary_file_is_an_error() -> None:
    with pytest.raises(DataError, match="not a text file"):
        read(b"\x89PNG\r\n\x1a\n\x00\xff" + bytes(range(1, 256)) * 4)


def test_a_renamed_column_changes_every_raw_form() -> None:
    def forms(text: str) -> list[tuple[bytes, bytes]]:
        batches = CsvReader().batches(io.BytesIO(text.encode()))
        return [(batch.layout, raw) for batch in batches for raw in batch.raw()]

    assert forms("a,b\n1,2\n") == forms("a,b\n1,2")
    assert forms("a,b\n1,2\n") != forms("a,c\n1,2\n")
    assert forms("a,b\nZoë,2\n") == forms("\ufeffa,b\r\nZoë,2\r\n")


def test_keys_are_cut_out_without_decoding_rows() -> None:
    text = 'a,b\n1,x\n"2 ""q""","y,z"\n,w\n"  ",v\n5\n'
    (batch,) = CsvReader().batches(io.BytesIO(text.encode()))
    assert batch.keys(["a"]) == ["1", '2 "q"', None, None, "5"]
    assert batch.keys(["b"]) == ["x", "y,z", "w", "v", None]
    assert batch.keys(["nope"]) is None


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_the_standard_writer_wrote_is_read_back(table: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["a", "b", "c"])
    writer.writerows(table)
    found = read(out.getvalue(), encoding="utf-8", delimiter=",")
    # A row of nothing but empty cells says nothing, and is left out.
    assert [list(item.data.values()) for item in found if isinstance(item, Row)] == [
        row for row in table if any(row)
    ]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    source = Path("examples/data/runways.csv").read_bytes()
    header, _, body = source.partition(b"\n")
    file = tmp_path / "large.csv"
    file.write_bytes(header + b"\n" + body * 4)
    return file


@pytest.mark.promise("memory grows with the data")
def test_memory_does_not_grow_with_the_file(large: Path) -> None:
    def peak(copies: int) -> int:
        class Repeated(io.RawIOBase):
            def __init__(self) -> None:
                self.left = copies
                self.line = b'1,"x, y",some text that is a little longer\n' * 20_000

            def readable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                self.left -= 1
                return (b"id,b,c\n" if self.left == copies - 1 else b"") + (
                    self.line if self.left >= 0 else b""
                )

        tracemalloc.start()
        for batch in CsvReader().batches(Repeated()):  # type: ignore[arg-type]
            batch.raw()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(8) < 1.5 * peak(3)


def test_raw_forms_come_at_the_speed_of_the_standard_reader(large: Path) -> None:
    def best(work: Any) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    def theirs() -> None:
        with large.open(newline="") as file:
            for _ in csv.reader(file):
                pass

    def ours() -> None:
        with large.open("rb") as file:
            for batch in CsvReader().batches(file):
                batch.raw()

    assert best(ours) < 3 * best(theirs)  # about equal; the rest is a busy machine
