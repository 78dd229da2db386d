"""The settings of a connector line by line, as forms, the command line and pages show them."""

from __future__ import annotations

from typing import Any

import pytest

from app.sources.settings import connector_types
from connectors.sdk import registry
from connectors.sdk.config import parse


def fields(type_name: str) -> dict[str, dict[str, Any]]:
    return {line["field"]: line for line in connector_types.fields(type_name)}


def test_a_choice_of_shapes_shows_the_words_of_all_of_them() -> None:
    rest = fields("rest")
    assert rest["auth.type"]["type"] == "none|basic|bearer|api_key|oauth2|jwt"
    assert rest["auth.type"]["default"] == "none"
    assert rest["auth.type"]["help"] == "Authentication"
    assert rest["pagination.type"]["type"] == rest["pagination"]["type"]


def test_a_field_is_required_only_where_every_shape_requires_it() -> None:
    rest = fields("rest")
    assert not rest["auth.password"]["required"]
    assert not any(line["required"] for name, line in rest.items() if "." in name)
    assert rest["url"]["required"]


def test_the_help_names_the_shapes_that_a_field_belongs_to() -> None:
    rest = fields("rest")
    assert rest["auth.password"]["help"] == "basic (required): Password or app password"
    assert rest["auth.prefix"]["help"].startswith("bearer, jwt: ")
    assert rest["pagination.param"]["help"].startswith("page: ")
    assert "; offset: " in rest["pagination.param"]["help"]
    assert rest["incremental.field"]["help"].endswith("(required with incremental)")


def test_a_default_that_depends_on_the_shape_is_not_shown() -> None:
    assert fields("rest")["pagination.param"]["default"] is None


def test_a_word_that_may_stand_for_a_whole_model_has_a_line_of_its_own() -> None:
    rest = fields("rest")
    assert rest["timeout"]["type"] == "number"
    assert "timeout.read" in rest


@pytest.mark.parametrize("type_name", sorted(registry.available()))
def test_each_field_has_one_line_with_help(type_name: str) -> None:
    lines = connector_types.fields(type_name)
    assert len({line["field"] for line in lines}) == len(lines)
    assert all(line["help"] for line in lines)


def test_a_document_of_what_is_required_is_valid() -> None:
    required = [name for name, line in fields("rest").items() if line["required"]]
    assert required == ["url"]
    parse(registry.get("rest").Config, {"url": "https://api.example.org"})
