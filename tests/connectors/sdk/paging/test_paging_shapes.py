"""Every documented way of paging is read whole or refused: none in silence, none without end."""

from __future__ import annotations

import re

import pytest

from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Batch, Context, DataError, End
from connectors.sdk.config import parse
from tests.connectors.sdk.paging.paging_shapes import ROWS, SHAPES, Shape
from tests.servers.http_api import HttpApi

MOST_CALLS = 60


def opened(api: HttpApi, context: Context, shape: Shape) -> RestConnector:
    document = {"url": api.url, "endpoint": "/rows", **shape.fields}
    return RestConnector(parse(RestConfig, document), context)


def read(connector: RestConnector) -> tuple[list[Batch], DataError | None]:
    """What came, and the error that ended it."""
    batches: list[Batch] = []
    try:
        batches.extend(connector.read())
    except DataError as error:
        return batches, error
    return batches, None


@pytest.mark.promise("the first page is reported as a complete read")
@pytest.mark.promise("a read is complete on evidence only")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_shape_is_read_whole_or_refused_with_evidence(
    api: HttpApi, quick: Context, shape: Shape
) -> None:
    api.on("/rows", shape.handler)
    batches, error = read(opened(api, quick, shape))
    assert len(api.calls) <= MOST_CALLS
    if shape.outcome == "refused":
        assert error is not None
        assert error.hint
        assert not any(batch.end for batch in batches)
        return
    assert error is None
    last = batches[-1]
    found = [row.data for batch in batches for row in batch]
    if shape.outcome == "unproven":
        assert last.end is End.UNPROVEN
        assert last.because is None
        assert last.doubt
    else:
        assert (last.end, last.doubt) == (End.FULL, "")
        assert last.because is not None
        assert found == list(shape.rows or ROWS)


def test_the_table_holds_at_least_forty_interfaces() -> None:
    assert len({shape.reference for shape in SHAPES}) >= 40
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
@pytest.mark.parametrize(
    "shape", [s for s in SHAPES if s.outcome == "whole"], ids=lambda shape: shape.name
)
def test_what_was_found_is_used_by_the_next_read(
    api: HttpApi, quick: Context, shape: Shape
) -> None:
    api.on("/rows", shape.handler)
    read(opened(api, quick, shape))
    first = len(api.calls)
    batches, error = read(opened(api, quick, shape))
    assert error is None
    assert batches[-1].end is End.FULL
    assert len(api.calls) - first <= first
    assert [row.data for batch in batches for row in batch] == list(shape.rows or ROWS)


def test_a_refusal_names_the_evidence_and_the_setting_to_paste(
    api: HttpApi, quick: Context
) -> None:
    shape = next(s for s in SHAPES if s.name == "a token path with a typo")
    api.on("/rows", shape.handler)
    _, error = read(opened(api, quick, shape))
    assert error is not None
    assert 'paging.next.after is "tok-10"' in error.what
    pasted = re.search(r"pagination: (\{.*?\})", error.hint)
    assert pasted is not None
    import yaml

    settings = yaml.safe_load(pasted[1])
    right = Shape("", "", shape.handler, fields={"pagination": settings})
    batches, error = read(opened(api, quick, right))
    assert error is None
    assert batches[-1].end is End.FULL
