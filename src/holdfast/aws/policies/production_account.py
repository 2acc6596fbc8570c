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
    restored_role_arns: tuple[str, ...] | None = None,
    volume_key_arns: tuple[str, ...] = (),
) -> list[Grant]:
    """`restored_role_arns`: roles that restored instances may have, None for every role of that account;
    `volume_key_arns`: the customer's own KMS keys.
    """
    names = Ec2Names(partition, account_id)
    roles = restored_role_arns if restored_role_arns is not None else names.roles("*")
    return [
        *discovery_grants(names),
        *snapshot_grants(names),
        *birth_grants(names),
        *restore_grants(names, roles),
        *volume_key_grants(volume_key_arns),
    ]
