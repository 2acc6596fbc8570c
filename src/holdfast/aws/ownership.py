"""Our tags in AWS's form, and back."""

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.appliance.ports.cloud import Ownership
from holdfast.domain.ownership import APPLIANCE, ATTEMPT, PURPOSE, SESSION, TASK

RESERVED = ("aws:", "holdfast:")


def owner_of(tags: Mapping[str, str]) -> Ownership | None:
    """Whose something is; None where tags of ours are missing or are no tags of ours."""
    if not all(key in tags for key in (APPLIANCE, SESSION, TASK, ATTEMPT, PURPOSE)) or not tags[ATTEMPT].isdecimal():
        return None
    return Ownership(tags[APPLIANCE], tags[SESSION], tags[TASK], int(tags[ATTEMPT]), tags[PURPOSE])


def people_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that people gave: those that only AWS may set, and ours, are left out."""
    return {key: value for key, value in tags.items() if not key.startswith(RESERVED)}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """AWS's list of pairs."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_map(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """From AWS's list of pairs."""
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or ()}


def owned_by(owner: Ownership) -> list[dict[str, Any]]:
    """EC2's filters for what was made for that task and attempt, for whatever purpose."""
    wanted = {key: value for key, value in owner.tags().items() if key != PURPOSE}
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
