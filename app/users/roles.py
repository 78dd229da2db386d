"""The roles of users: each has all rights of the roles below it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """`viewer` reads; `register-admin` also manages sources, registers, schemas and objects;
    `admin` also manages users and the instance's settings."""

    VIEWER = "viewer"
    REGISTER_ADMIN = "register-admin"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Whether this role has all rights of `needed`."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)
