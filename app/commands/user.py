"""`user:*`: users, their roles and passwords, and app passwords of programs."""

from __future__ import annotations

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.documents.user import app_password_document, user_document
from app.errors import UsageError
from app.sources.secrets import lookup
from app.users import sign_in
from app.users.model import User
from app.users.roles import Role

_PASSWORD = click.option(
    "--password",
    default="-",
    metavar="VALUE",
    help="- (default) prompts or reads standard input; env:NAME and file:PATH refer to it.",
)
_GENERATE = click.option("--generate", is_flag=True, help="Generate a password and print it.")


@command("user:add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="The same as --role admin.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="viewer (default) reads, register-admin also manages sources and objects, admin all.",
)
@click.option("--display-name", default="", help="Display name.")
@click.option("--email", help="E-mail address.")
@_PASSWORD
@_GENERATE
@click.pass_obj
def add(
    cli: Cli,
    name: str,
    admin: bool,
    role: str | None,
    display_name: str,
    email: str | None,
    password: str,
    generate: bool,
) -> None:
    """Add a user.

    Examples:
      openregister user:add alice --admin
      openregister user:add bob --role register-admin --password env:BOBS_PASSWORD
      openregister user:add eve --generate --output json
    """
    if admin and role not in (None, Role.ADMIN):
        raise UsageError("--admin and --role cannot be combined")
    plain = _password(cli, password, generate)
    user = sign_in.add(
        cli.application,
        name,
        role=Role.ADMIN if admin else Role(role or Role.VIEWER),
        password=plain,
        display_name=display_name,
        email=email,
    )
    _said(cli, user, f"Added user {user.name} ({user.role})", plain if generate else None)


@command("user:list")
@click.pass_obj
def list_(cli: Cli) -> None:
    """List the users.

    Examples:
      openregister user:list
      openregister user:list --output json
    """
    cli.output.rows(
        [user_document(user) for user in cli.application.read(sign_in.everybody)],
        ["name", "role", "display_name", "email", "last_login", "locked_until"],
        empty="No users yet; `openregister user:add NAME --admin` creates the first admin",
    )


@command("user:delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(cli: Cli, name: str, yes: bool) -> None:
    """Delete a user, with their sessions and app passwords.

    The audit trail keeps their actions under their name.

    Examples:
      openregister user:delete bob
      openregister user:delete bob --yes
    """
    user = cli.application.read(sign_in.get, name)
    if not yes:
        cli.confirm(f"Delete user {user.name}?")
    cli.application.write(sign_in.delete, name)
    cli.output.result({"name": user.name, "deleted": True}, f"Deleted user {user.name}")


@command("user:resetpassword")
@click.argument("name")
@_PASSWORD
@_GENERATE
@click.pass_obj
def reset_password(cli: Cli, name: str, password: str, generate: bool) -> None:
    """Set a new password, end the user's sessions and lift a lock.

    Examples:
      openregister user:resetpassword alice
      openregister user:resetpassword alice --generate
    """
    plain = _password(cli, password, generate)
    user = sign_in.reset_password(cli.application, name, plain)
    _said(cli, user, f"Set a new password for {user.name}", plain if generate else None)


@command("user:app-password")
@click.argument("name")
@click.argument("program", required=False)
@click.option("--revoke", is_flag=True, help="Revoke that app password at once.")
@click.pass_obj
def app_password(cli: Cli, name: str, program: str | None, revoke: bool) -> None:
    """Create an app password for a program, list those of a user, or revoke one.

    The token is printed once. A program sends it as Bearer, or as Basic with the user's name.

    Examples:
      openregister user:app-password alice nightly-export
      openregister user:app-password alice
      openregister user:app-password alice nightly-export --revoke
    """
    app = cli.application
    if program is None:
        if revoke:
            raise UsageError("Which app password?", hint="Name it before --revoke")
        cli.output.rows(
            [app_password_document(found) for found in app.read(sign_in.app_passwords, name)],
            ["name", "created", "last_used", "revoked"],
            empty=f"No app passwords; `openregister user:app-password {name} PROGRAM` creates one",
        )
        return
    if revoke:
        app.write(sign_in.revoke_app_password, name, program)
        cli.output.result({"name": program, "revoked": True}, f"Revoked {program}")
        return
    made = sign_in.add_app_password(app, name, program)
    cli.output.result(
        {**app_password_document(made.app_password), "token": made.token},
        f"App password {program}: {made.token}\nIt is not shown again.",
    )


def _password(cli: Cli, given: str, generate: bool) -> str:
    if generate:
        return sign_in.make_password()
    if given == "-":
        return cli.ask_secret("Password")
    try:
        found = lookup(given)
    except LookupError as error:
        raise UsageError(f"The password reference cannot be resolved: {error.args[0]}") from None
    if found == given:
        raise UsageError(
            "A password on the command line is visible in the process list",
            hint="Use --password - and type or pipe it, env:NAME or file:PATH",
        )
    return found


def _said(cli: Cli, user: User, text: str, password: str | None) -> None:
    if password is None:
        cli.output.result(user_document(user), text)
    else:
        cli.output.result({**user_document(user), "password": password}, f"{text}: {password}")


commands = [add, list_, delete, reset_password, app_password]
