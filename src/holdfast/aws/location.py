"""`ebs:` as people write it: a snapshot to back up, or a new snapshot to restore to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from holdfast.aws.ebs_blocks.connection import EbsConnection
from holdfast.aws.ebs_blocks.reader import EbsSnapshotSource
from holdfast.aws.ebs_blocks.writer import EbsSnapshotTarget, SnapshotRequest
from holdfast.domain.errors import UsageError
from holdfast.repository.stores.s3.session import AwsSession

SCHEME = "ebs:"
_SNAPSHOT_ID = re.compile(r"snap-[0-9a-f]{1,59}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
# EC2's bound for the description of a snapshot.
MAX_DESCRIPTION_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class EbsSourceLocation:
    """`ebs:snap-…[?region=]`; region None means the environment's or the profile's."""

    snapshot_id: str
    region: str | None = None


@dataclass(frozen=True, slots=True)
class EbsTargetLocation:
    """`ebs:[?region=&description=]`"""

    region: str | None = None
    description: str = ""


def parse_source(text: str) -> EbsSourceLocation:
    """The snapshot that `text` names; raises UsageError. Touches nothing."""
    name, options = _split(text, ("region",), "ebs:snap-…[?region=…]")
    if not _SNAPSHOT_ID.fullmatch(name):
        raise _refuse(text, "no snapshot id: `snap-` and hexadecimal digits", "ebs:snap-…[?region=…]")
    return EbsSourceLocation(name, options.get("region"))


def parse_target(text: str) -> EbsTargetLocation:
    """The new snapshot that `text` asks for; raises UsageError. Touches nothing."""
    form = "ebs:[?region=…&description=…]"
    name, options = _split(text, ("region", "description"), form)
    if name:
        raise _refuse(text, "a restore always makes a new snapshot, which has no id yet", form)
    description = options.get("description", "")
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        raise _refuse(text, f"the description has more than {MAX_DESCRIPTION_CHARACTERS} characters", form)
    return EbsTargetLocation(options.get("region"), description)


def open_source(place: EbsSourceLocation | str) -> EbsSnapshotSource:
    """The source at `place`. Raises UsageError without a region, PermissionDeniedError without credentials."""
    location = parse_source(place) if isinstance(place, str) else place
    return EbsSnapshotSource(location.snapshot_id, EbsConnection(AwsSession(location.region)))


def open_target(place: EbsTargetLocation | str, tags: Mapping[str, str] | None = None) -> EbsSnapshotTarget:
    """The target at `place`, whose snapshot gets `tags`. Raises UsageError, PermissionDeniedError."""
    location = parse_target(place) if isinstance(place, str) else place
    request = SnapshotRequest(location.description, tags if tags is not None else {})
    return EbsSnapshotTarget(EbsConnection(AwsSession(location.region)), request)


def _split(text: str, known: tuple[str, ...], form: str) -> tuple[str, dict[str, str]]:
    name, question, query = text.removeprefix(SCHEME).partition("?")
    if not text.startswith(SCHEME):
        raise _refuse(text, "it does not begin with `ebs:`", form)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(question))
    except ValueError as error:
        raise _refuse(text, str(error), form) from error
    options = dict(pairs)
    unknown = sorted(set(options) - set(known))
    if unknown or len(options) != len(pairs):
        raise _refuse(text, f"unknown option {', '.join(unknown)}" if unknown else "an option is given twice", form)
    if "region" in options and not _REGION.fullmatch(options["region"]):
        raise _refuse(text, "the region is no name of one", form)
    return name, options


def _refuse(text: str, why: str, form: str) -> UsageError:
    return UsageError(f"{text[:200]!r} is no EBS location", why=why, cure=f"write {form}")
