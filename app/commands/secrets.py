"""`secrets:*`: the key that encrypts the secrets of sources and settings."""

from __future__ import annotations

from dataclasses import asdict

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.errors import ExitCode
from app.operations import rotate_secrets
from connectors.sdk.counting import counted


@command("secrets:rotate")
@click.option("--keep-old", is_flag=True, help="Keep the old keys in the key file.")
@click.pass_obj
def rotate(cli: Cli, keep_old: bool) -> None:
    """Encrypt every stored secret with a new key.

    With a key file, this generates a new key and puts it first in the file, encrypts every secret
    of sources and settings again in one transaction, and then removes the old key. You manage
    keys in OPENREGISTER_SECRET_KEY, or several keys in the file: put the new one first, on every
    host, and run this command. Secrets stay readable at all times, and running it again completes
    an interrupted rotation. Users have to sign in again.

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
        f"Encrypted again: the secrets of {counted(counts.sources, 'source')}, "
        f"{counted(counts.tokens, 'token')}, {counted(counts.settings, 'setting')}\n"
    )
    text += (
        f"The new key is in {done.where}" if done.made else f"The key is the first of {done.where}"
    )
    if done.dropped:
        text += f"; removed {counted(done.dropped, 'old key')}"
    if done.left:
        text += f"; {counted(done.left, 'old key')} can now be removed from it"
    cli.output.result(result, text)


@command("secrets:check")
@click.pass_obj
def check(cli: Cli) -> None:
    """List stored secrets that no key decrypts, with the commands that replace them.

    Reads every secret of sources and settings and every stored token, without showing or changing
    any. Exits 1 if one cannot be read: the key was lost, or this host has a different one. Sources
    and settings that do not need such a secret keep working.

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
    lines.append(f"The keys are in {found.where}; restoring the old key fixes all")
    cli.output.result(result, "\n".join(lines))
    cli.exit(ExitCode.FAILED)


commands: list[click.Command] = [rotate, check]
