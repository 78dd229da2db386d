"""What a read found out by itself about the form of a source, so that nothing is guessed twice.

The first read finds where the rows are, how a file is encoded, where the header is. Later reads
use what was found; one that finds something else fails, rather than take other things for rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from connectors.sdk.errors import DataError
from connectors.sdk.rows import JsonValue


class Findings:
    """What is known of a source's form, by name; `new` is what this read has added.

    Only what was guessed belongs here: a setting that a person gave is not a finding.
    """

    def __init__(
        self, known: Mapping[str, JsonValue] | None = None, *, source: str = "NAME"
    ) -> None:
        self._source = source
        self._known: dict[str, JsonValue] = dict(known or {})
        self.new: dict[str, JsonValue] = {}

    def get(self, name: str) -> JsonValue:
        """What was found, by an earlier read or by this one; None when nothing was."""
        return self.new[name] if name in self.new else self._known.get(name)

    def settle(self, name: str, value: JsonValue, *, where: str = "", setting: str = "") -> None:
        """Keep what was found. `setting` is the one that would state it, `name` when left out.

        Raises DataError when something else was found before.
        """
        before = self.get(name)
        if before is None:
            self.new[name] = value
        elif before != value:
            raise DataError(
                f"{name} is {_said(value)} now, but the first read of this source found "
                f"{_said(before)}",
                where=where,
                hint=f"Nothing was deleted. If the source changed its form on purpose, set "
                f"{setting or name} or accept the new form with "
                f"`source:edit {self._source} --forget-findings`",
            )


def _said(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "nothing"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
