"""What snapshots say of their restore point: whole where it fits, sealed, bound to the point, refused when altered."""

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdfast.appliance.points.description import PointDescription, described_in, description_tags
from holdfast.appliance.points.snapshot_tags import MOST_PARTS, point_named
from holdfast.domain.errors import ConflictError, FormatError, IntegrityError
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.workload import (
    InstanceConfiguration,
    InterfaceConfiguration,
    VolumeConfiguration,
    Workload,
    WorkloadKind,
)
from holdfast.wiring.key_box import KeyBox

# Long enough not to come about by chance in what is sealed.
NAME = "webserveroftheshop"
BOX = KeyBox(b"k" * 32, "a test")
POINT = RestorePoint(
    "a" * 32,
    PointKind.SNAPSHOT,
    Workload(WorkloadKind.EC2_INSTANCE, "own", "eu-central-1", "i-0123456789abcdef0", NAME),
    NAME,
    datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    8 * 1024**3,
    {"vol-0": "snap-0", "vol-1": "snap-1"},
    session_id="5" * 32,
)


def described(volumes=2, user_data=None, tags=3, digits=40, interfaces=1):
    draw = random.Random(1)

    def some(count):
        return {f"key-{number}": f"{draw.getrandbits(4 * digits):0{digits}x}" for number in range(count)}

    configuration = InstanceConfiguration(
        "i-0123456789abcdef0", "123456789012", "eu-central-1", "eu-central-1a", "t3.micro", "x86_64", "ami-1",
        "/dev/sda",
        tuple(
            VolumeConfiguration(
                f"vol-{draw.getrandbits(68):017x}", f"/dev/sd{place}", 8, "gp3", place == 0, tags=some(tags)
            )
            for place in range(volumes)
        ),
        tuple(
            InterfaceConfiguration(place, f"subnet-{draw.getrandbits(68):017x}", "vpc-1", ("10.0.0.9",), ("sg-1",))
            for place in range(interfaces)
        ),
        tags={"Name": NAME, **some(tags)},
        user_data=user_data,
    )  # fmt: skip
    return PointDescription("f" * 32, "123456789012", "eu-central-1", POINT, configuration)


def test_an_ordinary_instance_comes_back_whole_with_its_user_data():
    script = base64.b64encode(b"#!/bin/sh\n" + b"echo something that is said again and again\n" * 100).decode()
    whole = described(user_data=script)
    tags, left_out = description_tags(BOX, whole)
    assert left_out == ()
    assert len(tags) <= 1 + MOST_PARTS
    assert all(len(value) <= 256 and key.startswith("holdfast:point") for key, value in tags.items())
    assert point_named(tags) == POINT.id
    assert described_in(BOX, POINT.id, tags) == whole
    assert NAME not in "".join(value for key, value in tags.items() if key != "holdfast:point"), "nobody reads it"


def test_what_does_not_fit_is_left_out_in_order_and_said():
    noise = base64.b64encode(random.Random(2).randbytes(16 * 1024)).decode()
    tags, left_out = description_tags(BOX, described(user_data=noise))
    assert left_out == ("user data",)
    read = described_in(BOX, POINT.id, tags).configuration
    assert (read.user_data, read.left_out) == (None, ("user data",))
    assert read.volumes[0].tags, "the tags had room"

    tags, left_out = description_tags(BOX, described(volumes=4, user_data=noise, tags=50, digits=200))
    assert left_out == ("user data", "tags")
    read = described_in(BOX, POINT.id, tags).configuration
    assert read.tags == {"Name": NAME}
    assert len(read.volumes) == 4

    with pytest.raises(ConflictError):
        description_tags(BOX, described(volumes=600))


def test_the_most_volumes_and_interfaces_that_an_instance_has_fit():
    tags, left_out = description_tags(BOX, described(volumes=40, interfaces=15, tags=2))
    assert len(described_in(BOX, POINT.id, tags).configuration.volumes) == 40
    assert left_out in ((), ("tags",))


def test_every_altered_lost_or_foreign_part_is_refused():
    tags, _ = description_tags(BOX, described())
    for key, value in tags.items():
        changed = [{**tags, key: value[:-1] + ("A" if value[-1] != "A" else "B")}, {**tags, key: ""}]
        without = {one: text for one, text in tags.items() if one != key}
        for altered in (*changed, without):
            with pytest.raises(IntegrityError):
                described_in(BOX, POINT.id, altered)
    with pytest.raises(IntegrityError):
        described_in(KeyBox(b"l" * 32, "another"), POINT.id, tags)
    with pytest.raises(IntegrityError):
        described_in(BOX, "b" * 32, tags)
    newer = {**tags, "holdfast:point": "2" + tags["holdfast:point"][1:]}
    with pytest.raises(FormatError, match="description") as refusal:
        described_in(BOX, POINT.id, newer)
    assert "version 2" in refusal.value.why


def test_a_checksum_that_fits_altered_parts_does_not_open_them():
    other, _ = description_tags(BOX, replace(described(), point=replace(POINT, id="c" * 32)))
    swapped = {**other, "holdfast:point": other["holdfast:point"].replace("c" * 32, POINT.id)}
    with pytest.raises(IntegrityError):
        described_in(BOX, POINT.id, swapped)
