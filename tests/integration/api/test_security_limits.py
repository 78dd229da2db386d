"""How much may be sent: whole requests, and files that are uploaded."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from app.domain.roles import Role
from app.errors import UsageError
from app.http.limits import LARGEST_BODY
from app.services import configuration, uploads
from tests.integration.api.conftest import Server


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused(shared: Server, announced: bool) -> None:
    piece = b" " * (1024 * 1024)

    def endless() -> Iterator[bytes]:
        for _ in range(LARGEST_BODY // len(piece) + 1):
            yield piece

    client = shared.as_(Role.REGISTER_ADMIN)
    body = b"".join(endless()) if announced else endless()
    answer = client("POST", "/api/registers", data=body)
    assert answer.status_code == 413
    assert client.get("/api/registers").status_code == 200


def test_an_upload_beyond_the_limit_leaves_nothing_behind(server: Server) -> None:
    configuration.put(server.app, "source.max_file", "100")
    with pytest.raises(UsageError, match="larger than 100 bytes"):
        uploads.store(server.app, "x.csv", io.BytesIO(b"x" * 101))
    assert [path for path in uploads.folder(server.app).rglob("*") if path.is_file()] == []
    assert uploads.store(server.app, "x.csv", io.BytesIO(b"x" * 100)).stat().st_size == 100


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.csv", "..\\x.csv", ".csv/../x.csv"])
def test_the_name_of_an_upload_leads_nowhere(server: Server, name: str) -> None:
    path = uploads.store(server.app, name, io.BytesIO(b"a\n1\n"))
    assert path.resolve().parent.parent == uploads.folder(server.app).resolve()


@pytest.mark.parametrize("name", ["x.py", "x", "x.csv.exe", "x.html"])
def test_what_nothing_reads_is_not_kept(server: Server, name: str) -> None:
    with pytest.raises(UsageError, match="Nothing here reads"):
        uploads.store(server.app, name, io.BytesIO(b"a"))
