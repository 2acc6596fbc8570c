"""What the repository alone tells of an instance."""

import json
from types import SimpleNamespace

import pytest

from holdfast.cli.made_of import made_of, made_of_table

CONFIGURATION = {
    "instance_id": "i-1",
    "instance_type": "t3.small",
    "zone": "eu-central-1a",
    "tags": {"Name": "web-1", "team": "shop"},
    "user_data": "c2VjcmV0",
    "interfaces": [
        {
            "device_index": 0,
            "subnet_id": "subnet-1",
            "private_addresses": ["10.0.0.5", "10.0.0.6"],
            "public_address": None,
            "security_groups": ["sg-1"],
        }
    ],
}


def point(configuration):
    return SimpleNamespace(configuration=configuration)


def test_it_is_told_but_for_user_data():
    told = made_of(point(json.dumps(CONFIGURATION).encode()))
    assert told == {name: value for name, value in CONFIGURATION.items() if name != "user_data"}
    table = made_of_table(told)
    assert "t3.small" in table
    assert "Name=web-1, team=shop" in table
    assert "c2VjcmV0" not in table
    assert "0          subnet-1  10.0.0.5 10.0.0.6  -       sg-1" in table


@pytest.mark.parametrize("configuration", [None, b"", b"\xff", b"[]"])
def test_what_another_writer_left_is_not_guessed_at(configuration):
    assert made_of(point(configuration)) is None
