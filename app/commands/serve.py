"""`serve`: the web pages and the JSON API."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command("serve")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 127.0.0.1 by default.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    help="Port; 8080 by default; 0: any free port.",
)
@click.option("--tls-certificate", type=_FILE, help="Serve HTTPS with this certificate chain.")
@click.option("--tls-key", type=_FILE, help="Its private key.")
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A reverse proxy whose X-Forwarded headers are trusted; this host by default.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A reverse proxy terminates TLS, so plain HTTP may leave this machine.",
)
@click.option("--no-worker", is_flag=True, help="Start no worker, even if no other one is running.")
@click.pass_obj
def serve(
    cli: Cli,
    host: str,
    port: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
    proxies: tuple[str, ...],
    behind_proxy: bool,
    no_worker: bool,
) -> None:
    """Serve the web pages and the JSON API.

    If no `background-job:worker` is running, it runs its own. To be reachable from other machines
    it needs --host, at least one user, and TLS: its own (--tls-certificate) or that of a reverse
    proxy (--proxy, --behind-proxy). deploy/ contains nginx.conf and Caddyfile.

    It sets up an empty database first. If there are no accounts, it prints a link that creates
    the first one. The link works once, and on this machine only.

    It limits connections (500, 100 per address) and how long a client may take: 10 s for a
    header, 30 s plus 1 s per kB for a body, 20 s idle.

    Examples:
      openregister serve
      openregister serve --host 0.0.0.0 --port 8443 --tls-certificate c.pem --tls-key k.pem
      openregister serve --host 0.0.0.0 --proxy 10.0.0.1
    """
    from app.operations import instance
    from app.server import server  # slow to import, which would delay --help

    plain = server.Listen()
    listen = server.Listen(
        host=host,
        port=port,
        proxies=proxies or plain.proxies,
        behind_proxy=behind_proxy or bool(proxies) or cli.settings.behind_proxy,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        worker=not no_worker,
    )

    def ready(address: str, first_account: str) -> None:
        cli.output.message(f"Open Register on {address}")
        if first_account:
            cli.output.message(f"Create the first account: {first_account}")

    with instance.opened(cli.settings) as application:
        server.serve(application, listen, ready)


commands = [serve]
