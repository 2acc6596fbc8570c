"""What the role of another account lets an appliance do there: backups and restores, no workers."""

from holdfast.aws.policies.grants import Grant
from holdfast.aws.policies.instances import (
    Ec2Names,
    birth_grants,
    discovery_grants,
    restore_grants,
    snapshot_grants,
    volume_key_grants,
)


def production_account_grants(
    partition: str,
    account_id: str,
    restored_role_arns: tuple[str, ...] = (),
    volume_key_arns: tuple[str, ...] = (),
) -> list[Grant]:
    """`restored_role_arns`: roles that restored instances may have; `volume_key_arns`: the customer's own KMS keys."""
    names = Ec2Names(partition, account_id)
    return [
        *discovery_grants(names),
        *snapshot_grants(names),
        *birth_grants(names),
        *restore_grants(names, restored_role_arns),
        *volume_key_grants(volume_key_arns),
    ]
