"""How the instance of a restore point was made up, as the repository alone tells it: enough to make it by hand."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from holdfast.cli.tables import facts_table, rows_table

if TYPE_CHECKING:
    from holdfast.repository.format.manifest import Manifest


def made_of(found: "Manifest") -> dict[str, Any] | None:
    """What an appliance stored beside the volumes, if it did; but the user data, which may hold secrets."""
    if found.configuration is None:
        return None
    try:
        configuration = json.loads(found.configuration)
    except ValueError:
        return None  # another writer's, and opaque to us
    if not isinstance(configuration, dict):
        return None
    return {name: value for name, value in configuration.items() if name != "user_data"}


def made_of_table(configuration: Mapping[str, Any]) -> str:
    """The same for people."""
    facts = facts_table(
        {
            "instance": configuration.get("instance_id"),
            "account": configuration.get("account_id"),
            "zone": configuration.get("zone"),
            "type": configuration.get("instance_type"),
            "architecture": configuration.get("architecture"),
            "root device": configuration.get("root_device"),
            "key pair": configuration.get("key_name"),
            "instance profile": configuration.get("instance_profile_arn"),
            "tags": _tags(configuration.get("tags", {})),
        }
    )
    rows = [
        (
            str(one["device_index"]),
            one["subnet_id"],
            " ".join(one["private_addresses"]),
            one.get("public_address"),
            " ".join(one["security_groups"]),
        )
        for one in configuration.get("interfaces", [])
    ]
    interfaces = rows_table(("INTERFACE", "SUBNET", "ADDRESSES", "PUBLIC", "SECURITY GROUPS"), rows)
    return "\n".join([facts, interfaces] if rows else [facts])


def _tags(tags: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or None
