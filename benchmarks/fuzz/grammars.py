"""Inputs from grammars: mostly valid, with some invalid parts."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.fuzz import files, rules, web

GRAMMARS: dict[str, Callable[[Random], bytes]] = {
    "csv": files.csv,
    "json": files.document,
    "ndjson": files.lines,
    "xml": files.xml,
    "excel": files.workbook,
    "listing": files.listing,
    "schema": rules.schema,
    "infer": rules.infer,
    "template": rules.template,
    "mapping": rules.mapping,
    "filter": rules.filter_,
    "schedule": rules.schedule,
    "source": rules.source,
    "answer": web.answer,
    "request": web.request,
}
