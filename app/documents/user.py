"""JSON of users and app passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.users.model import AppPassword, User


def user_document(user: User) -> dict[str, Any]:
    """A user, without credentials."""
    return {
        "name": user.name,
        "role": user.role.value,
        "display_name": user.display_name,
        "email": user.email,
        "created": user.created,
        "last_login": user.last_login,
        "locked_until": user.locked_until,
    }


def app_password_document(found: AppPassword) -> dict[str, Any]:
    """An app password without its token."""
    return {
        "name": found.name,
        "created": found.created,
        "last_used": found.last_used,
        "revoked": found.revoked,
    }
