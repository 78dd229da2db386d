"""What a person may do: three roles, each with all rights of the ones below it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """`viewer` reads; `register-admin` also keeps sources, registers, schemas and objects;
    `admin` also keeps people and the instance's settings."""

    VIEWER = "viewer"
    REGISTER_ADMIN = "register-admin"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)
