"""Buckets and objects of moto's S3 on disk, for a lab with `--state`: what was answered with success is there again.

Kept of a bucket: account, region, versioning, Object Lock and its default, default encryption, policy, tags. Kept of
an object: all versions and delete markers with content, metadata, checksums, storage class and retrieved copy, Object
Lock and tags. Not kept: uploads in parts that are not completed, access control lists, and every other configuration
of a bucket.
"""

import hashlib
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, s3_backends

from holdfast.domain.archive import Tier
from holdfast.lab.moto_settings import S3_SPOOL_BYTES
from holdfast.lab.s3_archive import Copy, Retrievals

_COPY_BYTES = 1024 * 1024
_BUCKET_FIELDS = (
    "versioning_status", "object_lock_enabled", "default_lock_mode", "default_lock_days", "default_lock_years",
    "encryption", "ownership_rule",
)  # fmt: skip
_KEY_FIELDS = (
    "encryption", "kms_key_id", "bucket_key_enabled", "lock_mode", "lock_legal_status", "lock_until", "checksum_value",
    "checksum_type", "checksum_parts",
)  # fmt: skip
Document = dict[str, Any]


class ContentFile:
    """What moto reads an object's content from: a file that is open only while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def seek(self, position: int) -> None:
        """Read on from here."""
        self._position = position

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, or all that is left."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Nothing is open."""


class S3State:
    """The S3 of a lab in `folder`, with the `retrievals` of what is cold there; safe for threads."""

    def __init__(self, folder: Path, retrievals: Retrievals) -> None:
        self._retrievals = retrievals
        self._folder = folder
        self._contents = folder / "contents"
        self._contents.mkdir(parents=True, exist_ok=True)
        self._names: WeakKeyDictionary[FakeKey, str] = WeakKeyDictionary()
        self._kept: dict[str, dict[str, Document]] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- keeping

    def keep(self, bucket_name: str, key_name: str) -> None:
        """Something about the bucket, or about the key where one is named, has changed."""
        with self._lock:
            owner = s3_backends.bucket_accounts.get(bucket_name)
            if owner is None:
                self._forget_bucket(bucket_name)
                return
            bucket = s3_backends[owner[1]][owner[0]].buckets[bucket_name]
            kept = self._kept.setdefault(bucket_name, {})
            if key_name:
                self._keep_key(bucket, key_name, kept)
                return
            self._write(self._bucket_folder(bucket_name) / "bucket.json", _bucket_document(bucket))
            # DeleteObjects names its keys in the body: they are those whose versions are fewer or more than before.
            for name, document in list(kept.items()):
                if len(bucket.keys.getlist(name, [])) != len(document["versions"]):
                    self._keep_key(bucket, name, kept)

    def _keep_key(self, bucket: FakeBucket, key_name: str, kept: dict[str, Document]) -> None:
        versions = [self._version_document(version) for version in bucket.keys.getlist(key_name, [])]
        path = self._key_path(bucket.name, key_name)
        before = kept.pop(key_name, {"versions": []})
        if versions:
            kept[key_name] = {"key": key_name, "versions": versions}
            self._write(path, kept[key_name])
        else:
            path.unlink(missing_ok=True)
        for name in _content_names(before["versions"]) - _content_names(versions):
            (self._contents / name).unlink(missing_ok=True)

    def _version_document(self, version: FakeKey | FakeDeleteMarker) -> Document:
        facts: Document = {"version_id": version.version_id, "last_modified": version.last_modified.isoformat()}
        if isinstance(version, FakeDeleteMarker):
            return facts | {"delete_marker": True}
        if version not in self._names:
            self._names[version] = self._store(version)
        tags = s3_backends[version.account_id][version.partition].tagger.get_tag_dict_for_resource(version.arn)
        return facts | {
            "content": self._names[version],
            "size_bytes": version.size,
            "etag": version.etag.strip('"'),
            "storage": version.storage_class,
            "versioned": version._is_versioned,
            "metadata": dict(version.metadata),
            "checksum_algorithm": version.checksum_algorithm,
            "tags": tags,
            "copy": _copy_document(self._retrievals.copy_of(version)),
            **{name: getattr(version, name) for name in _KEY_FIELDS},
        }

    def _store(self, key: FakeKey) -> str:
        """Write the content to a file of its own, and let moto read larger ones from there."""
        name = os.urandom(16).hex()
        path = self._contents / name
        with key.lock, path.open("wb") as file:
            key._value_buffer.seek(0)
            shutil.copyfileobj(key._value_buffer, file, _COPY_BYTES)
            if key.size > S3_SPOOL_BYTES:
                key._value_buffer.close()
                key._value_buffer = ContentFile(path)  # type: ignore[assignment]
        return name

    def _forget_bucket(self, bucket_name: str) -> None:
        for document in self._kept.pop(bucket_name, {}).values():
            for name in _content_names(document["versions"]):
                (self._contents / name).unlink(missing_ok=True)
        shutil.rmtree(self._bucket_folder(bucket_name), ignore_errors=True)

    # ----------------------------------------------------------------------------------------------------- recalling

    def recall(self) -> None:
        """Make moto's S3 what it was; to be called once, before S3 is used."""
        used: set[str] = set()
        for path in sorted(self._folder.glob("buckets/*/bucket.json")):
            facts: Document = json.loads(path.read_text())
            bucket = _made_bucket(facts)
            kept = self._kept.setdefault(bucket.name, {})
            for key_path in path.parent.glob("keys/*.json"):
                document: Document = json.loads(key_path.read_text())
                kept[document["key"]] = document
                used |= _content_names(document["versions"])
                bucket.keys.setlist(document["key"], list(self._made_versions(bucket, document)))
        for path in self._contents.iterdir():
            if path.name not in used:
                path.unlink()

    def _made_versions(self, bucket: FakeBucket, document: Document) -> Iterator[FakeKey | FakeDeleteMarker]:
        for facts in document["versions"]:
            if facts.get("delete_marker"):
                marker = FakeDeleteMarker(FakeKey(document["key"], b"", bucket.account_id, bucket.partition))
                marker.last_modified = datetime.fromisoformat(facts["last_modified"])
                marker._version_id = facts["version_id"]
                yield marker
            else:
                yield self._made_key(bucket, document["key"], facts)

    def _made_key(self, bucket: FakeBucket, name: str, facts: Document) -> FakeKey:
        path = self._contents / facts["content"]
        key = FakeKey(
            name,
            b"",
            bucket.account_id,
            bucket.partition,
            storage=facts["storage"],
            etag=facts["etag"],
            is_versioned=facts["versioned"],
            version_id=facts["version_id"],
            bucket_name=bucket.name,
            **{field: facts[field] for field in _KEY_FIELDS},
        )
        if facts["size_bytes"] > S3_SPOOL_BYTES:
            key._value_buffer = ContentFile(path)  # type: ignore[assignment]
        else:
            key._value_buffer = io.BytesIO(path.read_bytes())  # type: ignore[assignment]
        key.contentsize = facts["size_bytes"]
        key.last_modified = datetime.fromisoformat(facts["last_modified"])
        key.checksum_algorithm = facts["checksum_algorithm"]
        key.set_metadata(facts["metadata"])
        self._names[key] = facts["content"]
        if facts.get("copy"):
            self._retrievals.recall(key, _made_copy(facts["copy"]))
        _tag(bucket, key.arn, facts["tags"])
        return key

    # ------------------------------------------------------------------------------------------------------ the disk

    def _bucket_folder(self, bucket_name: str) -> Path:
        return self._folder / "buckets" / bucket_name

    def _key_path(self, bucket_name: str, key_name: str) -> Path:
        # A key may be longer than a file's name and hold any character.
        return self._bucket_folder(bucket_name) / "keys" / f"{hashlib.sha256(key_name.encode()).hexdigest()}.json"

    def _write(self, path: Path, document: Document) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(document))
        os.replace(unfinished, path)


def _copy_document(copy: Copy | None) -> Document | None:
    if copy is None:
        return None
    return {"ready": copy.ready.isoformat(), "gone": copy.gone.isoformat(), "tier": copy.tier.value}


def _made_copy(facts: Document) -> Copy:
    ready, gone = (datetime.fromisoformat(facts[name]) for name in ("ready", "gone"))
    return Copy(ready, gone, Tier(facts["tier"]))


def _content_names(versions: list[Document]) -> set[str]:
    return {version["content"] for version in versions if "content" in version}


def _bucket_document(bucket: FakeBucket) -> Document:
    tagger = s3_backends[bucket.account_id][bucket.partition].tagger
    return {
        "name": bucket.name,
        "account": bucket.account_id,
        "region": bucket.region_name,
        "created": bucket.creation_date.isoformat(),
        "policy": bucket.policy.decode() if bucket.policy else None,
        "tags": tagger.get_tag_dict_for_resource(bucket.arn),
        **{name: getattr(bucket, name) for name in _BUCKET_FIELDS},
    }


def _made_bucket(facts: Document) -> FakeBucket:
    # moto marks what CloudFormation would call as abstract, and leaves it so.
    bucket = FakeBucket(facts["name"], facts["account"], facts["region"])  # type: ignore[abstract]
    s3_backends[bucket.account_id][bucket.partition].buckets[bucket.name] = bucket
    bucket.creation_date = datetime.fromisoformat(facts["created"])
    bucket.policy = facts["policy"].encode() if facts["policy"] else None
    for name in _BUCKET_FIELDS:
        setattr(bucket, name, facts[name])
    _tag(bucket, bucket.arn, facts["tags"])
    return bucket


def _tag(bucket: FakeBucket, arn: str, tags: dict[str, str]) -> None:
    tagger = s3_backends[bucket.account_id][bucket.partition].tagger
    tagger.tag_resource(arn, tagger.convert_dict_to_tags_input(tags))
