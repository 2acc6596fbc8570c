"""AWS::S3::BucketPolicy and AWS::SQS::QueuePolicy, which moto's CloudFormation has not.

Importing this module makes them known: moto finds the types among the subclasses of its model.
"""

import json
from typing import Any, ClassVar

from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition


class _AttachedPolicy:
    """A policy that is put on other resources of a template. `kind` is its type there, `targets` their names."""

    kind: ClassVar[str]

    def __init__(self, name: str, targets: list[str]) -> None:
        self.name = name
        self.targets = targets

    @property
    def physical_resource_id(self) -> str:
        """A name that nothing else of its type has."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """It has no name of its own."""
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        """The type in templates."""
        return cls.kind

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """It has no attributes."""
        return False

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **facts: Any
    ) -> Any:
        """Put the policy where it belongs."""
        properties = cloudformation_json["Properties"]
        made = cls.named(resource_name, properties)
        document = properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document, default=str)
        for target in made.targets:
            made.put(target, text, account_id, region_name)
        return made

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        """Put another policy in its place."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)

    @classmethod
    def named(cls, name: str, properties: Any) -> Any:
        """The policy, by what the template says of it."""
        raise NotImplementedError

    def put(self, target: str, text: str, account_id: str, region_name: str) -> None:
        """Put it on one of its targets."""
        raise NotImplementedError

    def is_created(self) -> bool:
        """It is there at once."""
        return True


class BucketPolicy(_AttachedPolicy, CloudFormationModel):
    """The policy of a bucket."""

    __module__ = "moto.s3.models"
    kind = "AWS::S3::BucketPolicy"

    @classmethod
    def named(cls, name: str, properties: Any) -> "BucketPolicy":
        """It is called as its bucket is."""
        return cls(properties["Bucket"], [properties["Bucket"]])

    def put(self, target: str, text: str, account_id: str, region_name: str) -> None:
        """Put it on its bucket."""
        s3_backends[account_id][get_partition(region_name)].put_bucket_policy(target, text.encode())

    def delete(self, account_id: str, region_name: str) -> None:
        """Take the policy off, where the bucket is still there."""
        backend = s3_backends[account_id][get_partition(region_name)]
        if self.name in backend.buckets:
            backend.delete_bucket_policy(self.name)


class QueuePolicy(_AttachedPolicy, CloudFormationModel):
    """The policy of one or more queues, which are named by their URLs."""

    __module__ = "moto.sqs.models"
    kind = "AWS::SQS::QueuePolicy"

    @classmethod
    def named(cls, name: str, properties: Any) -> "QueuePolicy":
        """Its targets are the names of the queues."""
        return cls(name, [str(url).rstrip("/").rpartition("/")[2] for url in properties["Queues"]])

    def put(self, target: str, text: str, account_id: str, region_name: str) -> None:
        """Put it on a queue."""
        sqs_backends[account_id][region_name].get_queue(target).policy = text

    def delete(self, account_id: str, region_name: str) -> None:
        """Take the policy off, where the queues are still there."""
        backend = sqs_backends[account_id][region_name]
        for name in self.targets:
            if name in backend.queues:
                backend.queues[name].policy = None
