"""AWS::S3::BucketPolicy and AWS::SQS::QueuePolicy, which moto's CloudFormation has not.

Importing this module makes them known: moto finds the types among the subclasses of its model.
"""

import json
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition


class BucketPolicy(CloudFormationModel):
    """The policy of a bucket."""

    __module__ = "moto.s3.models"

    def __init__(self, bucket: str) -> None:
        self.name = bucket

    @property
    def physical_resource_id(self) -> str:
        """The bucket's name."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """It has no name of its own."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """The type in templates."""
        return "AWS::S3::BucketPolicy"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """It has no attributes."""
        return False

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **facts: Any
    ) -> "BucketPolicy":
        """Put the policy on its bucket."""
        properties = cloudformation_json["Properties"]
        backend = s3_backends[account_id][get_partition(region_name)]
        backend.put_bucket_policy(properties["Bucket"], _text(properties["PolicyDocument"]).encode())
        return cls(properties["Bucket"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> "BucketPolicy":
        """Put another policy on the bucket."""
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Take the policy off, where the bucket is still there."""
        backend = s3_backends[account_id][get_partition(region_name)]
        if self.name in backend.buckets:
            backend.delete_bucket_policy(self.name)

    def is_created(self) -> bool:
        """It is there at once."""
        return True


class QueuePolicy(CloudFormationModel):
    """The policy of one or more queues."""

    __module__ = "moto.sqs.models"

    def __init__(self, name: str, queues: list[str]) -> None:
        self.name = name
        self.queues = queues

    @property
    def physical_resource_id(self) -> str:
        """A name that nothing else has."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """It has no name of its own."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """The type in templates."""
        return "AWS::SQS::QueuePolicy"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """It has no attributes."""
        return False

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **facts: Any
    ) -> "QueuePolicy":
        """Put the policy on its queues, which are named by their URLs."""
        properties = cloudformation_json["Properties"]
        names = [str(url).rstrip("/").rpartition("/")[2] for url in properties["Queues"]]
        for name in names:
            sqs_backends[account_id][region_name].get_queue(name).policy = _text(properties["PolicyDocument"])
        return cls(resource_name, names)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> "QueuePolicy":
        """Put another policy on the queues."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Take the policy off, where the queues are still there."""
        backend = sqs_backends[account_id][region_name]
        for name in self.queues:
            if name in backend.queues:
                backend.queues[name].policy = None

    def is_created(self) -> bool:
        """It is there at once."""
        return True


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)
