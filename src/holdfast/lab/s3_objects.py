"""What moto's S3 holds at a path."""

from moto.s3.models import FakeDeleteMarker, FakeKey, s3_backends


def version_at(path: str, version: str | None) -> FakeKey | FakeDeleteMarker | None:
    """The version of that id at `/bucket/key`, or the newest one; None where there is none."""
    _, bucket_name, *key_name = path.split("/", 2)
    owner = s3_backends.bucket_accounts.get(bucket_name)
    if owner is None or not key_name or not key_name[0]:
        return None
    bucket = s3_backends[owner[1]][owner[0]].buckets.get(bucket_name)
    versions = [] if bucket is None else bucket.keys.getlist(key_name[0], [])
    for one in reversed(versions):
        if version is None or str(one.version_id) == version:
            return one if isinstance(one, FakeKey | FakeDeleteMarker) else None
    return None
