"""Field names of elements and attributes, and where the rows are in a document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from lxml import etree

from connectors.sdk import DataError
from connectors.sdk.bodies.records import IDENTIFYING, PAGED

SAMPLE_ELEMENTS = 20_000

_ENVELOPE = (*PAGED, "status", "success", "version", "time", "date", "error", "message", "lang")

Events = Iterator[tuple[str, etree._Element]]


def local(tag: str | bytes) -> str:
    """A name without its namespace."""
    return str(tag).rpartition("}")[2]


class NameClashError(ValueError):
    """Two names of different namespaces would become one field, and a value would be lost."""


class Names:
    """Field names: without namespaces, but with prefixes for names in `clashes`.

    A clash is ``tag@name`` for an attribute and ``tag/name`` for a child element.
    """

    def __init__(self, clashes: Iterable[str], *, prefixes: bool) -> None:
        self._clashes = frozenset(clashes)
        self._prefixes = prefixes
        self._meant: dict[str, str] = {}

    def attribute(self, element: etree._Element, name: str) -> str:
        return "@" + self._name(element, f"{local(element.tag)}@{local(name)}", name)

    def child(self, parent: etree._Element, child: etree._Element) -> str:
        return self._name(child, f"{local(parent.tag)}/{local(child.tag)}", str(child.tag))

    def _name(self, element: etree._Element, place: str, name: str) -> str:
        short = local(name)
        if self._prefixes or place in self._clashes:
            return _prefixed(element, name)
        meant = self._meant.setdefault(place, name)
        if meant != name:
            raise NameClashError(
                f"{_prefixed(element, name)} has the same name as another '{short}' of a different "
                "namespace, which came first; set xml.prefixes to keep both"
            )
        return short


def _prefixed(element: etree._Element, name: str) -> str:
    namespace, _, short = name.rpartition("}")
    if not namespace:
        return short
    uri = namespace.removeprefix("{")
    prefix = "xml" if uri.endswith("XML/1998/namespace") else None
    prefix = prefix or next((p for p, known in element.nsmap.items() if known == uri and p), None)
    return f"{prefix}:{short}" if prefix else short


class Survey:
    """The structure of the first elements of a document."""

    def __init__(self, events: Events) -> None:
        self._repeated: Counter[str] = Counter()
        self._leaves: defaultdict[str, set[str]] = defaultdict(set)
        self._children: set[str] = set()
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self.elements = 0
        self._look(events)

    @property
    def clashes(self) -> list[str]:
        """Names that occur in several namespaces; see `Names`."""
        return sorted(place for place, names in self._names.items() if len(names) > 1)

    def rows(self, where: str) -> str:
        """The path of the row elements: the outermost ones repeated within one parent.

        If the parent element is itself a record (an order with its lines), that is the row; a list
        with one record repeats nothing else. Raises DataError if there is none.
        """
        if self._repeated:
            path = min(self._repeated, key=lambda path: (path.count("/"), -self._repeated[path]))
            above = path.split("/")[:-1]
            for depth in range(1, len(above) + 1):
                record = "/".join(above[:depth])
                signs = self._record_signs(record, root=depth == 1)
                if signs and depth > 1:
                    return record
                if signs:
                    raise DataError(
                        f"This looks like one record, with its own '{signs}', not like a list",
                        where=where,
                        hint=f"Set records to {path} if the rows are there",
                    )
            return path
        if len(self._children) == 1:
            return next(iter(self._children))
        raise DataError(
            "The document has no repeated element",
            where=where,
            hint="Set records to the path of the row elements, from the root, such as catalog/book",
        )

    def _record_signs(self, path: str, *, root: bool) -> str:
        """The field that identifies an element as a record and not a list of rows."""
        leaves = sorted(self._leaves[path])
        identified = [name for name in leaves if name.lstrip("@").lower() in IDENTIFYING]
        other = [
            name
            for name in leaves
            if not name.startswith("@") and not any(word in name.lower() for word in _ENVELOPE)
        ]
        if root and any(word in name.lower() for name in leaves for word in PAGED):
            return ""
        return next(iter(identified if root else identified + other), "")

    def _look(self, events: Events) -> None:
        here: list[str] = []
        siblings: list[Counter[str]] = [Counter()]
        for event, element in events:
            if event == "start":
                self.elements += 1
                tag = local(element.tag)
                siblings[-1][tag] += 1
                here.append(tag)
                siblings.append(Counter())
                path = "/".join(here)
                if siblings[-2][tag] > 1:
                    self._repeated[path] += 1
                if len(here) == 2:
                    self._children.add(path)
                self._note_names(element, path)
                if self.elements >= SAMPLE_ELEMENTS and self._repeated:
                    return
            else:
                tag = here.pop()
                if not siblings.pop() and (element.text or "").strip():
                    self._leaves["/".join(here)].add(tag)
                forget(element)

    def _note_names(self, element: etree._Element, path: str) -> None:
        tag = local(element.tag)
        for name in element.attrib:
            self._names[f"{tag}@{local(name)}"].add(str(name))
            self._leaves[path].add(f"@{local(name)}")
        parent = element.getparent()
        if parent is not None:
            self._names[f"{local(parent.tag)}/{tag}"].add(str(element.tag))


def forget(element: etree._Element) -> None:
    """Free a processed element, and what is left of those before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while (before := element.getprevious()) is not None:
            parent.remove(before)
