"""The OpenAPI document keeps its word: requests made from it get answers that it describes."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from app import api
from app.users.roles import Role
from tests.integration.served import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def operations() -> list[Any]:
    """Every operation of the document."""
    web = FastAPI(title="Open Register", version="0")
    api.install(web)
    schema = schemathesis.openapi.from_dict(web.openapi())
    found = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        found.append(result.ok())
    return found


@pytest.mark.promise("malformed requests")
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_answers_are_as_described(shared: Server, operation: Any) -> None:
    @given(case=operation.as_strategy(), there=st.booleans())
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case[Any], there: bool) -> None:
        if there and "/objects/" in operation.path:
            case.path_parameters |= {"register": "geo", "schema": "town"}
        case.call_and_validate(
            base_url=shared.url, headers=shared.as_(Role.ADMIN).headers, checks=CHECKS
        )

    ask()
