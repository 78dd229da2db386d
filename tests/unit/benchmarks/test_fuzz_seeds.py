"""Inputs that once did harm do none, in processes with ceilings of memory and time.

The same programs try new inputs with ``make fuzz``.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.fuzz import runner
from benchmarks.fuzz.grammars import GRAMMARS
from benchmarks.fuzz.runner import Results, Runner
from benchmarks.fuzz.seeds import SEEDS

ENVIRONMENT = dict(os.environ)


# The API has a test of its own, tests/integration/api/test_contract.
@pytest.mark.promise("other malformed input")
@pytest.mark.parametrize("target", [name for name in GRAMMARS if name != "request"])
def test_no_kept_input_kills_hangs_or_shows_raw_names(target: str) -> None:
    results = Results()
    with Runner(target, ENVIRONMENT) as child:
        for given in SEEDS[target]:
            results.add(child.take(given))
    assert results.tried == len(SEEDS[target])
    assert results.findings == []


@pytest.mark.promise("other malformed input")
@pytest.mark.parametrize(
    ("given", "finding"),
    [
        (b"hang", "hangs for"),
        (b"die", "killed by SIGABRT"),
        (b"memory", "more memory than allowed"),
        (b"raise", "not foreseen: KeyError"),
        (b"name", "a raw name in a message"),
        (b"", ""),
    ],
)
def test_what_must_not_happen_is_noticed(
    monkeypatch: pytest.MonkeyPatch, given: bytes, finding: str
) -> None:
    with Runner("trap", ENVIRONMENT) as child:
        assert child.take(b"")["finding"] == ""
        monkeypatch.setattr(runner, "HANG", 1.0)
        found = Results().add(child.take(given))
        assert found.startswith(finding)
        assert bool(found) == bool(finding)
        monkeypatch.setattr(runner, "HANG", 60.0)
        assert child.take(b"")["finding"] == "", "a new child takes the next one"


def test_slow_and_large_inputs_are_findings() -> None:
    quick = {"outcome": "read", "seconds": 0.1, "memory": 0, "finding": ""}
    results = Results()
    assert not results.add(quick)
    assert results.add({**quick, "seconds": 11.0}) == "took 11.0 s"
    assert results.add({**quick, "memory": 600 * 2**20}) == "took 600 MiB"
