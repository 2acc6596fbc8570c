"""What the snapshots of a restore point say of it in their tags, sealed (docs/format/snapshot-tags.md)."""

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from holdfast.appliance.points.snapshot_tags import as_tags, envelope_in
from holdfast.appliance.ports.surroundings import TravellingBox
from holdfast.domain.errors import ConflictError, FormatError
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.workload import InstanceConfiguration
from holdfast.protocol.encoding import from_json, to_json

MOST_CONTENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class PointDescription:
    """The point as the appliance of that id recorded it, in which AWS account and region its snapshots lie, and how its
    instance was made up.
    """

    appliance_id: str
    account_id: str
    region: str
    point: RestorePoint
    configuration: InstanceConfiguration


def description_tags(box: TravellingBox, description: PointDescription) -> tuple[dict[str, str], tuple[str, ...]]:
    """The tags of each of its snapshots, and what of the configuration had no room. Raises ConflictError where even the
    least has none.
    """
    point_id = description.point.id
    for configuration in _shorter_and_shorter(description.configuration):
        content = _content(replace(description, configuration=configuration))
        if len(content) <= MOST_CONTENT_BYTES:
            tags = as_tags(point_id, box.seal_to_travel(zlib.compress(content, 9), _purpose(point_id)))
            if tags is not None:
                return tags, configuration.left_out
    raise ConflictError(
        f"restore point {point_id} does not fit into the tags of its snapshots",
        why="the instance has too many volumes and interfaces",
        cure="keep the appliance's database: this point is not found again without it",
    )


def described_in(box: TravellingBox, point_id: str, tags: Mapping[str, str]) -> PointDescription:
    """The description in the tags of a snapshot of that point. Raises FormatError, IntegrityError, WrongKeyError."""
    packed = box.open_travelled(envelope_in(tags), _purpose(point_id))
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, MOST_CONTENT_BYTES)
    except zlib.error as error:
        raise _unreadable(point_id, str(error)) from error
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise _unreadable(point_id, "it is cut short, or longer than any that we write")
    line, _, user_data = content.partition(b"\n")
    description = from_json(PointDescription, line, f"the description of restore point {point_id}")
    if not user_data:
        return description
    encoded = base64.b64encode(user_data).decode()
    return replace(description, configuration=replace(description.configuration, user_data=encoded))


def _content(description: PointDescription) -> bytes:
    """User data apart and as it is: in base64 within JSON it would hardly be compressed."""
    user_data = description.configuration.user_data
    told = replace(description, configuration=replace(description.configuration, user_data=None))
    return to_json(told) + b"\n" + (b"" if user_data is None else base64.b64decode(user_data))


def _shorter_and_shorter(whole: InstanceConfiguration) -> Iterator[InstanceConfiguration]:
    yield whole
    without = whole
    if whole.user_data is not None:
        without = replace(whole, user_data=None, left_out=("user data",))
        yield without
    yield replace(
        without,
        tags={key: value for key, value in whole.tags.items() if key == "Name"},
        volumes=tuple(replace(one, tags={}) for one in whole.volumes),
        interfaces=tuple(replace(one, tags={}) for one in whole.interfaces),
        left_out=(*without.left_out, "tags"),
    )


def _purpose(point_id: str) -> str:
    return f"restore point {point_id} in the tags of its snapshots"


def _unreadable(point_id: str, why: str) -> FormatError:
    return FormatError(
        f"the description of restore point {point_id} cannot be read", why=why, cure="report it: its seal was good"
    )
