"""What stands in the database, column by column, past every store."""

from __future__ import annotations

import sqlalchemy as sa

from app.database import rotation


def columns(engine: sa.Engine) -> dict[str, list[str]]:
    """The values of every column of every table as text, by ``table.column``; null left out."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        look = sa.inspect(connection)
        for table in look.get_table_names("openregister"):
            for column in look.get_columns(table, "openregister"):
                plain = f'"{column["name"]}"'
                if isinstance(column["type"], sa.LargeBinary):
                    plain = f"encode({plain}, 'escape')"
                query = f'SELECT {plain}::text FROM openregister."{table}"'  # noqa: S608
                values = connection.execute(sa.text(query)).scalars()
                found[f"{table}.{column['name']}"] = [value for value in values if value]
    return found


def encrypted_columns() -> set[str]:
    """``table.column`` of every column that a new secret key rewrites."""
    return {f"{table.name}.{column.name}" for table, column, _ in rotation.PLACES.values()}
