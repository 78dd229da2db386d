"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings, load, manual
from connectors.sdk.redact import redact


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _file(text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = Path("openregister.toml").absolute()
    path.write_text(text)
    monkeypatch.setenv("OPENREGISTER_CONFIG", str(path))
    return path


def test_without_settings_everything_lives_in_var(tmp_path: Path) -> None:
    settings = load()
    assert settings.database_url is None
    assert settings.data_dir == tmp_path / "var"
    assert settings.log_level == "warning"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _file('log_level = "DEBUG"\ndata_dir = "/srv/file"', monkeypatch)
    monkeypatch.setenv("OPENREGISTER_DATA_DIR", "/srv/environment")
    settings = load()
    assert settings.log_level == "debug"
    assert settings.data_dir == Path("/srv/environment")


def test_lists_are_written_as_the_shell_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENREGISTER_FILE_ROOTS", "/srv/a:/srv/b")
    monkeypatch.setenv("OPENREGISTER_DENY_HOSTS", "10.0.0.0/8, internal.example.org")
    settings = load()
    assert settings.file_roots == (Path("/srv/a"), Path("/srv/b"))
    assert settings.deny_hosts == ("10.0.0.0/8", "internal.example.org")


def test_lists_in_the_file_are_toml_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    _file('allow_hosts = ["a.example.org"]', monkeypatch)
    assert load().allow_hosts == ("a.example.org",)


def test_every_fault_and_every_place_is_named_but_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = _file('log_level = "geheim1"\ncolour = "geheim2"', monkeypatch)
    monkeypatch.setenv("OPENREGISTER_DATABASE_URL", "sqlite:///geheim3")
    with pytest.raises(SettingsError) as caught:
        load()
    assert set(caught.value.faults) == {
        "OPENREGISTER_COLOUR",
        "OPENREGISTER_DATABASE_URL",
        "OPENREGISTER_LOG_LEVEL",
    }
    assert caught.value.where == f"the environment (OPENREGISTER_*), then {path}"
    assert "(environment)" in caught.value.faults["OPENREGISTER_DATABASE_URL"]
    assert str(path) in caught.value.faults["OPENREGISTER_LOG_LEVEL"]
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENREGISTER_CONFIG", "/nowhere/openregister.toml")
    with pytest.raises(SettingsError, match=r"/nowhere/openregister\.toml"):
        load()


def test_a_file_that_is_no_toml_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _file("secret_key = = geheim", monkeypatch)
    with pytest.raises(SettingsError, match="line 1") as caught:
        load()
    assert "geheim" not in str(caught.value)


def test_secrets_are_known_to_the_redactor_and_hidden_from_the_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENREGISTER_DATABASE_URL", "postgresql://user:g%40heim@host/database")
    monkeypatch.setenv("OPENREGISTER_SECRET_KEY", "key-number-one, key-number-two")
    settings = load()
    assert "heim" not in repr(settings)
    assert redact("g%40heim key-number-one key-number-two") == "*** *** ***"


def test_every_setting_is_explained() -> None:
    assert list(manual()) == list(Settings.model_fields)
    assert all(manual().values())
