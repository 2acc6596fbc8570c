"""s3://bucket/prefix?options: what a person writes for a place in an S3 store. Imports no boto3."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.stores.location_errors import refuse

# Amazon S3 User Guide, "General purpose bucket naming rules". Beginnings and ends that it reserves are allowed:
# older buckets have them, and aliases of access points, which stand in a bucket's place.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LIKE_AN_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
# The capitals and underscores of other makers' stores, and of buckets made in us-east-1 before 2018: no host name.
_FOREIGN_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
# Of instances whose network is IPv6 (EC2 User Guide, "Access instance metadata"); the other one is link-local.
_METADATA_SERVICE = ip_address("fd00:ec2::254")
_S3_OPTIONS = ("class", "endpoint", "path_style", "region", "storage_class")
# S3's storage classes with immediate access; packs in any other would need a retrieval before each restore.
_INSTANT_STORAGE_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
)


@dataclass(frozen=True, slots=True)
class S3Location:
    """A prefix in a bucket; None means that botocore's own rules (environment, profile) decide.

    `storage_class` applies to packs alone; everything else stays in the bucket's default class. `archive_class`, of an
    archive repository, is no part of the place's spelling: where it is decided once and for all is its `config`.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    path_style: bool | None = None
    storage_class: str | None = None
    archive_class: ArchiveClass | None = None

    @property
    def canonical(self) -> str:
        """The one spelling of this place, options sorted by name."""
        path_style = None if self.path_style is None else str(self.path_style).lower()
        options = {
            "endpoint": self.endpoint,
            "path_style": path_style,
            "region": self.region,
            "storage_class": self.storage_class,
        }
        query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in options.items() if value is not None)
        path = f"/{quote(self.prefix)}" if self.prefix else ""
        return f"s3://{self.bucket}{path}" + (f"?{query}" if query else "")


def parse_s3_location(text: str) -> S3Location:
    """The place that `text`, an s3:// URL, names; raises UsageError. Touches nothing."""
    try:
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise refuse(text, str(error), "write s3://bucket/prefix?name=value&name=value") from error
    if parts.fragment or not _FOREIGN_BUCKET.fullmatch(parts.netloc):
        raise refuse(
            text,
            "no bucket name: 3 to 63 letters, digits, dots and hyphens",
            "write s3://bucket/prefix; credentials come from the environment or a profile, never from the location",
        )
    prefix = unquote(parts.path).strip("/")
    odd_part = bool(prefix) and not {"", ".", ".."}.isdisjoint(prefix.split("/"))
    if odd_part or not prefix.isascii() or not prefix.isprintable():
        raise refuse(
            text, "the prefix has an empty, `.` or `..` part or is not printable ASCII", "choose another prefix"
        )
    if len(prefix) > 500:
        raise refuse(text, "the prefix is longer than 500 bytes (S3 keys end at 1,024)", "choose a shorter prefix")
    options = dict(pairs)
    if len(options) != len(pairs) or not set(options) <= set(_S3_OPTIONS):
        unknown = sorted(set(options) - set(_S3_OPTIONS))
        why = f"unknown option {', '.join(unknown)}" if unknown else "an option is given twice"
        raise refuse(text, why, f"the options are {', '.join(_S3_OPTIONS)}")
    return _s3_location(text, parts.netloc, prefix, options)


def _s3_location(text: str, bucket: str, prefix: str, options: dict[str, str]) -> S3Location:
    empty = sorted(name for name, value in options.items() if not value)
    if empty:
        raise refuse(text, f"option {', '.join(empty)} has no value", "write name=value or leave the option away")
    if options.get("path_style") not in (None, "true", "false"):
        raise refuse(text, "path_style is neither true nor false", "write path_style=true")
    path_style = options["path_style"] == "true" if "path_style" in options else None
    storage_class, archive_class = _storage(text, options)
    endpoint = options.get("endpoint")
    if endpoint is not None:
        endpoint = _check_endpoint(endpoint, text)
    elif not path_style:
        _check_bucket(bucket, text)
    return S3Location(bucket, prefix, options.get("region"), endpoint, path_style, storage_class, archive_class)


def _storage(text: str, options: dict[str, str]) -> tuple[str | None, ArchiveClass | None]:
    """The storage class of packs, and that of a repository whose data are cold."""
    repository_class, storage_class = options.get("class", "standard"), options.get("storage_class")
    if repository_class not in ("standard", "archive"):
        raise refuse(text, f"class={repository_class} is unknown", "write class=standard or class=archive")
    if repository_class == "archive":
        if storage_class is None or storage_class not in ArchiveClass.__members__:
            why = "it does not say which archive class" if storage_class is None else f"{storage_class} is none"
            raise refuse(text, why, f"write class=archive&storage_class= and {' or '.join(ArchiveClass)}")
        return None, ArchiveClass(storage_class)
    if storage_class is not None and storage_class not in _INSTANT_STORAGE_CLASSES:
        raise refuse(
            text,
            f"storage_class={storage_class} is not one with immediate access",
            f"use one of {', '.join(_INSTANT_STORAGE_CLASSES)}; with class=archive {' or '.join(ArchiveClass)}",
        )
    return storage_class, None


def _check_bucket(bucket: str, text: str) -> None:
    """Raises UsageError for a name that no bucket of S3 has whose name is a part of the host's."""
    why = None
    if not _BUCKET.fullmatch(bucket):
        why = "S3 names its buckets with small letters, digits, dots and hyphens"
    elif ".." in bucket or _LIKE_AN_ADDRESS.fullmatch(bucket):
        why = "S3 has no bucket with two dots side by side, or named like an IP address"
    if why is not None:
        raise refuse(
            text,
            why,
            "check the bucket's name; where another maker's store has such names, add endpoint=… or path_style=true",
        )


def _check_endpoint(endpoint: str, text: str) -> str:
    """`endpoint` without a slash at the end, if it is http(s)://host[:port] and no more; raises UsageError."""
    try:
        parts = urlsplit(endpoint)
        sound = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
        sound = sound and not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        sound = False
    if not sound:
        raise refuse(text, "its endpoint is none", "write endpoint=http://host:port or endpoint=https://host")
    if _is_for_the_machine_alone(parts.hostname or ""):
        raise refuse(text, "at its endpoint a machine's own services answer, and no store", "name the store's address")
    return endpoint.rstrip("/")


def _is_for_the_machine_alone(host: str) -> bool:
    """Where an instance's credentials are handed out: who may name a location must not reach that through us. Addresses
    are read in every way in which a resolver reads them (one number, hexadecimal).
    """
    try:
        address: IPv4Address | IPv6Address = IPv4Address(socket.inet_aton(host))
    except OSError:
        try:
            address = ip_address(host)
        except ValueError:
            return False
    return address.is_link_local or address == _METADATA_SERVICE
