"""The guard against mass deletion: a large part of the objects may not vanish unseen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeleteGuard:
    """A deletion is held for approval when it exceeds both the share and the number.

    `share` of the objects that the source owns, between 0 and 1; `objects` in absolute terms,
    so that small registers may lose a few without asking. A deletion that leaves the source
    without any object is held whatever the share and the number.
    """

    share: float = 0.2
    objects: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"The guard's share is a part between 0 and 1, not {self.share}")
        if self.objects < 0:
            raise ValueError(f"The guard's number of objects is at least 0, not {self.objects}")

    def holds(self, missing: int, owned: int) -> bool:
        """Whether deleting `missing` of the `owned` live objects must wait for approval."""
        everything = missing >= owned > 0
        return everything or (missing > self.objects and missing > self.share * owned)

    def message(self, missing: int, owned: int) -> str:
        """Why a deletion is held, and what to do."""
        if missing >= owned:
            return (
                f"All {owned:,} objects are no longer at the source, so nothing was deleted. "
                f"Look at them with `source:deletes`, approve with `--approve {missing}`"
            )
        part = missing / owned
        return (
            f"{missing:,} of {owned:,} objects ({part:.0%}) are no longer at the source; that is "
            f"more than {self.share:.0%} and more than {self.objects}, so nothing was deleted. "
            f"Look at them with `source:deletes`, approve with `--approve {missing}`"
        )
