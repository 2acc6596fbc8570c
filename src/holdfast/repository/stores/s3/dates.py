"""What time it is by an answer of S3: its Date (RFC 9110, section 6.6.1), to the second."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from holdfast.signed_http.messages import HttpResponse

# The Date is of an answer's beginning; a large one has taken long since.
_SMALL_BYTES = 64 * 1024


def date_of(response: HttpResponse) -> datetime | None:
    """None of a large answer, and where there is no date."""
    if memoryview(response.body).nbytes > _SMALL_BYTES:
        return None
    try:
        told = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, OverflowError):  # of a number that no date has
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told
