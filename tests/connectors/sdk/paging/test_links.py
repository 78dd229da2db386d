"""The `Link` header by the grammar of RFC 8288, with what servers send in practice."""

from __future__ import annotations

import pytest

from connectors.sdk.paging.links import link_of, parse_links

NEXT = {
    # header: the target of rel=next. The references name where the form comes from.
    '<http://x/2>; rel="next"': "http://x/2",  # RFC 8288, 3.5
    "<http://x/2>; rel=next": "http://x/2",
    '<http://x/2>;rel="next"': "http://x/2",
    '<http://x/2> ; rel = "next"': "http://x/2",  # BWS, RFC 8288 appendix B.3
    '<http://x/2>; title="filter=all"; rel="next"': "http://x/2",
    '<http://x/a;b?page=2>; rel="next"': "http://x/a;b?page=2",
    '<http://x/a,b?ids=1,2>; rel="next"': "http://x/a,b?ids=1,2",
    '<http://x/2>; crossorigin; rel="next"': "http://x/2",  # a parameter without a value
    '<http://x/2>; rel="next last"': "http://x/2",
    '<http://x/2>; rel="NEXT"': "http://x/2",
    "<http://x/2>; REL=next": "http://x/2",
    '<http://x/2>; title="a \\"b\\", c; rel=\\"prev\\""; rel="next"': "http://x/2",
    '<http://x/1>; rel="prev", <http://x/3>; rel="next"': "http://x/3",
    '<http://x/1>; rel="prev",<http://x/3>;rel=next': "http://x/3",
    " , ,<http://x/3>; rel=next,": "http://x/3",
    '<http://x/3>; rel="prev"; rel="next"': None,  # the first rel counts, RFC 8288 3.3
    '<http://x/3>; rev="next"': None,
    '<http://x/3>; rel="nextpage"': None,
    '<http://x/3>; rel="next"; anchor="/other"': None,  # a link of another context
    "<http://x/3>": None,
    'http://x/3; rel="next"': None,
    '<http://x/3; rel="next"': None,
    "": None,
    '<>; rel="next"': "",
    "<http://x/3>; rel='next'": None,
    '<?page=2>; rel="next"': "?page=2",
    "<http://x/3>; rel=\"next\"; title*=UTF-8''n%c3%a4chstes": "http://x/3",  # RFC 8187
    '<http://x/3>; ; rel="next"': "http://x/3",
    '<http://x/3>; rel="next': "http://x/3",  # an open quote ends with the header
    "<http://x/3>; title=a=b; rel=next": "http://x/3",
}


@pytest.mark.parametrize("header", NEXT)
def test_the_next_link_is_found_as_the_grammar_says(header: str) -> None:
    assert link_of({"Link": header}, "next") == NEXT[header]


def test_every_link_keeps_its_parameters() -> None:
    first, second = parse_links('</a>; rel=self; type="a/b", </b;c>; rel="next"; title="x, y"')
    assert (first.target, first.rels, first.params["type"]) == ("/a", ("self",), "a/b")
    assert (second.target, second.params["title"]) == ("/b;c", "x, y")
