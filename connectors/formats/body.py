"""The body of an HTTP response to rows: its format by setting, by media type or by content.

A media type may be wrong. `application/octet-stream` says nothing, and servers often send CSV or
XML as JSON or HTML, so the content decides whenever it is unambiguous.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import orjson

from connectors.formats import base
from connectors.formats.base import FormatReader, decoded
from connectors.formats.beginning import beginning
from connectors.formats.csv import CsvOptions, CsvReader
from connectors.formats.ndjson import NdjsonReader
from connectors.formats.texts import signatures
from connectors.sdk import (
    Batch,
    DataError,
    Row,
    RowBatch,
    RowData,
    RowProblem,
    canonical,
    redact,
    truth,
)
from connectors.sdk.bodies.charsets import known_codec
from connectors.sdk.bodies.refusals import Errors, failure_in, failure_in_xml
from connectors.sdk.connector import Context
from connectors.sdk.http.messages import Answer
from connectors.sdk.paging.bodies import encoding_of, excerpt, parse_json

BodyFormat = Literal["auto", "json", "ndjson", "csv", "xml"]

_BY_TYPE: dict[str, BodyFormat] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/jsonlines": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/json-seq": "ndjson",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/xml": "xml",
    "text/xml": "xml",
}
_HTML = re.compile(
    rb"(?:<\?xml[^>]{0,200}\?>\s*|<!--.{0,2000}?-->\s*){0,8}+"
    rb"<(?:!doctype\s+html|html|head|body|script|div|h1|p|center)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_XML_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
_SAMPLE = 64 * 1024


class BodyReader:
    """Reads rows from bodies that are not JSON; `warnings` grows while it reads."""

    def __init__(
        self,
        format: BodyFormat,  # noqa: A002
        *,
        records: str = "",
        errors: Errors = "",
        options: CsvOptions | None = None,
        is_deleted: Callable[[RowData], bool] | None = None,
        context: Context | None = None,
    ) -> None:
        self._given = format
        self._records = records
        self._errors = errors
        self._csv = options or CsvOptions()
        self._is_deleted = is_deleted
        self._context = context or Context()
        self._findings = self._context.findings
        self.warnings: list[str] = []

    def format_of(self, answer: Answer, where: str = "") -> BodyFormat:
        """The format of a body. Raises DataError if an earlier read found another one."""
        if self._given != "auto":
            return self._given
        found = by_content(answer)
        known = self._findings.get("format")
        if found == "json" and known != found and _may_be(known, answer.body):
            found = "ndjson" if known == "ndjson" else "csv"  # one row, or a header alone
        if known not in (None, found):
            self._refuse_other(found, answer, where)
        if answer.body.strip():
            self._findings.settle("format", found, where=where)
        return found

    def batches(self, answer: Answer, what: str) -> list[Batch] | None:
        """The rows of a body that is not JSON; None for JSON.

        Raises DataError for a body that is an error, or not in the expected format.
        """
        if (binary := signatures.binary(answer.body[:64])) is not None:
            raise DataError(
                f"The response is {binary[0]}, not rows",
                where=what,
                hint="Request JSON, CSV or XML (endpoint, query, Accept header)",
            )
        if _HTML.match(_text_of(answer)):
            raise DataError(
                f"The response is an HTML page, not rows: {excerpt(answer)}",
                where=what,
                hint="A login page or an error page? Check endpoint and auth; nothing was deleted",
            )
        kind = self.format_of(answer, what)
        if kind == "json":
            return None
        self._refuse(kind, answer, what)
        body = _as_lines(answer.body) if kind == "ndjson" else answer.body
        if kind == "xml":
            body = self._xml(answer)
            if self._says_empty(body, what):
                return []
        reader = self._reader(kind, answer).told(self._context)
        size = self._context.limits.batch_size
        read = reader.batches(io.BytesIO(body), name=what, batch_size=size)
        batches: list[Batch] = list(read)
        if self._is_deleted is not None:
            batches = [_flagged(batch, self._is_deleted) for batch in batches]
        return batches

    def beginning(self, answer: Answer, rows: int) -> bytes | None:
        """The first rows of a longer body, well-formed on their own; None if there are too few."""
        kind = self._given if self._given != "auto" else by_content(answer)
        known = self._findings.get("records")
        path = self._records or (known if isinstance(known, str) else "")
        return beginning(answer.body, kind, rows, records=path)

    def about(self, answer: Answer) -> dict[str, Any] | None:
        """What a body that is not JSON contains besides its rows; None if that is nothing."""
        if self.format_of(answer) != "xml":
            return None
        from connectors.formats.outline import outline

        known = self._findings.get("records")
        path = self._records or (known if isinstance(known, str) else "")
        return outline(self._xml(answer), path if "/" in path else path.replace(".", "/"))[1]

    def _says_empty(self, body: bytes, what: str) -> bool:
        """Whether an OAI-PMH response says that no record matches, which is not an error.

        Raises DataError for its other errors (OAI-PMH 2.0, section 3.6).
        """
        if b"OAI-PMH" not in body[:_SAMPLE] or b"error" not in body[:_SAMPLE]:
            return False
        from connectors.formats.outline import outline  # lxml, which other bodies do not need

        root, about = outline(body, "OAI-PMH/ListRecords/record")
        if root != "OAI-PMH" or "error" not in about:
            return False
        if about.get("code") == "noRecordsMatch":
            return True
        raise DataError(
            f"The repository returned the error {about.get('code')}: "
            f"{redact.shorten(str(about['error']), 200)}",
            where=what,
            hint="Check query (verb, metadataPrefix, set) and pagination.keep",
        )

    def _refuse_other(self, found: BodyFormat, answer: Answer, what: str) -> None:
        """Raise DataError for a body of another format than before that states an error.

        That is what happened; that the format differs would send a person the wrong way.
        """
        failure = None
        if found == "xml":
            failure = failure_in_xml(_text_of(answer))
        elif found == "json" and answer.body.strip():
            failure = failure_in(parse_json(answer, what), self._records, self._errors)
        if failure is not None:
            raise DataError(f"The response is an error ({failure}): {excerpt(answer)}", where=what)

    def _refuse(self, kind: BodyFormat, answer: Answer, what: str) -> None:
        failure = None
        body = _text_of(answer)
        if kind == "xml" or body[:1] == b"<":
            failure = failure_in_xml(body)
        elif kind == "ndjson":
            failure = self._failure_of_line(body)
        if failure is not None:
            raise DataError(f"The response is an error ({failure}): {excerpt(answer)}", where=what)
        if kind in ("csv", "xml") and body[:1] in (b"{", b"[") and _is_json(body):
            raise DataError(f"The response is JSON, not {kind}: {excerpt(answer)}", where=what)

    def _failure_of_line(self, body: bytes) -> str | None:
        """A body of a single line may be an error instead of a row."""
        line = body.strip(b"\x1e \r\n\t")
        if b"\n" in line:
            return None
        try:
            return failure_in(orjson.loads(line), ".", self._errors)
        except ValueError:
            return None

    # Encodings.

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _charset(self, answer: Answer) -> str | None:
        """The header's charset, if it exists and the body has no byte order mark."""
        charset = answer.charset
        if charset is None or encoding_of(answer.body) is not None:
            return None
        if known_codec(charset) is None:
            warning = f"The server declares an unknown charset ({charset!r}); it was detected"
            self._warn(warning)
            return None
        return charset

    def _xml(self, answer: Answer) -> bytes:
        """XML as UTF-8 if the header declares its charset, which takes precedence over the
        declaration in the document (RFC 7303, 3).
        """
        charset = self._charset(answer)
        if charset is None:
            return answer.body
        try:
            text = answer.body.decode(
                "utf-8" if codecs.lookup(charset).name == "ascii" else charset
            )
        except UnicodeDecodeError:
            self._warn(
                f"The body is not {charset}, as the server declares; the document's own "
                "declaration was used"
            )
            return answer.body
        return _XML_DECLARATION.sub("", text).lstrip().encode()

    def _reader(self, kind: BodyFormat, answer: Answer) -> FormatReader:
        if kind == "xml":
            from connectors.formats.xml import XmlReader

            return XmlReader(self._records)
        if kind == "ndjson":
            return NdjsonReader()
        options = self._csv
        charset = self._charset(answer)
        if charset and not options.encoding:
            options = options.model_copy(update={"encoding": charset})
        return CsvReader(options)


def by_content(answer: Answer) -> BodyFormat:
    """The format of a body by its first characters, or its media type if they are ambiguous."""
    media = answer.media_type
    claimed = _BY_TYPE.get(media) or ("xml" if media.endswith("+xml") else None)
    head = _head(answer.body)
    if head[:1] in ("{", "[", "\x1e"):
        if claimed == "ndjson" or head[:1] == "\x1e" or _is_lines(answer.body):
            return "ndjson"
        if claimed == "csv" and not _is_json(answer.body):
            return "csv"
        return "json"
    if head[:1] == "<":
        return "json" if _HTML.match(head.encode()) else "xml"
    if claimed is not None:
        return claimed
    return "csv" if _is_table(head) else "json"


def _may_be(known: object, body: bytes) -> bool:
    """Whether a body that looks like one JSON document, or empty, may have the known format."""
    head = _head(body)
    if known == "ndjson":
        return head.startswith("{") and "\n" not in head.strip()
    return known == "csv" and bool(head) and head[0] not in "{[<"


def _text_of(answer: Answer) -> bytes:
    return answer.body.removeprefix(codecs.BOM_UTF8).lstrip()


def _head(body: bytes) -> str:
    text = body[:_SAMPLE].decode(encoding_of(body) or "utf-8", "replace")
    return text.lstrip("\ufeff \t\r\n")


def _is_lines(body: bytes) -> bool:
    """Whether the first line is a complete JSON object and something follows."""
    first, _, rest = body.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest[:_SAMPLE].strip():
        return False
    try:
        return isinstance(orjson.loads(first), dict)
    except ValueError:
        return False


def _as_lines(body: bytes) -> bytes:
    """JSON text sequences (RFC 7464) without the record separator before each line."""
    return body.replace(b"\x1e", b"") if body[:1] == b"\x1e" else body


def _is_json(body: bytes) -> bool:
    try:
        canonical.loads(body.removeprefix(codecs.BOM_UTF8))
    except ValueError:
        return False
    return True


def _is_table(head: str) -> bool:
    """Whether the first lines have the same number of cells, at least two.

    A sentence with a comma is one line; a table with an unspecific type has at least two.
    """
    lines = head.splitlines()[:10]
    if len(head) >= _SAMPLE:
        lines = lines[:-1]
    for delimiter in (",", ";", "\t", "|"):
        try:
            rows = list(csv.reader([line for line in lines if line], delimiter=delimiter))
        except csv.Error:
            continue
        if len(rows) > 1 and len(rows[0]) > 1 and len({len(row) for row in rows[:3]}) == 1:
            return True
    return False


def _flagged(batch: Batch, is_deleted: Callable[[RowData], bool]) -> Batch:
    """The batch with its tombstones marked; an invalid flag is a problem of its row."""
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for item in decoded(batch):
        if isinstance(item, RowProblem):
            problems.append(item)
            continue
        try:
            rows.append(Row(item.data, item.position, is_deleted(item.data)))
        except truth.FlagError as error:
            message = f"The deletion flag {error}"
            problems.append(base.problem(item.position, message, item.data, path=error.path))
    return RowBatch(rows=rows, problems=problems)


def sample_of(batches: Sequence[Batch], most: int) -> list[RowData]:
    """The first decodable rows."""
    found: list[RowData] = []
    for batch in batches:
        for item in decoded(batch):
            if isinstance(item, Row):
                found.append(item.data)
            if len(found) >= most:
                return found
    return found
