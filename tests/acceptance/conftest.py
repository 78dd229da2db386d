"""Fixtures of the tests that use the software as its users do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on a fresh, migrated database and a data directory of its own."""
    return _command_line(database_url, tmp_path)


@pytest.fixture
def any_cli(any_database_url: str, tmp_path: Path) -> CommandLine:
    """The same, on the embedded server and again on an installed one."""
    return _command_line(any_database_url, tmp_path)


@pytest.fixture
def bare_cli(tmp_path: Path) -> CommandLine:
    """The command line without any setting."""
    return CommandLine(tmp_path)


def _command_line(database_url: str, directory: Path) -> CommandLine:
    return CommandLine(
        directory,
        {
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(directory / "data"),
        },
    )
