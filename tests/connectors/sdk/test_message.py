"""Sentences keep their facts, so that a page can word them anew."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy

from connectors.sdk.message import Message, Remedy, restored, stored
from connectors.sdk.redact import remember

DUTCH = {
    "{n:,} row stays rejected": "{n:,} rij blijft afgekeurd",
    "{n:,} rows stay rejected": "{n:,} rijen blijven afgekeurd",
    "{target}: {text}": "{target}: {text}",
}


def rejected(n: int) -> Message:
    return Message(
        "stay-rejected", "{n:,} row stays rejected", plural="{n:,} rows stay rejected", n=n
    )


class Dutch:
    def gettext(self, text: str) -> str:
        return DUTCH[text]

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return DUTCH[singular if number == 1 else plural]

    def number(self, value: int) -> str:
        return f"{value:,}".replace(",", ".")


def in_dutch(message: Message) -> str:
    return message.worded(Dutch())


def test_a_message_is_its_english_text() -> None:
    assert rejected(1) == "1 row stays rejected"
    assert f"{rejected(3000)}." == "3,000 rows stay rejected."
    assert json.dumps([rejected(2)]) == '["2 rows stay rejected"]'


def test_it_is_worded_in_another_language_with_its_facts() -> None:
    assert in_dutch(rejected(1)) == "1 rij blijft afgekeurd"
    assert in_dutch(rejected(1234)) == "1.234 rijen blijven afgekeurd"
    nested = Message("at-target", "{target}: {text}", target="geo/country", text=rejected(2))
    assert nested == "geo/country: 2 rows stay rejected"
    assert in_dutch(nested) == "geo/country: 2 rijen blijven afgekeurd"


def test_it_survives_the_database_a_process_and_a_copy() -> None:
    nested = Message("at-target", "{target}: {text}", target="geo", text=rejected(2))
    for again in (
        restored(json.loads(json.dumps(stored(nested)))),
        pickle.loads(pickle.dumps(nested)),  # noqa: S301  # just written
        deepcopy(nested),
    ):
        assert isinstance(again, Message)
        assert (again, in_dutch(again), again.code) == (nested, in_dutch(nested), nested.code)
    assert restored("plain") == "plain"
    again = pickle.loads(pickle.dumps(Remedy("wait", "Wait")))  # noqa: S301  # just written
    assert type(again) is Remedy


def test_no_secret_is_stored_with_the_facts() -> None:
    remember("hunter2-secret")
    leaky = Message("refused", "{url} refused", url="https://x/?q=hunter2-secret")
    outer = Message("at-target", "{target}: {text}", target="t", text=leaky)
    assert "hunter2" not in json.dumps(stored(outer))
    assert "hunter2" not in json.dumps(stored("plain hunter2-secret"))


def test_braces_in_facts_are_only_text() -> None:
    assert Message("odd", "{value} is odd", value="{n} %(x)s") == "{n} %(x)s is odd"
