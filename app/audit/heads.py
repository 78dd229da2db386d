"""Heads of the audit chains, kept outside the database to detect truncation.

The owner of the database can cut entries off the end of a chain and adjust its record, or empty
the whole register; the remainder then verifies. A head recorded elsewhere reveals this: the
chain must still have that entry with that hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.audit import chain_rule as rules
from app.audit import store
from app.audit.store import Chain
from app.errors import UsageError


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain at some moment: `length` is its position, `hash` hexadecimal.

    For edits by users, `source_id` is 0 and `source` is None.
    """

    source: str | None
    source_id: int
    lane: int
    length: int
    hash: str

    @property
    def place(self) -> tuple[int, int]:
        """The identity of a chain, whatever its source is called."""
        return self.source_id, self.lane


def of(chains: Iterable[Chain]) -> list[Head]:
    """The heads according to the chains' own records."""
    return [
        Head(
            chain.source_name if chain.source_id else None,
            chain.source_id,
            chain.lane,
            chain.length,
            bytes(chain.head).hex(),
        )
        for chain in chains
    ]


def parse(document: Any, *, where: str = "") -> list[Head]:
    """Heads from the output of `audit:verify --output json`, or from its member `heads`.

    Raises UsageError for anything else.
    """
    listed = document.get("heads") if isinstance(document, Mapping) else document
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise UsageError(
            "The file has no list of heads",
            where=where,
            hint="Keep the output of `openregister audit:verify --output json`",
        )
    if not listed:
        raise UsageError(
            "The file contains no heads to compare with",
            where=where,
            hint="Use output saved after the first run of a source",
        )
    return [_parse(one, f"{where}, head {number}") for number, one in enumerate(listed, 1)]


def _parse(one: Mapping[str, Any], where: str) -> Head:
    try:
        numbers = [one["source_id"], one["lane"], one["length"]]
        source, text = one.get("source"), one["hash"]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError
        if len(bytes.fromhex(text)) != 32:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            "This is not the head of a chain",
            where=where,
            hint="A head has `source_id`, `lane` and `length` as numbers and `hash` as 64 hex "
            "digits",
        ) from None
    number, lane, length = numbers
    return Head(None if source is None else str(source), number, lane, length, text.lower())


def of_source(source: str | None, now: Sequence[Head], recorded: Sequence[Head]) -> list[Head]:
    """The recorded heads of a source, even if its chains are gone; None: all."""
    if source is None:
        return list(recorded)
    ids = {head.source_id for head in now}
    return [head for head in recorded if head.source_id in ids or head.source == source]


def contradictions(
    connection: sa.Connection, chains: Sequence[Chain], heads: Sequence[Head]
) -> list[tuple[Head, str]]:
    """The recorded heads that the current chains contradict, each with the reason."""
    by_place = {(chain.source_id, chain.lane): chain for chain in chains}
    found = []
    for head in heads:
        chain = by_place.get(head.place)
        if chain is None:
            if head.length:
                number = f"{head.length:,}"
                found.append((head, f"the chain is missing; its recorded head is entry {number}"))
        elif chain.length < head.length:
            cut = f"entries {chain.length + 1} to {head.length} were cut off"
            found.append((head, f"{cut}; the recorded head is entry {head.length}"))
        elif _hash_at(connection, chain, head.length) != head.hash:
            found.append((head, f"the hash of entry {head.length} differs from the recorded head"))
    return found


def _hash_at(connection: sa.Connection, chain: Chain, position: int) -> str | None:
    if position == 0:
        return rules.anchor(chain.source_id, chain.lane).hex()
    found = store.hash_at(connection, chain.id, position)
    return None if found is None else found.hex()
