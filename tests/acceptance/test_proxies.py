"""deploy/: the proxies that the manual proposes, with their own programs in front of `serve`."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import trustme

from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_serve import serving
from tests.places import ROOT

DEPLOY = ROOT / "deploy"
NAME = "register.example.org"
PASSWORD = "correct horse battery"
PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"


def program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"no {name} on this machine (scripts/install-test-servers.sh installs it)")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def changed(text: str, changes: dict[str, str]) -> str:
    """The file with what a reader has to change changed; each of it is there."""
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


@dataclass
class Proxy:
    """A running proxy; requests go to its name, wherever that would lead."""

    https: int
    http: int
    authority: Path

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.https}"

    def connect(self, name: str = NAME) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.authority))
        plain = socket.create_connection(("127.0.0.1", self.https), 10)
        return context.wrap_socket(plain, server_hostname=name)

    def exchange(self, sent: bytes) -> bytes:
        """What comes back until the connection is closed."""
        with self.connect() as connection:
            connection.sendall(sent)
            connection.settimeout(15)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def nginx(directory: Path, server: int, pem: Path, key: Path, proxy: Proxy) -> list[str]:
    text = changed(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "127.0.0.1:8080": f"127.0.0.1:{server}",
            "/etc/ssl/register.pem": str(pem),
            "/etc/ssl/register.key": str(key),
            "listen 80": f"listen 127.0.0.1:{proxy.http}",
            "listen 443": f"listen 127.0.0.1:{proxy.https}",
            "client_header_timeout 10s": "client_header_timeout 1s",
            "limit_conn openregister_address 100": "limit_conn openregister_address 10",
        },
    )
    (directory / "register.conf").write_text(text)
    paths = "".join(
        f"{kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = directory / "nginx.conf"
    main.write_text(
        f"daemon off; pid {directory}/pid; error_log stderr; worker_processes 1;"
        "events { worker_connections 256; }"
        f"http {{ access_log off; {paths} include {directory}/register.conf; }}"
    )
    return [program("nginx"), "-c", str(main), "-p", str(directory), "-e", "stderr"]


def caddy(directory: Path, server: int, pem: Path, key: Path, proxy: Proxy) -> list[str]:
    text = changed(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "127.0.0.1:8080": f"127.0.0.1:{server}",
            "register.example.org {": f"{proxy.url} {{\n\tbind 127.0.0.1\n\ttls {pem} {key}",
            "read_header 10s": "read_header 1s",
            "{\n\tservers {": f"{{\n\tadmin off\n\tauto_https disable_redirects\n"
            f"\thttp_port {proxy.http}\n\tservers {{",
        },
    )
    (directory / "Caddyfile").write_text(text)
    return [
        *(program("caddy"), "run", "--adapter", "caddyfile"),
        *("--config", str(directory / "Caddyfile")),
    ]


@contextmanager
def running(command: list[str], port: int, directory: Path) -> Iterator[None]:
    environment = {"HOME": str(directory), "PATH": PATH}
    log = directory / "proxy.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            for _ in range(200):
                assert process.poll() is None, log.read_text()
                with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
                    break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, cli: CommandLine, tmp_path: Path) -> Iterator[Proxy]:
    build: Callable[..., list[str]] = request.param
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    pem, key, known = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "ca.pem"
    pem.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(known)
    front = Proxy(free_port(), free_port(), known)
    cli("user:add", "alice", "--admin", stdin=f"{PASSWORD}\n").ok()
    with serving(cli, "--no-worker") as (_, url):
        command = build(tmp_path, int(url.rpartition(":")[2]), pem, key, front)
        with running(command, front.https, tmp_path):
            yield front


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the example is this machine."""
    real = socket.getaddrinfo

    def here(host: object, *more: object, **named: object) -> object:
        return real("127.0.0.1" if host == NAME else host, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.promise("passwords sent as plain text over the network")
@pytest.mark.usefixtures("by_name")
def test_a_proxy_of_the_manual_serves_and_bounds(proxy: Proxy) -> None:
    browser = requests.Session()
    browser.trust_env, browser.verify = False, str(proxy.authority)
    origin = {"Origin": proxy.url, "Sec-Fetch-Site": "same-origin"}
    signed_in = browser.post(
        f"{proxy.url}/api/session",
        json={"name": "alice", "password": PASSWORD},
        headers=origin,
        timeout=20,
    )
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.headers["Set-Cookie"].startswith("__Host-")
    assert "max-age" in signed_in.headers["Strict-Transport-Security"]
    token = {"X-CSRF-Token": signed_in.json()["csrf"]}
    made = browser.post(
        f"{proxy.url}/api/registers", json={"slug": "geo"}, headers=origin | token, timeout=20
    )
    assert made.status_code == 201, made.text

    # a header that never ends, one that is far too long, and a request of doubtful length
    assert b" 200 " not in proxy.exchange(b"GET /health HTTP/1.1\r\nHost: " + NAME.encode())
    long = b"GET /health HTTP/1.1\r\nHost: %s\r\nX-Long: %s\r\n\r\n" % (NAME.encode(), b"x" * 10**6)
    with suppress(ConnectionError):
        assert re.match(rb"HTTP/1.1 4(00|31) |$", proxy.exchange(long))
    doubtful = (
        b"POST /health HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n" % NAME.encode()
    )
    assert b"/smuggled" not in proxy.exchange(doubtful)

    # who guesses is known by the address that the proxy sees, not by one that is claimed
    def guess(number: int) -> int:
        claimed = {"Authorization": "Bearer orp_x", "X-Forwarded-For": f"198.51.100.{number}"}
        return browser.get(f"{proxy.url}/api/registers", headers=claimed, timeout=20).status_code

    assert [guess(number) for number in range(24)][-1] == 429


@pytest.mark.promise("passwords sent as plain text over the network")
@pytest.mark.parametrize("proxy", [nginx], indirect=True)
def test_nginx_answers_to_its_own_name_only_and_bounds_an_address(proxy: Proxy) -> None:
    half = b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\nhalf" % NAME.encode()
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(proxy.connect()).sendall(half)
        time.sleep(1)  # until all of them are being read
        assert b" 429 " in proxy.exchange(half.replace(b"Host", b"Connection: close\r\nHost"))
    with pytest.raises(ssl.SSLError):
        proxy.connect("evil.example.org")
    moved = requests.get(
        f"http://127.0.0.1:{proxy.http}/x", headers={"Host": NAME}, allow_redirects=False, timeout=9
    )
    assert moved.headers["Location"] == f"https://{NAME}/x"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{proxy.http}/x", headers={"Host": "evil"}, timeout=9)


def test_the_files_are_valid_as_they_are(tmp_path: Path) -> None:
    checked = subprocess.run(
        [program("caddy"), "validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile"],
        env={"HOME": str(tmp_path), "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
