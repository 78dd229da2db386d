"""What an XML document contains besides its rows: links, totals and tokens."""

from __future__ import annotations

import io
from typing import Any

from lxml import etree

from connectors.formats.xmlnames import forget, local

_MOST = 2_000
_OF_LINKS = frozenset({"rel", "href", "relation", "url"})
_HARDENED: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def outline(body: bytes, rows: str) -> tuple[str, dict[str, Any]]:
    """The name of the root, and its content except the elements at the path `rows`.

    Names are without namespaces. An element without children becomes its text, a link its
    attributes; other attributes are at the top. Empty if the document is not well-formed, which
    its reader reports.
    """
    wanted = rows.split("/") if rows else []
    here: list[str] = []
    root = ""
    found: dict[str, Any] = {}
    nodes: list[dict[str, Any]] = [found]
    left = _MOST
    try:
        for event, element in etree.iterparse(
            io.BytesIO(body), events=("start", "end"), **_HARDENED
        ):
            if not isinstance(element.tag, str):
                continue
            if event == "start":
                here.append(local(element.tag))
                root = root or here[0]
                if len(here) > 1:
                    nodes.append({})
                continue
            path, name = list(here), here.pop()
            if not here:
                break
            node = nodes.pop()
            if path[: len(wanted)] != wanted and left > 0:
                left -= 1
                _put(nodes[-1], name, element, node, found)
            if len(path) <= max(len(wanted), 2):
                forget(element)
    except etree.XMLSyntaxError:
        return root, {}
    return root, found


def _put(
    parent: dict[str, Any],
    name: str,
    element: etree._Element,
    node: dict[str, Any],
    top: dict[str, Any],
) -> None:
    attributes = {local(key): str(value) for key, value in element.attrib.items()}
    value: Any = node or (element.text or "").strip()
    if not node and _OF_LINKS & attributes.keys():
        value = attributes
    elif node:
        value = {**attributes, **node}
    else:
        for key, text in attributes.items():
            # `cursor` of OAI-PMH is the start of this page
            if key != "cursor":
                top.setdefault(key, text)
    if name not in parent:
        parent[name] = value
    elif isinstance(parent[name], list):
        parent[name].append(value)
    else:
        parent[name] = [parent[name], value]
