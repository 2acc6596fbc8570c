"""What time it is by an answer of S3."""

from datetime import UTC, datetime

import pytest

from holdfast.repository.stores.s3.dates import date_of
from holdfast.signed_http.messages import HttpResponse

TOLD = datetime(2026, 11, 26, 9, 25, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "size", "expected"),
    [
        ("Thu, 26 Nov 2026 09:25:32 GMT", 10, TOLD),
        ("Thu, 26 Nov 2026 09:25:32 GMT", 1 << 20, None),  # begun long ago, perhaps
        ("yesterday", 10, None),
        ("Thu, 26 Nov 99999999999999 09:25:32 GMT", 10, None),
        (None, 10, None),
    ],
)
def test_the_date_of_a_small_answer(date, size, expected):
    headers = {} if date is None else {"date": date}
    assert date_of(HttpResponse(200, headers, bytes(size))) == expected
