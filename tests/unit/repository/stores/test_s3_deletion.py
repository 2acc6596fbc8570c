"""What S3 refuses to delete: for want of a right, or because something holds it."""

import pytest

from holdfast.domain.errors import PermissionDeniedError
from tests.unit.repository.stores.s3_answers import refusal
from tests.unit.signed_http.loopback import Answer, Asked

VERSIONS = (
    b"<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>some/prefix/packs/00/one</Key>"
    b"<VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>2026-03-01T00:00:00Z</LastModified>"
    b"<Size>4</Size></Version></ListVersionsResult>"
)


@pytest.mark.parametrize(
    ("lock", "is_held"),
    [
        ({}, False),
        ({"x-amz-object-lock-legal-hold": "ON"}, True),
        ({"x-amz-object-lock-legal-hold": "OFF"}, False),
        ({"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2999-01-01T00:00:00Z"}, True),
        (
            {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2001-01-01T00:00:00Z"},
            False,
        ),
    ],
)
def test_what_others_hold_is_no_missing_right(opened, lock, is_held):
    """A legal hold and mode GOVERNANCE are told of no otherwise than a right that is missing."""

    def decide(asked: Asked) -> Answer:
        if asked.method == "DELETE":
            return refusal(403, "AccessDenied")
        return (
            Answer(200, VERSIONS) if "versions" in asked.path else Answer(200, b"", {"x-amz-version-id": "v1", **lock})
        )

    store, _ = opened(decide)
    if is_held:
        assert not store.delete("packs/00/one")
    else:
        with pytest.raises(PermissionDeniedError, match="DeleteObjectVersion"):
            store.delete("packs/00/one")


def test_credentials_that_expire_while_versions_are_deleted_are_no_lock(opened):
    expired = []

    def decide(asked: Asked) -> Answer:
        if asked.method == "DELETE":
            expired.append(asked)
            return refusal(400, "ExpiredToken")
        if expired:
            return Answer(400)
        return Answer(200, VERSIONS) if "versions" in asked.path else Answer(200, b"", {"x-amz-version-id": "v1"})

    store, _ = opened(decide)
    with pytest.raises(PermissionDeniedError, match="DeleteObjectVersion"):
        store.delete("packs/00/one")
    assert len(expired) == 1
