"""Detect errors in responses with a success status."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pydantic import Field

from connectors.sdk import redact, truth
from connectors.sdk.config import ConfigModel
from connectors.sdk.paths import MISSING, at

_NAMES = ("error", "errors", "fault", "exception", "odata.error", "Error", "Errors", "Fault")
_FAILED_STATUS = frozenset({"error", "fail", "failed", "failure"})
_NO_ERROR = frozenset(
    {"", "0", "200", "false", "none", "no", "null", "nil", "ok", "success", "successful"}
    | {"no error", "no errors", "noerror", "no_error", "geen", "n/a", "-"}
)
_CODES = ("code", "errorcode", "error_code", "errno", "number", "status")
_OF_ERRORS = frozenset(
    {"error", "errors", "message", "code", "status", "type", "title", "detail", "details"}
    | {"instance", "timestamp", "path", "trace", "error_description", "success", "ok"}
    | {"statuscode", "requestid", "request_id", "traceid", "fault", "exception", "reason"}
    | {"description", "help", "hint", "errorcode", "error_code", "errormessage"}
)
"""Fields of a document that contains only an error, in lower case."""


class ErrorsConfig(ConfigModel):
    """Rules for errors in responses with a success status."""

    path: str = Field(
        description="Path of the value that indicates an error, such as error.code or status"
    )
    ok: list[str | int | float | bool | None] = Field(
        default_factory=list, description="Values that mean success; all others are errors"
    )
    values: list[str | int | float | bool | None] = Field(
        default_factory=list, description="Values that mean an error; all others are success"
    )
    message: str = Field(default="", description="Path of the error message")


Errors = str | ErrorsConfig
"""A path, ``none`` or a rule; empty: detect by common names."""


def failure_in(document: Any, records: str = "", errors: Errors = "") -> str | None:
    """The error in a document with a success status, or None.

    `records` is the path of the rows set by the user: a document with rows is not an error.
    """
    if not isinstance(document, dict) or errors == "none":
        return None
    if errors:
        rule = ErrorsConfig(path=errors) if isinstance(errors, str) else errors
        return _by_rule(document, rule)
    return _stated(document, records) or _held(document, records)


def _by_rule(document: Any, rule: ErrorsConfig) -> str | None:
    value = at(document, rule.path)
    if rule.values:
        wrong = any(_same(value, each) for each in rule.values)
    elif rule.ok:
        wrong = not any(_same(value, each) for each in rule.ok)
    else:
        wrong = value is not MISSING and not _is_no_error(value)
    if not wrong:
        return None
    shown = "is missing" if value is MISSING else f"is {redact.shorten(str(value), 100)}"
    said = at(document, rule.message) if rule.message else MISSING
    more = "" if said is MISSING else f": {redact.shorten(str(said), 200)}"
    return f"{rule.path} {shown}{more}"


def _same(value: Any, given: Any) -> bool:
    """Equal as they are, or as text of a number (``"0"`` and 0)."""
    if value is MISSING or isinstance(value, bool) or isinstance(given, bool):
        return value is given
    return bool(value == given) or str(value) == str(given)


def _stated(document: dict[str, Any], records: str) -> str | None:
    """A flag or status that indicates an error, whatever else the document contains."""
    for name in ("success", "ok"):
        value = document.get(name)
        if value is False or (isinstance(value, str) and value.strip().lower() in truth.FALSE):
            return f"it contains {name}: {str(value).lower()}"
    if document.get("error") is True:
        return "it contains error: true"
    status = document.get("status")
    if records != "." and isinstance(status, str) and status.lower() in _FAILED_STATUS:
        return f"it contains status: {status}"
    # a GraphQL response with errors contains only part of the data
    graph = document.get("errors")
    if "data" in document and isinstance(graph, list) and any(map(_is_of_graphql, graph)):
        return "it contains 'errors'"
    return None


def _is_of_graphql(error: Any) -> bool:
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def _held(document: dict[str, Any], records: str) -> str | None:
    """An error under a common name, unless there are rows as well."""
    if records == "." and not {name.lower() for name in document} <= _OF_ERRORS:
        return None  # the document is the row, and a row may have a field of that name
    given = at(document, records) if records not in ("", ".") else None
    if isinstance(given, (list, dict)) and given:
        return None
    for name in _NAMES:
        value = document.get(name)
        if value and records.split(".")[0] != name and not _is_no_error(value):
            return f"it contains {name!r}"
    return None


def _is_no_error(value: Any) -> bool:
    """Whether the value under such a name means that there was no error."""
    if value is None or isinstance(value, (bool, int, float, Decimal)):
        return value is not True
    if isinstance(value, str):
        return value.strip().lower().rstrip(".!") in _NO_ERROR
    if isinstance(value, list):
        return all(map(_is_no_error, value))
    codes = [code for name, code in value.items() if name.lower() in _CODES and code is not None]
    if codes and not isinstance(codes[0], (dict, list)):
        return str(codes[0]).strip().lower() in _NO_ERROR
    return all(map(_is_no_error, value.values()))


_TALK = ("message", "msg", "detail", "reason", "title", "code", "errcode", "status")


def may_hide_an_error(document: Any) -> bool:
    """Whether a document without rows contains a possible reason for that."""
    if not isinstance(document, dict):
        return False
    said = [value for name, value in document.items() if name.lower() in _TALK and value]
    return not all(str(value).strip().lower().rstrip(".!") in _NO_ERROR for value in said)


_FAULTS = re.compile(
    rb"<(?:[\w.-]+:)?(?:Fault|ExceptionReport|ServiceExceptionReport|[Ee]rrors?|problem)[\s/>]"
)
_OF_FAULTS = ("faultstring", "Text", "ExceptionText", "ServiceException", "message", "Message")
_ROOTS = frozenset(
    {"ExceptionReport", "ServiceExceptionReport", "error", "errors"}
    | {"Error", "Errors", "problem"}
)


def failure_in_xml(body: bytes) -> str | None:
    """The error in an XML document: a SOAP fault, an OGC exception or an error; or None.

    Also works for the beginning of a document.
    """
    beginning = body[:_BEGINNING]
    if not _FAULTS.search(beginning) and not _NO_SUCCESS.search(beginning):
        return None
    from lxml import etree  # only needed here

    parser = etree.XMLParser(
        recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(beginning, parser)
    except (etree.XMLSyntaxError, ValueError):  # nothing usable
        return None
    return None if root is None else _fault_of(root)


_BEGINNING = 64 * 1024


def _fault_of(root: Any) -> str | None:
    name = _local(root)
    fault = root if name in _ROOTS or _says_no(root) else None
    if name == "Envelope":  # SOAP 1.1, section 4.4; SOAP 1.2 part 1, section 5.4
        faults = [each for body in root for each in body if _local(each) == "Fault"]
        fault = faults[0] if faults else None
    if fault is None:
        return None
    texts: dict[str, str] = {}
    for element in fault.iter():
        if isinstance(element.tag, str) and (text := " ".join((element.text or "").split())):
            texts.setdefault(_local(element), text)
    code = texts.get("faultcode") or texts.get("Value") or _code(fault) or texts.get("Code")
    said = next((texts[name] for name in _OF_FAULTS if name in texts), "")
    said = said or " ".join(" ".join(fault.itertext()).split())
    kind = "SOAP fault" if name == "Envelope" else _local(fault)
    return redact.shorten(" ".join(part for part in (kind, code, said) if part), 300)


_NO_SUCCESS = re.compile(rb"(?i)<(?:[\w.-]+:)?(?:success|ok)>\s*(?:false|0|no)\s*<")


def _says_no(root: Any) -> bool:
    """Whether a field of the document indicates failure."""
    return any(
        _local(child).lower() in ("success", "ok")
        and (child.text or "").strip().lower() in ("false", "0", "no")
        for child in root
        if isinstance(child.tag, str)
    )


def _code(fault: Any) -> str:
    for element in fault.iter():
        for name in ("exceptionCode", "code"):
            if found := element.get(name):
                return str(found)
    return ""


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def is_of_caller(fault: str) -> bool:
    """Whether a SOAP fault blames the request, so that a retry is useless."""
    return re.search(r"\bSOAP fault (?:[\w.-]+:)?(?:Client|Sender)\b", fault) is not None
