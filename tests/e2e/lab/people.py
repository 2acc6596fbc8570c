"""Users, roles and their sessions for the tests of access, made through IAM as anybody makes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

HERE, THERE = "123456789012", "210987654321"
REGION = "us-east-1"


def document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: object, resource: object = "*", **more: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object, resource: object = "*", **more: object) -> dict[str, object]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trusting(principal: str, **condition: str) -> str:
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = {"StringEquals": {name.replace("_", ":"): value for name, value in condition.items()}}
    return document(statement)


@dataclass(frozen=True)
class Person:
    """Somebody with a key: root of an account by its number, a user, or a role's session."""

    endpoint: str
    access_key: str
    secret_key: str = "secret"
    token: str | None = None
    region: str = REGION

    def client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.token,
            config=Config(**{"retries": {"total_max_attempts": 1}, **options}),
        )

    def user(self, name: str, *statements: Mapping[str, object]) -> "Person":
        """A new user of this account with a policy of these statements."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Person(self.endpoint, key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, name: str, trust: str, *statements: Mapping[str, object], **options: Any) -> str:
        """A new role of this account; its ARN."""
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **options)["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
        return arn

    def session(self, role_arn: str, **options: Any) -> "Person":
        """This person as the role."""
        given = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="session", **options)["Credentials"]
        return Person(self.endpoint, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def refused(call: Any, /, **arguments: Any) -> tuple[str, int]:
    """Code and status with which a call is refused."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def words(call: Any, /, **arguments: Any) -> str:
    """The message with which a call is refused."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Message"])
