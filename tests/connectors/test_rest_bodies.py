"""Bodies as servers send them: read right, or refused with a reason; never half right.

Each case names the standard or the public report whose kind it is.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from connectors.formats import decoded
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import (
    AuthenticationError,
    Context,
    DataError,
    FatalError,
    LimitError,
    RetriableError,
    Row,
    RowProblem,
    canonical,
)
from connectors.sdk.config import parse
from connectors.sdk.findings import Findings
from tests.places import INPUTS
from tests.servers import http_api
from tests.servers.http_api import Call, HttpApi


def read(api: HttpApi, context: Context, **fields: Any) -> list[Row | RowProblem]:
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none", **fields}
    connector = RestConnector(parse(RestConfig, document), context)
    return [item for batch in connector.read() for item in decoded(batch)]


def sent(
    api: HttpApi, context: Context, body: bytes | str, media: str, **fields: Any
) -> list[Row | RowProblem]:
    api.on("/rows", http_api.text(body, media))
    return read(api, replace(context, findings=Findings()), **fields)


def data(items: Sequence[Row | RowProblem]) -> list[Any]:
    """The rows' data, and of problems what they say."""
    return [item.data if isinstance(item, Row) else item.errors[0].message for item in items]


# What cannot be kept is one row's problem.

DEEP = b'{"id": 2, "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"

UNKEPT = {
    # RFC 8259, 8.2: half a surrogate pair has unpredictable effects
    "half a surrogate pair": (b'{"id": 2, "name": "bad\\ud83d"}', "a lone surrogate"),
    "the second half alone": (b'{"id": 2, "name": "\\ude00bad"}', "a lone surrogate"),
    "half a pair in a name": (b'{"id": 2, "\\ud83d": 1}', "a lone surrogate"),
    # RFC 8259, 6 and 9: a parser may set limits on the range of numbers and on depth
    "an exponent of millions": (b'{"id": 2, "a": 1e100000000}', "1000 digits"),
    "an exponent beyond counting": (b'{"id": 2, "a": 1e99999999999999999999}', "number"),
    # brian7704/OpenTAKServer#291: only some rows have it
    "NaN": (b'{"id": 2, "ce": NaN}', "not a JSON number"),
    "-Infinity": (b'{"id": 2, "ce": -Infinity}', "not a JSON number"),
    "a negative exponent": (b'{"id": 2, "a": 1e-100000000}', "1000 digits"),
    "a number of 5,000 digits": (b'{"id": 2, "a": ' + b"1" * 5000 + b"}", "1000 digits"),
    "a fraction of 5,000 digits": (b'{"id": 2, "a": 0.' + b"1" * 5000 + b"}", "1000 digits"),
    "500 levels": (b'{"id": 2, "a": ' + b"[" * 500 + b"]" * 500 + b"}", "200 levels"),
    "1,020 levels": (b'{"id": 2, "a": ' + b'{"a":' * 1020 + b"1" + b"}" * 1021, "200 levels"),
    "5,000 levels": (DEEP, "200 levels"),
}


@pytest.mark.promise("a value that the database cannot store ends the run, or is stored changed")
@pytest.mark.parametrize("what", UNKEPT)
@pytest.mark.parametrize("kind", ["json", "ndjson"])
def test_a_value_that_cannot_be_kept_rejects_its_row_alone(
    api: HttpApi, quick: Context, what: str, kind: str
) -> None:
    bad, reason = UNKEPT[what]
    if kind == "json":
        body, media = b'{"total": 3, "items": [{"id": 1},%b,{"id": 3}]}' % bad, "application/json"
    else:
        body, media = b'{"id": 1}\n%b\n{"id": 3}\n' % bad, "application/x-ndjson"
    first, problem, last = sent(api, quick, body, media)
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert [first.data, last.data] == [{"id": 1}, {"id": 3}]
    assert isinstance(problem, RowProblem)
    if kind == "json":
        assert reason in problem.errors[0].message
    canonical.dumps(canonical.value(problem.raw))  # it can be shown, too


def test_an_invalid_byte_costs_its_own_row(api: HttpApi, quick: Context) -> None:
    # RFC 8259, 8.1: JSON is UTF-8, and no charset says otherwise here
    body = '[{"id": 1, "name": "Zoë"},'.encode() + b'{"id": 2, "name": "Zo\xeb"}]'
    row, problem = sent(api, quick, body, "application/json")
    assert data([row]) == [{"id": 1, "name": "Zoë"}]
    assert "an invalid byte" in data([problem])[0]


def test_the_key_of_a_rejected_row_is_known_where_it_can_be_read(
    api: HttpApi, quick: Context
) -> None:
    api.on("/rows", http_api.text(b'[{"id": 1}, {"id": 2, "a": "\\ud83d"}]', "application/json"))
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    (batch,) = RestConnector(parse(RestConfig, document), quick).read()
    assert batch.keys(["id"]) == ["1", "2"]
    assert batch.keys(["a", "id"]) == [None, None]


def test_the_case_of_half_a_pair(api: HttpApi, quick: Context) -> None:
    body = (INPUTS / "json-lone-surrogate.json").read_bytes()
    first, problem, last = sent(api, quick, body, "application/json")
    assert data([first, last]) == [{"id": 1, "n": "ok"}, {"id": 3, "n": "ok"}]
    assert isinstance(problem, RowProblem)
    assert problem.raw == {"id": 2, "n": "cut \\ud83d"}


def test_a_pair_of_halves_is_text_and_escaped_backslashes_are_no_escapes(
    api: HttpApi, quick: Context
) -> None:
    body = b'[{"a": "\\ud83d\\ude00", "b": "\\\\ud83d", "c": "\\ud83d"}, {"a": "\\ud83d\\ude00"}]'
    problem, row = sent(api, quick, body, "application/json")
    assert isinstance(problem, RowProblem)
    assert problem.errors[0].path == "c"
    assert data([row]) == [{"a": "\N{GRINNING FACE}"}]


# What a body is, whatever its type says.

TWO = [{"id": "1", "name": "é"}, {"id": "2", "name": "b"}]
JSON = json.dumps(TWO, ensure_ascii=False)
CSV = "id,name\n1,é\n2,b\n"
LINES = '{"id":"1","name":"é"}\n{"id":"2","name":"b"}\n'
XML = "<r><i><id>1</id><name>é</name></i><i><id>2</id><name>b</name></i></r>"
LATIN_XML = f'<?xml version="1.0" encoding="iso-8859-1"?>{XML}'.encode("latin-1")
UTF16 = "application/json; charset=utf-16"

SAME: dict[str, tuple[str | bytes, str]] = {
    # RFC 9110, 8.3: octet-stream says nothing; a sender's type may be wrong (WP-API/node-wpapi#297,
    # catmaid/CATMAID#1697, CyclopsMC/IntegratedREST#28)
    "csv as octet-stream": (CSV, "application/octet-stream"),
    "csv as json": (CSV, "application/json"),
    "csv as html": (CSV, "text/html"),
    "csv without a type": (CSV, ""),
    "csv as text": (CSV.replace(",", ";"), "text/plain"),
    "tabs as text": (CSV.replace(",", "\t"), "text/plain"),
    "csv in quotes": ('"id","name"\r\n"1","é"\r\n"2","b"\r\n', "binary/octet-stream"),
    "ndjson as octet-stream": (LINES, "application/octet-stream"),
    "ndjson as json": (LINES, "application/json"),
    "ndjson as text": (LINES, "text/plain"),
    "ndjson as csv": (LINES, "text/csv"),
    "xml as octet-stream": (XML, "application/octet-stream"),
    "xml as json": (XML, "application/json"),
    "xml as text": (XML, "text/plain"),
    "xml as html": (f'<?xml version="1.0"?>{XML}', "text/html"),
    "json as csv": (JSON, "text/csv"),
    "json as html": (JSON, "text/html"),
    "json as xml": (JSON, "application/xml"),
    "json as octet-stream": (f"\n\n  {JSON}", "application/octet-stream"),
    # RFC 7464: a record separator before each text
    "a json text sequence": (
        "".join(f"\x1e{line}\n" for line in LINES.splitlines()),
        "application/json-seq",
    ),
    "a sequence as octet-stream": (
        "".join(f"\x1e{line}\n" for line in LINES.splitlines()),
        "application/octet-stream",
    ),
    # RFC 8259, 8.1 and 11: JSON is UTF-8, and there is no charset parameter
    # OneBusAway/onebusaway-android#2147, MotusDev/Motus-TO-DO#25; guzzle/guzzle#310 is the reverse
    "utf-8 that is said to be latin-1": (JSON, "application/json; charset=iso-8859-1"),
    "utf-8 that is said to be windows-1252": (JSON, 'application/json; charset="Windows-1252"'),
    "utf-8 that is said to be utf-16": (JSON, UTF16),
    "utf-8 of a charset that is none": (JSON, "application/json; charset=utf8mb4"),
    "csv of a codec for host names": (CSV, "text/csv; charset=idna"),
    "xml of a codec for source code": (XML, "text/xml; charset=unicode_escape"),
    "utf-8 of a codec of Python": (JSON, "application/json; charset=rot13"),
    "json that is latin-1, as said": (JSON.encode("latin-1"), "application/json; charset=latin1"),
    # RFC 8259, 8.1: a parser may ignore a mark; a mark comes before a header
    "a mark": ("\ufeff" + JSON, "application/json"),
    "a mark and another charset": ("\ufeff" + JSON, "application/json; charset=iso-8859-1"),
    "utf-16 with a mark": (JSON.encode("utf-16"), "application/json"),
    "utf-16 with a mark, said to be utf-8": (
        JSON.encode("utf-16"),
        "application/json; charset=utf-8",
    ),
    # RFC 4627, 3: zero bytes tell the encoding
    "utf-16 without a mark": (JSON.encode("utf-16-le"), "application/json"),
    "big-endian utf-16": (JSON.encode("utf-16-be"), "application/json"),
    "utf-32": (JSON.encode("utf-32"), "application/json"),
    "csv with a mark and another charset": ("\ufeff" + CSV, "text/csv; charset=iso-8859-1"),
    "csv in utf-16 with a mark": (CSV.encode("utf-16"), "text/csv; charset=utf-8"),
    "csv as its charset says": (CSV.encode("cp1252"), "text/csv; charset=windows-1252"),
    "csv of a charset that is none": (CSV, "text/csv; charset=utf8mb4"),
    # RFC 7303, 3: a mark, then the charset, then the declaration
    "xml as its charset says": (XML.encode("latin-1"), "application/xml; charset=iso-8859-1"),
    "xml whose declaration is wrong": (
        f'<?xml version="1.0" encoding="utf-8"?>{XML}'.encode("cp1252"),
        "text/xml; charset=windows-1252",
    ),
    "xml by its declaration": (LATIN_XML, "application/xml"),
    "xml with a mark and another charset": (
        ("\ufeff" + XML).encode(),
        "application/xml; charset=iso-8859-1",
    ),
    "xml said to be ascii": (XML, "text/xml; charset=us-ascii"),
    "xml of a charset that is none": (LATIN_XML, "application/xml; charset=unknown-8bit"),
    # RFC 1952: gzip without Content-Encoding (amzn/selling-partner-api-docs#1583,
    # lucjon/Py-StackExchange#20)
    "gzip without its header": (gzip.compress(JSON.encode()), "application/json"),
    "gzip of csv without its header": (gzip.compress(CSV.encode()), "application/gzip"),
    "gzip of lines": (gzip.compress(LINES.encode()), "application/octet-stream"),
}


@pytest.mark.promise("a wrong charset or media type garbles an answer, or fails it")
@pytest.mark.parametrize("what", SAME)
def test_a_body_is_taken_by_its_content(api: HttpApi, quick: Context, what: str) -> None:
    body, media = SAME[what]
    assert data(sent(api, quick, body, media)) == TWO


def test_deflate_without_its_header_is_read(api: HttpApi, quick: Context) -> None:
    # RFC 9110, 8.4.1.2: some servers send deflate without the zlib header
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(JSON.encode()) + packer.flush()
    api.on("/rows", http_api.text(body, "application/json", Content_Encoding="deflate"))
    assert data(read(api, quick)) == TWO


def test_what_is_said_to_be_gzip_may_be_plain(api: HttpApi, quick: Context) -> None:
    # everything2/everything2#3053, restforce/restforce#779, projectdiscovery/httpx#307
    api.on("/rows", http_api.text(JSON, "application/json", Content_Encoding="gzip"))
    assert data(read(api, quick)) == TWO


def test_an_error_in_gzip_is_shown_as_text(api: HttpApi, quick: Context) -> None:
    # apache/trafficcontrol#1737
    api.on("/rows", http_api.text(gzip.compress(b"no such tenant"), "text/plain", 400))
    with pytest.raises(FatalError, match="no such tenant"):
        read(api, quick)


def test_a_body_of_gzip_must_not_grow_beyond_the_limit(api: HttpApi, quick: Context) -> None:
    limits = replace(quick.limits, max_response=100_000)
    api.on("/rows", http_api.text(gzip.compress(bytes(10_000_000)), "application/json"))
    with pytest.raises(LimitError):
        read(api, replace(quick, limits=limits))


def test_a_charset_that_does_not_exist_is_a_warning(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.text(CSV, "text/csv; charset=utf8mb4"))
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    connector = RestConnector(parse(RestConfig, document), quick)
    batches = list(connector.read())
    assert ["utf8mb4" in warning for batch in batches for warning in batch.warnings] == [True]
    assert any("utf8mb4" in warning for warning in connector.check().warnings)


SOAP = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>'
    "<faultcode>soap:{}</faultcode><faultstring>No such department</faultstring>"
    "</soap:Fault></soap:Body></soap:Envelope>"
)


REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "a sentence": ("Error: maintenance until 06:00, sorry", "text/plain", "not valid JSON"),
    "a page": ("<!DOCTYPE html><title>Log in</title>", "text/html", "an HTML page"),
    "a page for csv": ("<html><body>x</body></html>", "text/csv", "an HTML page"),
    "a zip named csv": (
        b"PK\x03\x04\x14\0\0\0",
        "text/csv",
        "a zip file (or a workbook such as xlsx",
    ),
    "a workbook": (b"PK\x03\x04\x14\0", "application/octet-stream", "a zip file"),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "application/vnd.ms-excel",
        "an old Office file",
    ),
    "a PDF": (b"%PDF-1.7\n", "application/pdf", "a PDF document"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "image/png", "a picture"),
    "Parquet": (b"PAR1\x15\x04", "application/octet-stream", "a Parquet file"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x04", "application/json", "a zstd file"),
    "JSON where CSV was set": ('{"a": 1}', "text/csv", "JSON, not csv"),
    "a body cut off": ('[{"id": 1}, {"id"', "application/json", "not valid JSON"),
    "JSON behind a prefix": (")]}',\n[]", "application/json", "not valid JSON"),
}


@pytest.mark.promise("a wrong charset or media type garbles an answer, or fails it")
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_rows_is_named(api: HttpApi, quick: Context, what: str) -> None:
    body, media, reason = REFUSED[what]
    fields = {"format": "csv"} if "was set" in what else {}
    with pytest.raises(DataError) as caught:
        sent(api, quick, body, media, **fields)
    assert reason in str(caught.value)
    assert "\x00" not in str(caught.value)


def test_another_format_than_the_first_read_found_is_an_error(api: HttpApi, quick: Context) -> None:
    api.on("/rows", [http_api.text(CSV, "text/csv"), http_api.always({"items": [{"id": 1}]})])
    assert data(read(api, quick)) == TWO
    with pytest.raises(DataError, match="format is 'json' now"):
        read(api, quick)


XHTML = '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN">\n<html/>'
OTHER = {
    "a page": ("<html><body>Down</body></html>", "text/html", "an HTML page"),
    "a page as csv": ("<!DOCTYPE html>\n<html>Down</html>", "text/csv", "an HTML page"),
    "a page behind a comment": ("<!-- 1 -->\n<html>Down</html>", "text/html", "an HTML page"),
    "a page of XHTML": (XHTML, "application/xhtml+xml", "an HTML page"),
    "an error": ('{"error": "maintenance"}', "application/json", "maintenance"),
    "an error of XML": (SOAP.format("Server"), "text/xml", "No such department"),
}


@pytest.mark.parametrize("what", OTHER)
@pytest.mark.parametrize(
    ("first", "given"),
    [("csv", ""), ("csv", "csv"), ("json", ""), ("xml", ""), ("xml", "xml"), ("ndjson", "")],
)
def test_a_page_or_an_error_after_rows_is_named_before_the_format(
    api: HttpApi, quick: Context, first: str, given: str, what: str
) -> None:
    body, media, reason = OTHER[what]
    good = {"csv": CSV, "json": JSON, "xml": XML, "ndjson": LINES}[first]
    fields = {"format": given} if given else {}
    api.on("/rows", http_api.text(good, "application/octet-stream"))
    read(api, quick, **fields)
    api.on("/rows", http_api.text(body, media))
    with pytest.raises(DataError) as caught:
        read(api, quick, **fields)
    said = str(caught.value)
    assert "format is" not in said
    assert reason in said, said


@pytest.mark.parametrize(
    ("first", "later"),
    [(LINES, LINES.splitlines()[0]), (CSV, "id,name\n")],
)
def test_a_day_with_one_row_or_none_has_the_known_format(
    api: HttpApi, quick: Context, first: str, later: str
) -> None:
    media = "application/octet-stream"
    api.on("/rows", [http_api.text(first, media), http_api.text(later, media)])
    assert data(read(api, quick)) == TWO
    assert data(read(api, quick)) == (TWO[:1] if "{" in later else [])


# Errors under a success status, and rows that only look like them.

SOAP12 = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header/><e:Body><e:Fault>'
    "<e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason><e:Text xml:lang='en'>Bad dates"
    "</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"
)

OGC = (
    '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1">'
    '<ows:Exception exceptionCode="InvalidParameterValue"><ows:ExceptionText>no such layer'
    "</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
)

ERRORS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "an error": ({"error": "quota"}, "quota", {}),
    "an error beside an empty list": (
        {"error": "token expired", "items": []},
        "token expired",
        {"records": "items"},
    ),
    "a code": ({"error": {"code": 17, "message": "no"}, "data": []}, "it contains 'error'", {}),
    "success: false with rows": ({"success": False, "items": [{"id": 1}]}, "success", {}),
    # GraphQL, 7.1: what is there is not everything
    "errors of GraphQL": (
        {"data": {"items": [{"id": 1}]}, "errors": [{"message": "timeout"}]},
        "timeout",
        {"records": "data.items"},
    ),
    "a rule with ok": (
        {"code": 4001, "msg": "sign invalid", "data": [{"id": 1}]},
        "code is 4001: sign invalid",
        {"errors": {"path": "code", "ok": [0, 200], "message": "msg"}},
    ),
    "a rule with values": (
        {"state": "ERR", "items": [{"id": 1}]},
        "state is ERR",
        {"errors": {"path": "state", "values": ["ERR"]}},
    ),
    "a rule by a path": ({"meta": {"err": "x"}, "items": []}, "err is x", {"errors": "meta.err"}),
    "success as text": ({"success": "false", "msg": "no", "items": [{"id": 1}]}, "success", {}),
    # CDCgov/prime-reportstream#17655
    "no success in XML": (
        "<Return><Index>1</Index><Message>PS99</Message><Success>False</Success></Return>",
        "Return PS99",
        {},
    ),
    # SOAP 1.1, 4.4; SOAP 1.2, 5.4; savonrb/savon#151, 0x524a/onvif-go#94: under 200
    "a SOAP fault": (SOAP.format("Server"), "SOAP fault soap:Server No such department", {}),
    "a SOAP 1.2 fault": (SOAP12, "SOAP fault e:Sender Bad dates", {}),
    "a SOAP fault as text": (SOAP.format("Client"), "No such department", {"format": "xml"}),
    # OGC Web Services Common, 8
    "an OGC exception": (
        OGC,
        "InvalidParameterValue no such layer",
        {},
    ),
    "an error of S3": ("<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>", "gone", {}),
    "one line of NDJSON": ('{"error": "quota"}\n', "quota", {"format": "ndjson"}),
}


@pytest.mark.promise(
    "an error under status 200 is read as an empty list, or a field called `error` fails a good "
    "answer"
)
@pytest.mark.parametrize("what", ERRORS)
def test_an_error_under_200_is_the_error_it_states(api: HttpApi, quick: Context, what: str) -> None:
    body, reason, fields = ERRORS[what]
    text = body if isinstance(body, str) else json.dumps(body)
    media = "application/json" if text[0] == "{" else "text/xml"
    with pytest.raises(DataError) as caught:
        sent(api, quick, text, media, **fields)
    assert reason in str(caught.value)


ONE = [{"id": 1}]

NO_ERRORS: dict[str, tuple[Any, dict[str, Any]]] = {
    "code 0": ({"error": {"code": 0}, "data": ONE}, {}),
    "code 0 with a message": ({"error": {"code": 0, "message": "Success"}, "data": ONE}, {}),
    "code as text": ({"error": {"errorCode": "0", "text": "all is well"}, "data": ONE}, {}),
    "none": ({"error": "none", "data": ONE}, {}),
    "No error.": ({"error": "No error.", "data": ONE}, {}),
    "false as text": ({"error": "false", "data": ONE}, {}),
    "null and empty": ({"error": None, "errors": [], "fault": {}, "data": ONE}, {}),
    "an empty message": ({"error": {"message": "", "details": []}, "data": ONE}, {}),
    "records by a person": ({"error": "partly", "data": ONE}, {"records": "data"}),
    "the errors are the rows": ({"errors": ONE}, {"records": "errors"}),
    "errors: none": ({"error": "a warning really", "items": ONE}, {"errors": "none"}),
    "a rule that is met": (
        {"code": "0", "error": "n/a yet", "data": ONE},
        {"errors": {"path": "code", "ok": [0]}},
    ),
    "GeoJSON without features": ({"type": "FeatureCollection", "features": []}, {}),
    "null for a list, with a total": ({"items": None, "total": 0}, {}),
    "null for a list that a person named": ({"items": None, "next": None}, {"records": "items"}),
}


@pytest.mark.promise(
    "an error under status 200 is read as an empty list, or a field called `error` fails a good "
    "answer"
)
@pytest.mark.parametrize("what", NO_ERRORS)
def test_what_only_looks_like_an_error_is_read(api: HttpApi, quick: Context, what: str) -> None:
    document, fields = NO_ERRORS[what]
    rows = data(sent(api, quick, json.dumps(document), "application/json", **fields))
    assert rows == ([] if "null for" in what or "GeoJSON" in what else ONE)


def test_rows_may_have_a_field_called_error(api: HttpApi, quick: Context) -> None:
    rows = [{"id": 1, "error": "disk full", "status": "failed"}]
    for body in (json.dumps(rows), "\n".join(map(json.dumps, rows))):
        media = "application/json" if body[0] == "[" else "application/x-ndjson"
        assert data(sent(api, quick, body, media)) == rows
    one = json.dumps(rows[0])
    assert data(sent(api, quick, one, "application/json", records=".")) == rows


@pytest.mark.parametrize("document", [{"data": None}, {"items": None, "message": "Key expired"}])
def test_null_without_a_reason_is_no_empty_list(
    api: HttpApi, quick: Context, document: dict[str, Any]
) -> None:
    fields = {"records": "items"} if "items" in document else {}
    with pytest.raises(DataError, match="is null"):
        sent(api, quick, json.dumps(document), "application/json", **fields)


# Rows one level down, and rows without names.

WRAPPED: dict[str, dict[str, Any]] = {
    # ArcGIS REST, feature object
    "attributes": {"attributes": {"OBJECTID": 1, "NAAM": "a"}, "geometry": {"x": 1}},
    # RFC 7946
    "properties": {"type": "Feature", "geometry": None, "properties": {"OBJECTID": 1, "a": 2}},
    # Elasticsearch, search hits
    "_source": {"_index": "i", "_id": "7", "_score": 1.0, "_source": {"a": 1, "b": 2, "c": 3}},
    # GraphQL Cursor Connections
    "node": {"cursor": "x", "node": {"id": 1, "name": "a"}},
    # FHIR R4, Bundle
    "resource": {"fullUrl": "urn:x", "resource": {"resourceType": "Patient", "id": "1"}},
    # Airtable
    "fields": {"id": "rec1", "createdTime": "2024", "fields": {"Name": "a", "Notes": "b"}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapper_is_proposed_and_taken_off(api: HttpApi, quick: Context, name: str) -> None:
    item = WRAPPED[name]
    api.on("/rows", http_api.always({"items": [item, item]}))
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    check = RestConnector(parse(RestConfig, document), quick).check()
    assert any(f"row: {name}" in warning for warning in check.warnings)
    first, _ = read(api, quick, row=name)
    beside = {key: value for key, value in item.items() if key != name}
    assert data([first]) == [{**beside, **item[name]}]


USUAL = {
    "a collection of GeoJSON, few properties (RFC 7946)": (
        "properties",
        {
            "type": "FeatureCollection",
            "numberMatched": 2,
            "features": [
                {"type": "Feature", "id": "a.1", "geometry": None, "properties": {"name": "a"}},
                {"type": "Feature", "id": "a.2", "geometry": None, "properties": None},
            ],
        },
    ),
    "OGC API Features with a box and links for each": (
        "properties",
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": 7,
                    "geometry": {"type": "Point", "coordinates": [1, 2]},
                    "geometry_name": "geom",
                    "bbox": [1, 2, 1, 2],
                    "collection": "c",
                    "links": [],
                    "stac_version": "1.0.0",
                    "assets": {},
                    "properties": {"a": 1},
                }
            ],
        },
    ),
    "hits of Elasticsearch, one field (Search API)": (
        "_source",
        {
            "took": 1,
            "timed_out": False,
            "hits": {
                "total": {"value": 1, "relation": "eq"},
                "hits": [{"_index": "i", "_id": "1", "_score": 1.0, "_source": {"a": 1}}],
            },
        },
    ),
    "hits with a part of the fields (Search API, fields)": (
        "_source",
        {
            "hits": {
                "hits": [
                    {"_index": "i", "_id": "1", "_source": {"a": 1}, "fields": {"a": [1], "b": [2]}}
                ]
            }
        },
    ),
    "edges of GraphQL, one field (Cursor Connections)": (
        "node",
        {"data": {"people": {"edges": [{"cursor": "x", "node": {"id": 1}}, {"node": {"id": 2}}]}}},
    ),
    "a bundle of FHIR (R4, searchset)": (
        "resource",
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": 1,
            "entry": [
                {
                    "fullUrl": "u",
                    "search": {"mode": "match"},
                    "resource": {"resourceType": "Patient"},
                }
            ],
        },
    ),
    "JSON:API, one attribute (jsonapi.org 1.1)": (
        "attributes",
        {
            "data": [
                {"type": "town", "id": "1", "attributes": {"a": 1}, "links": {"self": "/town/1"}}
            ]
        },
    ),
    "ArcGIS with a position (REST API, query)": (
        "attributes",
        {
            "objectIdFieldName": "FID",
            "features": [{"attributes": {"FID": 1}, "geometry": {"x": 1}}],
        },
    ),
    "Airtable, a record without values (List records)": (
        "fields",
        {
            "records": [
                {"id": "rec1", "createdTime": "2024", "fields": {}},
                {"id": "rec2", "createdTime": "2024", "fields": {"a": 1}},
            ]
        },
    ),
}


@pytest.mark.parametrize("case", USUAL)
def test_a_wrapper_of_the_usual_kinds_is_proposed_however_little_it_holds(
    api: HttpApi, quick: Context, case: str
) -> None:
    name, document = USUAL[case]
    api.on("/rows", http_api.always(document))
    settings = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    check = RestConnector(parse(RestConfig, settings), quick).check()
    assert any(warning.endswith(f"set row: {name}") for warning in check.warnings), check.warnings
    assert all(isinstance(row, Row) for row in read(api, quick, row=name))


def test_flat_rows_get_no_proposal(api: HttpApi, quick: Context) -> None:
    rows = [{"id": 1, "name": "a", "since": "x", "by": "y", "properties": {"a": 1}}]
    api.on("/rows", http_api.always(rows))
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    assert not RestConnector(parse(RestConfig, document), quick).check().warnings


def test_an_item_without_its_wrapper_is_a_problem(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"node": {"id": 1}}, {"node": None}, 7]))
    assert data(read(api, quick, row="node")) == [
        {"id": 1},
        "the item has no object at 'node'",
        "the item has no object at 'node'",
    ]


VALUES = [["1", "é"], ["2", "b"]]

ARRAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    # Datasette
    "columns": ({"columns": ["id", "name"], "rows": VALUES}, {}),
    # Elasticsearch SQL, Trino
    "columns with a type": (
        {
            "columns": [{"name": "id", "type": "t"}, {"name": "name"}],
            "data": VALUES,
        },
        {},
    ),
    # CKAN, records as lists
    "fields beside": (
        {"result": {"fields": [{"id": "id"}, {"id": "name"}], "records": VALUES}},
        {},
    ),
    # Socrata, rows.json
    "columns of a view": (
        {
            "meta": {"view": {"columns": [{"fieldName": "id"}, {"fieldName": "name"}]}},
            "data": VALUES,
        },
        {},
    ),
    # Snowflake SQL API
    "a path": (
        {
            "resultSetMetaData": {"rowType": [{"name": "id"}, {"name": "name"}]},
            "data": VALUES,
        },
        {"columns": "resultSetMetaData.rowType"},
    ),
    # US Census, Google Sheets: the first row is the header
    "the first row": ([["id", "name"], ["1", "é"], ["2", "b"]], {"columns": "first"}),
    "names by a person": (VALUES, {"columns": ["id", "name"]}),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_with_a_header_become_rows(api: HttpApi, quick: Context, what: str) -> None:
    document, fields = ARRAYS[what]
    body = json.dumps(document)
    assert data(sent(api, quick, body, "application/json", **fields)) == TWO


def test_arrays_without_names_are_refused_and_short_ones_are_problems(
    api: HttpApi, quick: Context
) -> None:
    with pytest.raises(DataError, match="their column names were not found") as caught:
        sent(api, quick, "[[1, 2], [3, 4]]", "application/json")
    assert "columns" in str(caught.value)
    body = '{"columns": ["a", "b"], "rows": [[1, 2], [3], {"a": 1}]}'
    with pytest.raises(DataError):  # objects beside arrays: no guess
        sent(api, quick, '{"columns": ["a", "a"], "rows": [[1, 2]]}', "application/json")
    found = data(sent(api, quick, body.replace(', {"a": 1}', ""), "application/json"))
    assert found == [{"a": 1, "b": 2}, "1 value in a table of 2 columns"]


# Deletion flags.


@pytest.mark.promise('a deletion flag `"false"` deletes every row')
@pytest.mark.parametrize("kind", ["json", "csv", "ndjson"])
def test_deletion_flags_are_read_by_their_meaning(api: HttpApi, quick: Context, kind: str) -> None:
    flags = ["false", "0", "N", "", "true", "1", "2020-01-01", "9999-12-31", "perhaps"]
    rows = [{"id": str(n), "deleted": flag} for n, flag in enumerate(flags)]
    if kind == "csv":
        body = "id,deleted\n" + "".join(f"{row['id']},{row['deleted']}\n" for row in rows)
    else:
        body = json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows))
    media = {"json": "application/json", "csv": "text/csv", "ndjson": "application/x-ndjson"}[kind]
    found = sent(api, quick, body, media, deleted="deleted")
    states = [item.deleted if isinstance(item, Row) else item for item in found]
    assert states[:-1] == [False, False, False, False, True, True, True, False]
    assert isinstance(states[-1], RowProblem)
    assert "deleted is 'perhaps', which is neither yes nor no" in data(found)[-1]


# Requests as a person wants them.


def call(api: HttpApi, context: Context, **fields: Any) -> Call:
    api.on("/rows", http_api.always([]))
    read(api, context, **fields)
    return api.calls[-1]


@pytest.mark.parametrize(
    ("headers", "body", "sent_body"),
    [
        ({"content-type": "application/soap+xml"}, "<a/>", b"<a/>"),
        ({"Content-Type": "application/vnd.api+json"}, {"a": 1}, b'{"a":1}'),
        (
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"q": "a b&c", "n": 1, "all": True, "x": None, "tag": ["u", "v"]},
            b"q=a+b%26c&n=1&all=true&tag=u&tag=v",
        ),
    ],
)
def test_headers_that_a_person_sets_win(
    api: HttpApi, quick: Context, headers: dict[str, str], body: Any, sent_body: bytes
) -> None:
    given = {**headers, "accept": "application/vnd.x.v2+json", "user-agent": "city/1"}
    got = call(api, quick, method="POST", headers=given, body=body)
    assert got.headers["content-type"] == next(iter(headers.values()))
    assert got.headers["accept"] == "application/vnd.x.v2+json"
    assert got.headers["user-agent"] == "city/1"
    assert got.body == sent_body


def test_secret_headers_win_as_well_and_defaults_fit_the_body(api: HttpApi, quick: Context) -> None:
    got = call(api, quick, secret_headers={"Accept": "application/secret"})
    assert got.headers["accept"] == "application/secret"
    got = call(api, quick, method="POST", body={})
    assert (got.body, got.headers["content-type"]) == (b"{}", "application/json")
    got = call(api, quick, method="POST", body="<soap/>")
    assert got.headers["content-type"] == "text/xml; charset=utf-8"


@pytest.mark.promise(
    "an error under status 200 is read as an empty list, or a field called `error` fails a good "
    "answer"
)
def test_a_soap_fault_under_500_is_what_it_says_and_asked_once(
    api: HttpApi, quick: Context
) -> None:
    api.on("/rows", http_api.text(SOAP.format("Client"), "text/xml", 500))
    with pytest.raises(FatalError, match="SOAP fault soap:Client No such department"):
        read(api, quick)
    assert len(api.calls) == 1
    api.on("/rows", http_api.text(SOAP.format("Server"), "text/xml", 500))
    with pytest.raises(RetriableError, match="SOAP fault soap:Server"):
        read(api, quick)
    assert len(api.calls) == 1 + 1 + quick.limits.retries


# Redirects.


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_for_a_missing_slash_keeps_the_request(
    api: HttpApi, quick: Context, code: int, method: str
) -> None:
    # RFC 9110, 15.4: a POST may become a GET; some servers leave the query out
    # (concretecms/concretecms#12742, cherrypy/cherrypy#1185, postmanlabs/postman-app-support#450)
    api.on("/rows", http_api.redirect("/rows/", code))
    api.on("/rows/", http_api.always(TWO))
    body = {"body": {"q": 1}} if method == "POST" else {}
    fields = {"method": method, "query": {"page": 2}, **body}
    assert data(read(api, quick, auth={"type": "bearer", "token": "canary"}, **fields)) == TWO
    last = api.calls[-1]
    assert (last.method, last.path, last.query) == (method, "/rows/", {"page": "2"})
    assert last.body == (b'{"q":1}' if body else b"")
    assert last.headers["authorization"] == "Bearer canary"


def test_a_redirect_after_a_post_may_still_become_a_get(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.redirect("/rows/", 303))
    api.on("/rows/", http_api.always(TWO))
    assert data(read(api, quick, method="POST", body={"q": 1})) == TWO
    assert api.calls[-1].method == "GET"


def test_credentials_that_a_redirect_left_behind_are_named(api: HttpApi, quick: Context) -> None:
    with HttpApi() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        other.on("/rows/", http_api.status(401))
        api.on("/rows", http_api.redirect(f"{elsewhere}/rows/"))
        with pytest.raises(AuthenticationError) as caught:
            read(
                api, quick, headers={"Host": "a.example"}, auth={"type": "bearer", "token": "t0ken"}
            )
        assert elsewhere in str(caught.value)
        assert "authorization" not in other.calls[0].headers
        assert other.calls[0].headers["host"] == elsewhere.removeprefix("http://")
