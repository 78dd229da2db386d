"""The stages of a sync run in the order in which their package lists them."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import app.sync
from tests.integration.bench import Bench

FOLDER = Path(app.sync.__file__).parent
WORK = {
    "read_ahead": "ahead",
    "identify": "prepare",
    "lanes": "Lanes.submit",
    "postgres.writer (find)": "_Writing.find",
    "resolve": "Resolver.resolve",
    "postgres.writer (write)": "_Writing.write",
    "seen": "Seen.mark",
    "missing": "settle_missing",
    "report": "Counters.check",
    "verdict": "judge",
}
"""The function with which each stage begins its work."""


def listed() -> list[str]:
    """The stages in the order of the package's docstring."""
    lines = re.findall(r"^\d+\. `([\w.]+)`(?: \(`(\w+)`\))?:", app.sync.__doc__ or "", re.MULTILINE)
    return [f"{module} ({part})" if part else module for module, part in lines]


def test_the_stages_run_in_the_order_in_which_they_are_listed(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write({"code": str(number), "name": "x"} for number in range(30))
    bench.sync()
    names = {
        (str(FOLDER / f"{stage.partition(' ')[0].replace('.', '/')}.py"), function): stage
        for stage, function in WORK.items()
    }
    met: list[str] = []

    def notice(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            stage = names.get((frame.f_code.co_filename, frame.f_code.co_qualname))
            if stage is not None and stage not in met:
                met.append(stage)

    bench.write({"code": str(number), "name": "y"} for number in range(29))
    threading.setprofile(notice)
    sys.setprofile(notice)
    try:
        bench.sync()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # which ends it
    assert met == listed() == list(WORK)


def test_every_stage_that_is_listed_is_a_file() -> None:
    for stage in listed():
        assert (FOLDER / f"{stage.partition(' ')[0].replace('.', '/')}.py").is_file(), stage
