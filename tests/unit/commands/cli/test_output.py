"""Printing for people and for scripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from app.commands.cli.output import Output, brief, dump
from connectors.sdk.counting import counted

ROWS = [
    {"name": "a", "count": 7, "since": None, "extra": 1},
    {"name": "much longer", "count": 12345, "since": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
]


def test_tables_are_aligned_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    Output().rows(ROWS, {"name": "Name", "count": "Objects", "since": "Since"})
    assert capsys.readouterr().out.splitlines() == [
        "Name         Objects  Since",
        "a                  7  -",
        "much longer    12345  2026-01-02 03:04:05Z",
    ]


def test_a_pipe_cuts_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    Output().rows([{"text": "x" * 500}], ["text"])
    assert "x" * 500 in capsys.readouterr().out


def test_json_has_every_field_whatever_the_table_shows(capsys: pytest.CaptureFixture[str]) -> None:
    Output("json").rows(ROWS, ["name"])
    assert json.loads(capsys.readouterr().out)[0] == {
        "name": "a",
        "count": 7,
        "since": None,
        "extra": 1,
    }


def test_messages_and_warnings_stay_out_of_a_json_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output("json")
    output.message("working")
    output.warning("slow")
    output.result({"done": True}, "Done")
    captured = capsys.readouterr()
    assert captured.out == '{"done":true}\n'
    assert captured.err == "working\nWarning: slow\n"


def test_only_one_json_document_is_printed() -> None:
    output = Output("json")
    output.document({})
    with pytest.raises(RuntimeError):
        output.document({})


def test_an_error_after_the_result_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("json")
    output.document({"state": "held"})
    output.error({"what": "Held", "hint": "Approve it"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"state": "held"}
    assert captured.err == "Error: Held\n  Next step: Approve it\n"


def test_values_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.rows([{"name": "\x1b[2Jgone\nnext [bold]"}], ["name"])
    output.message("\x1b]0;title\x07")
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[2Jgone\\nnext [bold]" in printed


def test_json_keeps_numbers_exact_and_secrets_hidden() -> None:
    document = {
        "amount": Decimal("0.10"),
        "big": 2**70,
        "when": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        "id": UUID(int=1),
        "path": Path("/tmp/x"),
        "secret": SecretStr("geheim"),
        "set": {"b", "a"},
    }
    assert dump(document) == (
        '{"amount":0.10,"big":1180591620717411303424,"when":"2026-01-01T00:00:00Z",'
        '"id":"00000000-0000-0000-0000-000000000001","path":"/tmp/x","secret":"**********",'
        '"set":["a","b"]}'
    )


def test_a_record_is_a_line_per_field(capsys: pytest.CaptureFixture[str]) -> None:
    Output().record({"last_sync": None, "schemas": ["a", "b"], "enabled": True})
    assert capsys.readouterr().out.splitlines() == [
        "Last sync  -",
        "Schemas    a, b",
        "Enabled    yes",
    ]


def test_counting_words_agree_with_the_number() -> None:
    assert [counted(number, "object") for number in (0, 1, 2)] == [
        "0 objects",
        "1 object",
        "2 objects",
    ]


def test_long_values_are_cut_in_tables_and_say_how_long_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"id": 1, "text": "x" * 900_000, "in": {"list": list(range(500))}, "last": "seen"}
    Output("plain").record({"raw": brief(row), "other": "y" * 900_000})
    shown = capsys.readouterr().out
    assert len(shown) < 10_000
    assert "x" * 200 + "… (900,000 characters)" in shown
    assert "… (500 items)" in shown
    assert '"last":"seen"' in shown
    assert "… (900,000 characters; --output json prints all of them)" in shown


def test_short_values_are_not_cut() -> None:
    row = {"id": 1, "text": "x" * 200, "list": list(range(20)), "none": None}
    assert brief(row) == row
