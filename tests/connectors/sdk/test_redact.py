"""Secrets are masked wherever they stand, and nothing else is."""

from __future__ import annotations

from connectors.sdk.redact import redact, remember


def test_a_known_secret_is_masked_also_where_it_is_part_of_something() -> None:
    remember("correct-horse/battery")
    assert redact("token=correct-horse/battery;") == "token=***;"
    assert redact("?t=correct-horse%2Fbattery&") == "?t=***&"


def test_a_short_secret_is_masked_as_a_word_and_leaves_other_words_alone() -> None:
    remember("xq7")
    assert redact("password xq7 was refused: unxq7known") == "password *** was refused: unxq7known"


def test_what_is_shaped_like_a_secret_is_masked() -> None:
    assert redact("postgresql://ann:s3cret@db/x") == "postgresql://ann:***@db/x"
    assert redact("Authorization: Bearer abcdefgh12345") == "Authorization: Bearer ***"
    assert redact("https://x.nl/?api_key=abc&page=2") == "https://x.nl/?api_key=***&page=2"


def test_the_names_of_schemes_are_no_secrets() -> None:
    for text in ("Basic or Bearer authentication", "The Basic authorization is not valid"):
        assert redact(text) == text
