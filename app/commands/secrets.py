"""`secrets:*`: the key that encrypts what sources and settings keep secret."""

from __future__ import annotations

from dataclasses import asdict

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.errors import ExitCode
from app.operations import rotate_secrets
from connectors.sdk.counting import counted


@command("secrets:rotate")
@click.option("--keep-old", is_flag=True, help="Leave the old keys in the key file.")
@click.pass_obj
def rotate(cli: Cli, keep_old: bool) -> None:
    """Put every stored secret under a new key.

    With a key file, a new key is made and put first in it; every secret of sources and settings
    is encrypted anew in one transaction; then the old key is dropped. Keys in
    OPENREGISTER_SECRET_KEY, or several in the file, are yours: put the new one first, on every
    host, and this command goes over to it. Nothing is unreadable at any moment, and a rotation
    that was cut short is finished by calling it again. People have to sign in again.

    Examples:
      openregister secrets:rotate
      openregister secrets:rotate --keep-old
    """
    done = rotate_secrets.rotate(cli.application, keep_old=keep_old)
    counts = done.counts
    result = {
        "sources": counts.sources,
        "tokens": counts.tokens,
        "settings": counts.settings,
        "new_key": done.made,
        "old_keys_dropped": done.dropped,
        "old_keys_left": done.left,
        "key": done.where,
    }
    text = (
        f"Encrypted anew: the secrets of {counted(counts.sources, 'source')}, "
        f"{counted(counts.tokens, 'token')}, {counted(counts.settings, 'setting')}\n"
    )
    text += (
        f"The new key is in {done.where}" if done.made else f"The key is the first of {done.where}"
    )
    if done.dropped:
        text += f"; dropped {counted(done.dropped, 'old key')}"
    if done.left:
        text += f"; {counted(done.left, 'old key')} may be taken out of it now"
    cli.output.result(result, text)


@command("secrets:check")
@click.pass_obj
def check(cli: Cli) -> None:
    """List stored secrets that no key opens, each with the command that replaces it.

    Reads every secret of sources and settings and every stored token; shows and changes none.
    Exits 1 if one cannot be read: the key was lost, or this host has another one. Sources and
    settings that need no such secret go on working.

    Examples:
      openregister secrets:check
      openregister secrets:check --output json
    """
    found = rotate_secrets.check(cli.application)
    unreadable = [asdict(one) for one in found.unreadable]
    result = {
        "ok": not unreadable,
        "key": found.where,
        **asdict(found.counts),
        "unreadable": unreadable,
    }
    total = found.counts.sources + found.counts.tokens + found.counts.settings
    if not unreadable:
        cli.output.result(result, f"OK — {counted(total, 'stored secret')}, all readable")
        return
    lines = [f"{len(unreadable)} of {counted(total, 'stored secret')} cannot be read"]
    for one in found.unreadable:
        lines += [f"  {one.title}: {one.error}", f"    {one.fix}"]
    lines.append(f"The keys are looked for in {found.where}; restoring the old key repairs all")
    cli.output.result(result, "\n".join(lines))
    cli.exit(ExitCode.FAILED)


commands: list[click.Command] = [rotate, check]
