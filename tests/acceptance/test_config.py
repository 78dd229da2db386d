"""`config:*` from the shell."""

from __future__ import annotations

from tests.acceptance.command_line import CommandLine


def test_a_setting_is_changed_read_and_reset(cli: CommandLine) -> None:
    cli("config:set", "source.batch_size", "250").ok()
    assert cli("config:get", "source.batch_size").ok().stdout == "250\n"
    assert [row["key"] for row in cli.json("config:list", "--set")] == ["source.batch_size"]
    assert cli.json("config:reset", "source.batch_size")["set"] is False


def test_a_value_out_of_bounds_is_refused(cli: CommandLine) -> None:
    result = cli("config:set", "source.batch_size", "many", "--output", "json")
    assert result.exit_code == 2
    assert list(result.json["error"]["faults"]) == ["source.batch_size"]


def test_an_unknown_setting_is_refused(cli: CommandLine) -> None:
    result = cli("config:get", "source.colour")
    assert result.exit_code == 2
    assert "config:list" in result.stderr


def test_a_secret_is_read_from_standard_input_and_never_shown(cli: CommandLine) -> None:
    outputs = [
        cli("config:set", "alerts.smtp_password", "-", stdin="geheim\n").ok(),
        cli("config:get", "alerts.smtp_password", "-vv").ok(),
        cli("config:list", "--output", "json").ok(),
    ]
    assert "***" in outputs[1].stdout
    assert not any("geheim" in output.stdout + output.stderr for output in outputs)


def test_a_secret_that_nobody_gives_is_an_error(cli: CommandLine) -> None:
    result = cli("config:set", "alerts.smtp_password", "-", "--no-interaction")
    assert result.exit_code == 2
    assert "alerts.smtp_password" in result.stderr


def test_lists_are_separated_by_commas(cli: CommandLine) -> None:
    cli("config:set", "alerts.emails", "a@example.org, b@example.org").ok()
    assert cli.json("config:get", "alerts.emails")["value"] == ["a@example.org", "b@example.org"]
