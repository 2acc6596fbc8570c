"""What of a distribution goes into a bundle: everything that a program imports, and nothing for developers."""

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["worker", "appliance"]

# What each kind asks of AWS. botocore describes some four hundred services; a description that is missing here is
# missing on the instance, and botocore says so by the name of the service.
SERVICES: dict[Kind, frozenset[str]] = {
    "worker": frozenset({"ebs", "ec2", "kms", "s3", "sqs", "sts"}),
    "appliance": frozenset(
        {
            "cloudformation",
            "ebs",
            "ec2",
            "efs",
            "iam",
            "kms",
            "pricing",
            "rds",
            "s3",
            "s3control",
            "service-quotas",
            "sqs",
            "ssm",
            "sts",
        }
    ),
}
EXTRAS: dict[Kind, frozenset[str]] = {"worker": frozenset(), "appliance": frozenset({"appliance"})}

_SKIPPED_FOLDERS = frozenset({"__pycache__", "tests"})
# Stubs, headers, sources and archives for compilers; `.pth` files are for the machinery of `site`, which stays off.
_SKIPPED_SUFFIXES = frozenset({".a", ".c", ".cpp", ".h", ".pth", ".pxd", ".pyc", ".pyi", ".pyx"})
# How it was installed here says nothing about there, and names folders of this machine.
_SKIPPED_METADATA = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
_SERVICE_DATA = (("boto3", "data"), ("botocore", "data"))


def is_kept(name: str, kind: Kind) -> bool:
    """Whether the file `name`, a path below site-packages, belongs into a bundle of that kind."""
    path = PurePosixPath(name)
    if not _SKIPPED_FOLDERS.isdisjoint(path.parts[:-1]) or path.suffix in _SKIPPED_SUFFIXES:
        return False
    if path.parent.suffix == ".dist-info" and path.name in _SKIPPED_METADATA:
        return False
    if path.parts[:2] in _SERVICE_DATA and len(path.parts) > 3:
        return path.parts[2] in SERVICES[kind]
    return path.parts[:2] != ("boto3", "examples")
