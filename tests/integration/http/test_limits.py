"""How much may be sent: whole requests, and files that are uploaded."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from app.errors import UsageError
from app.http.limits import LARGEST_BODY, LARGEST_DOCUMENT
from app.operations import configuration
from app.sources import uploads
from app.users.roles import Role
from tests.integration.served import Server


@pytest.mark.promise("unlimited uploads and bodies")
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused(shared: Server, announced: bool) -> None:
    piece = b" " * (1024 * 1024)

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for _ in range(LARGEST_BODY // len(piece) + 1):
            yield piece

    client = shared.as_(Role.REGISTER_ADMIN)
    body = b"".join(endless()) if announced else endless()
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client("POST", "/upload", data=body, headers=kind)
    assert answer.status_code == 413
    assert client.get("/api/registers").status_code == 200


@pytest.mark.promise("unlimited uploads and bodies")
def test_an_upload_beyond_the_limit_leaves_nothing_behind(server: Server) -> None:
    server.app.write(configuration.put, "source.max_file", "100", server.app.box)
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
    with pytest.raises(UsageError, match="are not supported"):
        uploads.store(server.app, name, io.BytesIO(b"a"))


@pytest.mark.promise("unlimited uploads and bodies")
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_a_document_beyond_its_limit_is_refused(shared: Server, kind: str) -> None:
    client = shared.as_(Role.REGISTER_ADMIN)
    for size, refused in ((LARGEST_DOCUMENT, False), (LARGEST_DOCUMENT + 1, True)):
        answer = client("POST", "/api/registers", data=b" " * size, headers={"Content-Type": kind})
        assert (answer.status_code == 413) is refused, answer.text


@pytest.mark.promise("unlimited uploads and bodies")
@pytest.mark.parametrize(
    "text",
    ['"\\ud800"', "NaN", "-Infinity", "1e100000000", "1" * 5000, "[" * 300 + "]" * 300],
)
def test_json_that_cannot_be_kept_is_refused(shared: Server, text: str) -> None:
    client = shared.as_(Role.REGISTER_ADMIN)
    for method, path, body in (
        ("POST", "/api/registers", f'{{"slug": "x", "title": {text}}}'),
        ("POST", "/api/objects/geo/town", f'{{"code": "x", "address": {{"a": {text}}}}}'),
        ("POST", "/api/sources", f'{{"name": "x", "connection": {{"a": {text}}}}}'),
    ):
        answer = client(
            method, path, data=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422), (path, answer.text)


@pytest.mark.promise("expensive requests")
def test_too_many_parameters_or_filters_are_refused(shared: Server) -> None:
    client = shared.as_(Role.VIEWER)
    many = "&".join(f"code=x{number}" for number in range(1001))
    answer = client.get(f"/api/objects/geo/town?{many}")
    assert answer.status_code == 400
    for asked in (
        "&".join(f"address.a{number}=1" for number in range(51)),
        f"code[in]={','.join(map(str, range(1001)))}",
        f"_order={','.join(['code'] * 11)}",
    ):
        answer = client.get(f"/api/objects/geo/town?{asked}")
        assert answer.status_code == 422, asked[:50]
        assert "at most" in answer.json()["errors"][0]["message"]
