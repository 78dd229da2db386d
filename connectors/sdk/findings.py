"""What a read detected about the form of a source, so that it stays the same in later reads.

The first read detects where the rows are, the encoding of a file, the header row. Later reads use
these findings; a read that detects something else fails instead of reading other data as rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from connectors.sdk.errors import DataError
from connectors.sdk.rows import JsonValue


class Findings:
    """Known properties of a source's form, by name; `new` is what this read has added.

    Only detected values belong here, not settings given by a user.
    """

    def __init__(
        self, known: Mapping[str, JsonValue] | None = None, *, source: str = "NAME"
    ) -> None:
        self._source = source
        self._known: dict[str, JsonValue] = dict(known or {})
        self.new: dict[str, JsonValue] = {}

    def get(self, name: str) -> JsonValue:
        """The value found by this or an earlier read; None if there is none."""
        return self.new[name] if name in self.new else self._known.get(name)

    def settle(self, name: str, value: JsonValue, *, where: str = "", setting: str = "") -> None:
        """Store a finding. `setting` is the setting that would specify it, by default `name`.

        Raises DataError if an earlier read found something else.
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
