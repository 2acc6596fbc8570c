"""Types of columns that mean the same on every database."""

from datetime import datetime

from sqlalchemy import Dialect, String, TypeDecorator

from holdfast.domain.time import format_time, parse_time


class Moment(TypeDecorator[datetime]):
    """A time in UTC as text of one width: it sorts as it reads, and no database turns its zone about."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else format_time(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else parse_time(value)
