"""Forms made of connector settings: what is shown, and the document that comes back."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import ConfigurationError
from app.sources.settings import connector_types
from app.web.forms import Field, Form


def _form(type_name: str = "rest") -> Form:
    return Form(connector_types.schema(type_name))


def _named(fields: list[Field], path: str) -> Field:
    return next(field for field in fields if field.path == path)


def test_what_is_left_as_by_default_is_not_in_the_document() -> None:
    form = {"connection.url": "https://a.example", "connection.conditional": "on"}
    assert _form().read({**form, "connection.tls.verify": "on", "connection.method": "GET"}) == {
        "url": "https://a.example"
    }


@pytest.mark.parametrize(
    "document",
    [
        {"url": "https://a.example", "auth": {"type": "basic", "user": "alice"}},
        {"url": "https://a.example", "headers": {"Accept": "application/json"}},
        {"url": "https://a.example", "pagination": "none"},
        {"url": "https://a.example", "pagination": {"type": "auto", "size": 500}},
        {"url": "https://a.example", "query": {"active": True, "limit": 5}},
        {"url": "https://a.example", "tls": {"verify": False}},
        {"url": "https://a.example", "incremental": {"field": "updated"}, "timeout": {"read": 5}},
    ],
)
def test_a_document_comes_back_as_it_was_shown(document: dict[str, Any]) -> None:
    form = _form()
    assert form.read(_filled(form.fields(document))) == document


def _filled(fields: Any) -> dict[str, str]:
    """What a browser sends of the fields as they are shown."""
    sent: dict[str, str] = {}
    for field in fields:
        if field.kind == "switch":
            sent |= {field.name: "on"} if field.value else {}
        elif field.kind != "group":
            sent[field.name] = str(field.value)
        sent |= _filled(field.children)
        for _kind, children in field.variants:
            sent |= _filled(children)
    return sent


def test_a_secret_is_never_shown_and_kept_when_left_empty() -> None:
    document = {"url": "https://a.example", "auth": {"type": "bearer", "token": "s3cret"}}
    fields = _form().fields(document, stored={"auth.token"})
    assert "s3cret" not in repr(fields)
    bearer = dict(_named(fields, "auth").variants)["bearer"]
    assert _named(list(bearer), "auth.token").stored
    read = _form().read({"connection.auth": "bearer"}, stored={"auth.token"})
    assert read["auth"] == {"type": "bearer"}


def test_a_fault_stands_at_its_field_also_within_a_variant() -> None:
    faults = {"url": "is required", "auth.basic.user": "is required"}
    fields = _form().fields({"auth": {"type": "basic"}}, faults=faults)
    assert _named(fields, "url").error == "is required"
    basic = dict(_named(fields, "auth").variants)["basic"]
    assert _named(list(basic), "auth.user").error == "is required"


def test_text_that_is_no_json_is_a_fault_of_its_field() -> None:
    with pytest.raises(ConfigurationError) as error:
        _form().read({"connection.details": "[{"})
    assert set(error.value.faults) == {"details"}


@pytest.mark.parametrize("type_name", [line["type"] for line in connector_types.types()])
def test_every_connector_has_a_form(type_name: str) -> None:
    fields = _form(type_name).fields()
    assert fields
    assert all(field.label for field in fields)
