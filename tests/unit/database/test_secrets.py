"""Stored secrets: only the right key opens them, and the key file is as private as a key."""

from __future__ import annotations

import base64
import multiprocessing
import secrets
import stat
from pathlib import Path

import pytest

from app.database.secrets import SecretBox
from app.errors import SecretKeyError
from app.settings import Settings
from connectors.sdk.redact import redact

SECRET = {"auth.token": "t0p-secret", "password": "pässwörd"}


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.mark.promise("somebody obtains a dump of the database")
def test_what_was_encrypted_comes_back_and_is_not_readable_meanwhile():
    box = SecretBox(new_key())
    token = box.encrypt(SECRET)
    assert b"t0p-secret" not in token
    assert box.decrypt(token) == SECRET


def test_both_alphabets_of_base64_name_the_same_key():
    key = base64.b64encode(b"\xfb\xff" * 16).decode()
    assert "+" in key
    assert "/" in key
    token = SecretBox(key).encrypt(1)
    assert SecretBox(key.replace("+", "-").replace("/", "_")).decrypt(token) == 1


def test_a_new_key_in_front_of_the_old_one_opens_old_secrets_and_encrypts_new_ones():
    old, new = new_key(), new_key()
    token = SecretBox(old).encrypt(SECRET)
    rotating = SecretBox(f"{new},{old}")
    assert rotating.decrypt(token) == SECRET
    assert SecretBox(new).decrypt(rotating.rotate(token)) == SECRET


def test_another_key_is_named_as_the_cause():
    token = SecretBox(new_key()).encrypt(SECRET)
    with pytest.raises(SecretKeyError, match="a different key"):
        SecretBox(new_key()).decrypt(token)


@pytest.mark.parametrize("key", ["", "short", "not base64 !", base64.b64encode(b"x" * 31).decode()])
def test_what_is_no_key_is_refused_without_being_shown(key):
    with pytest.raises(SecretKeyError, match="32 bytes in base64") as caught:
        SecretBox(key).encrypt(1)
    assert not key or key not in str(caught.value)


def test_the_redactor_learns_the_key():
    key = new_key()
    SecretBox(key).encrypt(1)
    assert key not in redact(f"key={key}")


def test_the_first_secret_makes_a_private_key_file(tmp_path):
    box = SecretBox.from_settings(Settings(data_dir=tmp_path / "var"))
    token = box.encrypt(SECRET)
    path = tmp_path / "var" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretBox(key_file=path).decrypt(token) == SECRET
    assert list(path.parent.iterdir()) == [path]


def test_a_lost_key_file_is_not_replaced_when_secrets_are_read(tmp_path):
    settings = Settings(data_dir=tmp_path)
    token = SecretBox.from_settings(settings).encrypt(SECRET)
    (tmp_path / "secret.key").unlink()
    with pytest.raises(SecretKeyError, match="is lost"):
        SecretBox.from_settings(settings).decrypt(token)
    assert not (tmp_path / "secret.key").exists()


def test_a_key_file_that_was_named_is_never_made(tmp_path):
    box = SecretBox.from_settings(Settings(secret_key_file=tmp_path / "key"))
    with pytest.raises(SecretKeyError, match="OPENREGISTER_SECRET_KEY_FILE"):
        box.encrypt(1)


@pytest.mark.promise("other accounts can read the key file")
@pytest.mark.parametrize("mode", [0o604, 0o620, 0o644, 0o666])
def test_a_key_file_that_others_can_read_or_change_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text(new_key())
    path.chmod(mode)
    with pytest.raises(SecretKeyError, match=f"{mode:04o}.*chmod 600"):
        SecretBox(key_file=path).encrypt(1)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_private_key_file_is_used(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text(f"{new_key()}\n{new_key()}\n")
    path.chmod(mode)
    box = SecretBox(key_file=path)
    assert box.decrypt(box.encrypt(SECRET)) == SECRET


def test_the_environment_wins_over_a_key_file(tmp_path):
    key = new_key()
    settings = Settings(secret_key=key, secret_key_file=tmp_path / "none", data_dir=tmp_path)
    token = SecretBox.from_settings(settings).encrypt(1)
    assert SecretBox(key).decrypt(token) == 1


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        tokens = pool.map(_encrypt_in, [tmp_path] * 8, chunksize=1)
    box = SecretBox(key_file=tmp_path / "secret.key")
    assert [box.decrypt(token) for token in tokens] == [SECRET] * 8


def _encrypt_in(data_dir: Path) -> bytes:
    return SecretBox.from_settings(Settings(data_dir=data_dir)).encrypt(SECRET)
