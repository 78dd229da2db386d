"""The available connectors: entry points of the group `openregister.connectors`.

Built-in connectors are registered in the same way as those of other packages. Only the requested
connector is imported; if that fails, the error contains the command that fixes it.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from connectors.sdk.connector import Connector
from connectors.sdk.errors import ConfigurationError, FatalError

GROUP = "openregister.connectors"

_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True, slots=True)
class Available:
    """An installed connector: `name` is its type."""

    name: str
    entry: EntryPoint

    @property
    def package(self) -> str:
        """The package that provides it."""
        return self.entry.dist.name if self.entry.dist else "(unknown)"

    @property
    def version(self) -> str:
        """The version of that package."""
        return self.entry.dist.version if self.entry.dist else ""

    def load(self) -> builtins.type[Connector[Any]]:
        """Import it. Raises FatalError with the install command, or if it is not a connector."""
        try:
            loaded = self.entry.load()
        except ImportError as error:
            raise FatalError(
                f"Connector {self.name!r} cannot be loaded: {error}",
                where=self.entry.value,
                hint=_install_hint(self, error),
            ) from error
        except AttributeError as error:
            raise FatalError(
                f"Connector {self.name!r} cannot be loaded: {error}",
                where=self.entry.value,
                hint=f"The entry point of {self.package} refers to something that does not exist",
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Connector)):
            raise FatalError(
                f"Connector {self.name!r} is not a subclass of connectors.sdk.Connector",
                where=self.entry.value,
            )
        if loaded.type != self.name:
            raise FatalError(
                f"Connector {self.name!r} calls itself {loaded.type!r}",
                where=self.entry.value,
                hint="Its `type` and the name of its entry point must be the same",
            )
        return loaded


@cache
def available() -> dict[str, Available]:
    """All installed connectors by type. Raises ConfigurationError if two provide one type."""
    found: dict[str, Available] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        this, other = Available(entry.name, entry), found.get(entry.name)
        if other is not None and other.entry.value != entry.value:
            raise ConfigurationError(
                f"Two installed packages provide connector {entry.name!r}: {other.package} "
                f"({other.entry.value}) and {this.package} ({entry.value})",
                hint="Uninstall one of them",
            )
        found[entry.name] = this
    return found


def get(type_name: str) -> type[Connector[Any]]:
    """The connector class of a type. Raises ConfigurationError if there is none, FatalError."""
    found = available().get(type_name)
    if found is None:
        listed = ", ".join(available()) or "none; install the package with `pip install`"
        raise ConfigurationError(
            f"There is no connector {type_name!r}", hint=f"Installed: {listed}"
        )
    return found.load()


def _install_hint(found: Available, error: ImportError) -> str:
    """The command that installs what is missing, using the package's extra if there is one."""
    if not isinstance(error, ModuleNotFoundError):
        return f"{found.package} is outdated; run `pip install -U {found.package}`"
    missing = (error.name or "").partition(".")[0]
    extra = ",".join(found.entry.extras) or _extra_with(missing, found.entry)
    if extra:
        return f"Run `pip install '{found.package}[{extra}]'`"
    return f"Run `pip install {missing or found.package}`"


def _extra_with(module: str, entry: EntryPoint) -> str:
    """The extra of the entry's package that requires a package with this module's name."""
    wanted = _normal(module)
    for requirement in (entry.dist.requires if entry.dist else None) or ():
        name = _NAME.match(requirement)
        extra = _EXTRA.search(requirement)
        if name and extra and wanted and _normal(name[0]) == wanted:
            return extra[1]
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
