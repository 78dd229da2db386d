"""`register:*`: named collections of objects."""

from __future__ import annotations

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.documents.register import register_with_count
from app.registers import registers
from app.registers.registers import Overview


@command("register:add")
@click.argument("slug")
@click.option("--title", default="", help="Display name; by default the slug.")
@click.option("--description", default="", help="Purpose of the register.")
@click.pass_obj
def add(cli: Cli, slug: str, title: str, description: str) -> None:
    """Add a register.

    SLUG is its name in commands, URLs and views: lower case letters, digits, - and _.

    Examples:
      openregister register:add geo
      openregister register:add geo --title "Geography" --description "Places of the world"
    """
    register = cli.application.write(
        registers.add, slug, title=title, description=description, actor=cli.actor
    )
    cli.output.result(
        register_with_count(Overview(register, ())),
        f"Added register {register.slug} ({register.title})",
    )


@command("register:list")
@click.pass_obj
def list_(cli: Cli) -> None:
    """List the registers.

    Examples:
      openregister register:list
      openregister register:list --output json
    """
    cli.output.rows(
        [register_with_count(found) for found in cli.application.read(registers.overview)],
        ["slug", "title", "schemas", "objects"],
        empty="No registers yet; `openregister register:add SLUG` creates one",
    )


@command("register:show")
@click.argument("slug")
@click.pass_obj
def show(cli: Cli, slug: str) -> None:
    """Show a register, its schemas and its number of objects.

    Examples:
      openregister register:show geo
    """
    cli.output.record(register_with_count(cli.application.read(registers.show, slug)))


@command("register:delete")
@click.argument("slug")
@click.pass_obj
def delete(cli: Cli, slug: str) -> None:
    """Delete a register that no source uses and that never contained objects.

    Its schemas are kept.

    Examples:
      openregister register:delete geo
    """
    cli.application.write(registers.delete, slug)
    cli.output.result({"deleted": slug}, f"Deleted register {slug}")


commands: list[click.Command] = [add, list_, show, delete]
