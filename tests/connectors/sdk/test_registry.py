"""Finding connectors among the packages that are installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.sdk import ConfigurationError, Connector, FatalError, registry

Install = Callable[..., None]

FEED = """
from connectors.sdk import Connector, ConnectorConfig
{extra}
class FeedConnector(Connector):
    type = "{type}"
    title = "Feed"
    summary = "A feed"
    Config = ConnectorConfig
    def check(self): ...
    def read(self, cursor=None): ...
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with one connector, as pip would leave it behind."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(
        package: str, entry: str, *, type_name: str = "feed", extra: str = "", metadata: str = ""
    ) -> None:
        module = f"{package.replace('-', '_')}_module"
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(FEED.format(type=type_name, extra=extra))
        info = tmp_path / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n{metadata}"
        )
        (info / "entry_points.txt").write_text(
            f"[{registry.GROUP}]\n{entry.format(module=module)}\n"
        )
        registry.available.cache_clear()

    yield write
    registry.available.cache_clear()


def test_the_built_in_connectors_register_as_outsiders_do() -> None:
    found = registry.available()
    assert {"rest", "openregister", "files"} <= set(found)
    for entry in found.values():
        assert issubclass(entry.load(), Connector)


def test_an_installed_package_brings_its_connector(install: Install) -> None:
    install("feed-package", "feed = {module}:FeedConnector")
    assert registry.get("feed").title == "Feed"
    assert registry.available()["feed"].package == "feed-package"
    assert registry.available()["feed"].version == "1.2"


def test_a_type_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="no connector 'telepathy'") as caught:
        registry.get("telepathy")
    assert "rest" in caught.value.hint


def test_listing_types_imports_no_connector() -> None:
    code = (
        "import sys; from connectors.sdk import registry; registry.available();"
        "print([name for name in sys.modules if name in ('connectors.rest', 'requests')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("metadata", "command"),
    [
        ("", "pip install no_such_driver"),
        (
            "Requires-Dist: no-such-driver>=2 ; extra == 'driver'\n",
            r"pip install 'feed-package\[driver\]'",
        ),
    ],
)
def test_a_connector_that_cannot_be_imported_answers_with_the_command_that_mends_it(
    install: Install, metadata: str, command: str
) -> None:
    install(
        "feed-package",
        "feed = {module}:FeedConnector",
        extra="import no_such_driver",
        metadata=metadata,
    )
    with pytest.raises(FatalError, match=command):
        registry.get("feed")


def test_an_entry_point_to_nothing_is_told(install: Install) -> None:
    install("feed-package", "feed = {module}:GoneConnector")
    with pytest.raises(FatalError, match="refers to something that does not exist"):
        registry.get("feed")


def test_a_connector_must_call_itself_what_its_entry_point_does(install: Install) -> None:
    install("feed-package", "feed = {module}:FeedConnector", type_name="food")
    with pytest.raises(FatalError, match="calls itself 'food'"):
        registry.get("feed")


def test_two_packages_with_one_type_are_reported(install: Install) -> None:
    install("feed-package", "feed = {module}:FeedConnector")
    install("other-package", "feed = {module}:FeedConnector")
    with pytest.raises(ConfigurationError, match="Two installed packages") as caught:
        registry.available()
    assert "feed-package" in caught.value.what
    assert "other-package" in caught.value.what
