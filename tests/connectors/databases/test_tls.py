"""TLS to databases: encrypted when asked, verified when told to, and what check() says of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from connectors.database import DatabaseConnector
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import CheckResult, Context, Limits, TrustError
from connectors.sdk.config import parse
from tests.servers import tls_databases

pytestmark = pytest.mark.slow

SOON = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=10)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def document(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[dict[str, Any]]:
    certificate = authority.issue_cert("localhost", not_after=SOON)
    with getattr(tls_databases, request.param)(certificate) as found:
        yield found


def check(document: dict[str, Any], **tls: Any) -> CheckResult:
    context = Context(limits=Limits(connect_timeout=5, read_timeout=5))
    return DatabaseConnector(parse(DatabaseConfig, {**document, "tls": tls}), context).check()


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def test_a_trusted_server_is_verified_and_its_certificate_shown(
    document: dict[str, Any], authority: trustme.CA
) -> None:
    result = check(document, mode="require", ca_file=pem(authority))
    assert str(result.facts["tls"]).startswith("TLS")
    assert str(result.facts["certificate_expires"]).startswith(f"{SOON:%Y-%m-%d}")
    assert any("expires on" in warning for warning in result.warnings)
    assert not any("not verified" in warning for warning in result.warnings)


def test_naming_an_authority_is_asking_for_verification(
    document: dict[str, Any], authority: trustme.CA
) -> None:
    assert check(document, ca_file=pem(authority)).facts["tls"] != "no"
    with pytest.raises(TrustError):
        check(document, ca_file=pem(trustme.CA()))


@pytest.mark.promise("an impostor server")
def test_a_server_of_an_unknown_authority_is_refused_when_verified(
    document: dict[str, Any],
) -> None:
    with pytest.raises(TrustError) as caught:
        check(document, mode="require")
    assert "tls.ca_file" in str(caught.value)


def test_a_certificate_of_another_name_is_refused(
    document: dict[str, Any], authority: trustme.CA
) -> None:
    with pytest.raises(TrustError):
        check({**document, "host": "127.0.0.1"}, mode="require", ca_file=pem(authority))


def test_encryption_without_verification_is_a_standing_warning(document: dict[str, Any]) -> None:
    for tls in ({"mode": "require", "verify": False}, {"mode": "prefer"}):
        result = check(document, **tls)
        assert str(result.facts["tls"]).startswith("TLS")
        assert any("not verified" in warning for warning in result.warnings)


def test_tls_can_be_left_out(document: dict[str, Any]) -> None:
    assert check(document, mode="off").facts["tls"] == "no"
