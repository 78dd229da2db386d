"""The evidence of a read: rows read, totals stated, and at the end whether that was everything.

Completeness needs positive evidence, and nothing against it. A sign of more rows that was not
followed is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sdk import canonical
from connectors.sdk.counting import counted
from connectors.sdk.errors import DataError
from connectors.sdk.paging import advice, words
from connectors.sdk.paging.base import Paginator
from connectors.sdk.paging.distinct import Distinct, alike, columns, key_function, likely_key
from connectors.sdk.paging.pages import Page
from connectors.sdk.paging.signs import Kind, Look, Sign, look
from connectors.sdk.paging.totals import page_size
from connectors.sdk.paths import MISSING
from connectors.sdk.rows import Proof

_EMPTY_IN_A_ROW = 100
"""Consecutive pages without rows that are allowed before they count as a loop."""
_NOTHING_NEW = 10
"""Consecutive pages with only repeated rows that count as a loop."""
_CIRCLE = "Check pagination: the source may not support its parameters"
_AGAIN = (
    "Run it again: objects may have changed while they were read. If that does not help, the other "
    "instance counts objects that this user may not read"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a read is complete, or why not; and one sentence for the user."""

    because: Proof | None
    doubt: str
    evidence: str
    silent: bool = False
    """The source gives no evidence at all: a user can declare that this is everything."""
    in_body: bool = False
    """The body of the only page is the evidence: while it is unchanged, nothing has changed."""


class Ledger:
    """The totals of the pages of one read. `key`: the paths that identify a row.

    `settings`: the connector has a setting `pagination`, which hints may mention.
    """

    def __init__(
        self,
        key: Sequence[str] = (),
        *,
        repeats: bool = False,
        more: str | None = "",
        settings: bool = True,
    ) -> None:
        self._settings = settings
        self._key = tuple(key)
        self._repeats = repeats
        self._more = more
        self._take: Callable[[Sequence[Any]], list[Any]] | None = None
        self._chosen = False
        self._distinct = Distinct()
        self._digests: dict[Hashable, int] = {}
        self._forms: dict[Hashable, int] = {}
        self._columns: dict[int, dict[str, int]] = {}
        self._familiar = 0
        self._stale = 0
        self._empty = 0
        self._largest = 0
        self._full_pages = 0
        self._totals: set[int] = set()
        self._own_sizes = True
        """Every total so far equalled the size of its own page, so it is not a total."""
        self.rows = 0
        self.last: Page | None = None
        self.again = False
        """The request for the page after the last one returned the last page again."""

    # One page.

    def add(self, page: Page, paginator: Paginator) -> bool:
        """Add a page. False: it is the last page again, and must be ignored.

        Raises DataError if paging does not advance.
        """
        if page.rows == 0:
            self._empty += 1
            if self._empty > _EMPTY_IN_A_ROW:
                raise DataError(
                    f"{_EMPTY_IN_A_ROW} consecutive pages without rows, each with a next page",
                    where=page.label,
                    hint=self._hint(_CIRCLE),
                )
            self.last = page
            return True
        self._empty = 0
        before = self._seen_before(page)
        if before is not None:
            if self._is_last_again(page, before, paginator):
                self.again = True
                return False
            raise DataError(
                f"Page {page.number} repeats page {before}: paging is in a loop",
                where=page.request.where,
                hint=self._hint(_CIRCLE),
            )
        self.rows += page.rows
        self._full_pages += page.rows == self._largest
        if page.rows > self._largest:
            self._largest, self._full_pages = page.rows, 1
        self.last = page
        return True

    def _is_last_again(self, page: Page, before: int, paginator: Paginator) -> bool:
        if not paginator.counts or before != page.number - 1:
            return False
        return before > 1 or (paginator.total is not None and self.rows >= paginator.total)

    def counted(self, total: int | None, rows: int) -> None:
        """Record the total stated on a page with this many rows."""
        if total is not None:
            self._totals.add(total)
            self._own_sizes = self._own_sizes and total == rows

    def _seen_before(self, page: Page) -> int | None:
        """The page that this one repeats, ignoring order and times."""
        before: int | None = self._digests.setdefault(page.digest, page.number)
        if before != page.number:
            return before
        keys = self._keys(page)
        if self._take is None and (before := self._alike(page)) is not None:
            return before
        if not keys:
            return None
        new = self._distinct.add(keys)
        form = _form(keys, ordered=self._distinct.ordered)
        earlier = self._forms.setdefault(form, page.number)
        self._familiar = self._familiar + 1 if earlier != page.number else 0
        self._stale = self._stale + 1 if new == 0 else 0
        if self._repeats:
            return None
        if earlier != page.number and ((new == 0 and len(keys) == page.rows) or self._familiar > 2):
            return earlier
        if self._stale >= _NOTHING_NEW:
            return page.number - self._stale
        return None

    def _keys(self, page: Page) -> Sequence[Hashable]:
        """The identifiers of a page's rows: their keys, or whole rows."""
        if page.batches:
            return self._keys_of_batches(page)
        if not self._chosen:
            self._chosen = True
            self._take = (self._key and key_function(self._key, page.items)) or key_function(
                (), page.items
            )
        if self._take is not None:
            keys = self._take(page.items)
            return keys if None not in keys else [key for key in keys if key is not None]
        if page.raws is not None:
            return page.raws
        return [canonical.raw_bytes(item) for item in page.items]

    def _keys_of_batches(self, page: Page) -> Sequence[Hashable]:
        keys: list[Hashable] = []
        for batch in page.batches:
            found = batch.keys(self._key) if self._key else None
            keys += batch.raw() if found is None else [key for key in found if key is not None]
        return keys

    def _alike(self, page: Page) -> int | None:
        """Page 1 or the previous page, if most fields of this one have the same values."""
        before, here = self._columns, columns(page.items)
        first = before.get(1, here)
        self._columns = {1: first, page.number: here}
        same = (number for number, other in before.items() if alike(other, here))
        return next(same, None)

    # The end.

    def verdict(self, paginator: Paginator, *, stated: bool = False) -> Verdict:
        """Whether the read is complete, after its last page. `stated`: a user said so.

        Raises DataError if the source states more rows than were read.
        """
        page = self.last
        if page is None:
            return Verdict(None, "No page was read.", "nothing was read")
        signs = self._signs(page)
        self._check_totals(paginator, page, signs)
        found = self._evidence(paginator, page, signs, stated=stated)
        self._check_signs(signs, page, found)
        against = self._against()
        if found is not None and not against:
            because, evidence = found
            in_body = because in (Proof.STATED, Proof.TOTAL, Proof.END_MARKER)
            if because is not Proof.STATED and not (signs.in_body or paginator.total_in_body):
                in_body = False
            return Verdict(because, "", f"{counted(self.rows, 'row')}; {evidence}", in_body=in_body)
        if against:
            return Verdict(None, against, f"{counted(self.rows, 'row')}; {against}")
        return Verdict(
            None,
            self._doubt(paginator, page),
            f"{counted(self.rows, 'row')}; nothing says whether there are more",
            silent=not self.again,
        )

    def _signs(self, page: Page) -> Look:
        if self._more is None:
            return Look()
        if self._more:
            value = page.at(self._more)
            said = words.truth(value)
            sign = Sign(Kind.FLAG, self._more, value)
            if value is MISSING:
                return Look()
            more = not words.is_nothing(value) if said is None else said
            return Look(more=[sign] if more else [], ends=[] if more else [sign])
        return look(page.document, page.headers, page.records)

    def _check_totals(self, paginator: Paginator, page: Page, signs: Look) -> None:
        led = next((sign for sign in signs.more if sign.kind is not Kind.FLAG), None)
        way = advice.following(led, page, "id") if led else advice.counting(page)
        total = paginator.total
        floor = max(paginator.floor, total if total is not None and len(self._totals) < 2 else 0)
        if self.rows < floor:
            raise DataError(
                f"The source reports {counted(floor, 'row')} but returned {self.rows}",
                where=page.label,
                hint=self._hint(
                    f"Set {way}; if the number has another meaning, set pagination.total to null"
                ),
            )
        pages = paginator.pages
        if pages is not None and total is None and page.number < pages and self._more is not None:
            raise DataError(
                f"The source reports {counted(pages, 'page')} but returned {page.number}",
                where=page.label,
                hint=self._hint(
                    f"Set {way}; if the number has another meaning, set more: null in pagination"
                ),
            )

    def _evidence(
        self, paginator: Paginator, page: Page, signs: Look, *, stated: bool
    ) -> tuple[Proof, str] | None:
        if stated:
            return Proof.STATED, "pagination: none declares that one response contains everything"
        if self._total_proves(paginator, page):
            return Proof.TOTAL, f"the source reports {paginator.total}"
        if paginator.pages is not None and page.number >= paginator.pages and not signs.more:
            return Proof.END_MARKER, f"the last of {counted(paginator.pages, 'page')}"
        if signs.is_last or (signs.ends and not signs.more):
            flag = next((s for s in signs.ends if s.kind is Kind.FLAG), signs.ends[0])
            return Proof.END_MARKER, flag.text
        if paginator.null_seen:
            return Proof.END_MARKER, "no further page is named"
        refused = page.past_end and page.answer.status not in paginator.end_status
        if page.rows == 0 and not refused:
            return Proof.SHORT_PAGE, "the page after the last row is empty"
        led = [sign for sign in signs.more if sign.kind is not Kind.TOKEN]
        if paginator.followed and paginator.absent and not led:
            return Proof.LAST_LINK, "the last page has no next page"
        if self.again and page.rows < self._largest and self._full_pages > 1:
            return Proof.SHORT_PAGE, f"the last page has fewer than {counted(self._largest, 'row')}"
        return None

    def _total_proves(self, paginator: Paginator, page: Page) -> bool:
        total = paginator.total
        if total is None or len(self._totals) > 1 or self.rows != total or total == 0:
            return False
        if paginator.total_path:
            return True
        size = page_size(page.document, page.records)
        real = paginator.trusts_total or (size is not None and size > page.rows) or page.past_end
        # A round figure may be a limit of the server.
        return real and total % 1000 != 0

    def _check_signs(self, signs: Look, page: Page, found: tuple[Proof, str] | None) -> None:
        """Raise DataError if the source states that there is more."""
        because = found[0] if found else None
        outweighed = because in (Proof.TOTAL, Proof.SHORT_PAGE) or signs.is_last
        left = signs.flags if outweighed else signs.more
        if because is Proof.LAST_LINK:  # the last page may have a token too
            left = [sign for sign in left if sign.kind is not Kind.TOKEN]
        if not left:
            return
        # a link or token can be followed directly, a flag needs a paging style
        best = next((sign for sign in left if sign.kind is not Kind.FLAG), left[0])
        said = " and ".join(sign.text for sign in left[:3])
        raise DataError(
            f"The source has more rows that were not read: {said}",
            where=page.label,
            hint=self._hint(
                f"Set {advice.following(best, page, likely_key(page.items) or 'id')}; if this "
                "does not speak of pages, set more: null in pagination"
            ),
        )

    def _against(self) -> str:
        """What contradicts the evidence; empty if nothing does."""
        if len(self._totals) > 1 and not self._own_sizes:
            return (
                f"The total was between {min(self._totals)} and {max(self._totals)} while the "
                "pages were read, so rows may have moved between them; the next run reads them "
                "again."
            )
        repeated = 0 if self._repeats else self._distinct.repeated()
        if repeated:
            key = ", ".join(self._key) or "identifier"
            said = (
                f"{counted(repeated, 'row')} came on more than one page, so others may have been "
                "missed; the next run reads them again."
            )
            way = f" If rows share their {key}, set repeats: true in pagination."
            return said + way if self._settings else said
        return ""

    def _hint(self, setting: str) -> str:
        return setting if self._settings else _AGAIN

    def _doubt(self, paginator: Paginator, page: Page) -> str:
        if not self._settings:
            return f"{counted(self.rows, 'row')} read, and nothing says whether there are more."
        if page.past_end:
            return (
                f"{counted(self.rows, 'row')} read, as many as the source reports, but it refuses "
                "the page after them, and such a round number may be a limit of the source. "
                "Request smaller parts, or set pagination.total to the path of an exact number."
            )
        if self.again:
            return (
                f"The page after page {page.number} is page {page.number} again, and nothing "
                "else shows that it is the last: no total, no flag, no shorter page. Set "
                "pagination.total or pagination.pages to the path of that number."
            )
        if paginator.name in ("cursor", "next_url", "link_header"):
            return (
                f"{counted(self.rows, 'row')} read, and no page had the {_LED[paginator.name]} of "
                f"pagination. If this is everything, set {advice.EVERYTHING}."
            )
        own = paginator.total is not None and paginator.total == page.rows
        total = "a total that is only the size of the page" if own else "no total"
        return (
            f"{counted(self.rows, 'row')} read, and nothing says whether there are more: "
            f"{total}, no flag, no link, no token, and the usual page parameters change nothing. "
            f"If that is all, set {advice.EVERYTHING}; otherwise set pagination to its style."
        )


_LED = {"cursor": "token", "next_url": "link", "link_header": "Link header"}


def _form(keys: Sequence[Any], *, ordered: bool) -> Hashable:
    """Equal for pages with the same rows in any order; `ordered`: compare only first and last."""
    try:
        if ordered and keys[0] <= keys[-1]:
            return hash((len(keys), keys[0], keys[-1]))
        if ordered:
            return hash((len(keys), keys[-1], keys[0]))
        return hash((len(keys), min(keys), max(keys)))
    except TypeError:
        return hash(frozenset(keys))
