"""What the lab's tests do with instances: launch them with a script, read their console, see their processes."""

import json
import os
from dataclasses import dataclass
from typing import Any

from tests.e2e.lab.account import Account, until

DEBIAN = "136693071363"
INSTANCE_TYPE = "t3.small"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
# Functions for scripts in Python that ask the metadata service, with the standard library alone.
ASKING = """#!/usr/bin/env python3
import json, os, urllib.error, urllib.request
def ask(path, method="GET", **headers):
    address = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + path
    headers = {"X-aws-ec2-metadata-" + name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method, headers=headers)) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
def token(seconds="300"):
    return ask("/latest/api/token", "PUT", token_ttl_seconds=seconds)
def get(path):
    return ask("/latest/" + path, token=token())
def say(**facts):
    print("SAID " + json.dumps(facts), flush=True)
"""


@dataclass
class Fleet:
    """Instances in one account of a lab."""

    account: Account

    def image(self) -> str:
        """The newest Debian 12 for amd64, found as one finds it in AWS."""
        filters = {"name": "debian-12-amd64-*", "architecture": "x86_64", "state": "available"}
        found = self.account.ec2.describe_images(
            Owners=[DEBIAN], Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()]
        )["Images"]
        newest: str = max(found, key=lambda image: image["CreationDate"])["ImageId"]
        return newest

    def launch(self, script: str = "", **options: Any) -> str:
        """One instance that runs a script; its id."""
        asked = {"ImageId": self.image(), "InstanceType": INSTANCE_TYPE, "MinCount": 1, "MaxCount": 1, **options}
        (launched,) = self.account.ec2.run_instances(**asked, UserData=script)["Instances"]
        instance_id: str = launched["InstanceId"]
        return instance_id

    def launched(self, script: str = "", **options: Any) -> str:
        """One instance, once it is running."""
        instance_id = self.launch(script, **options)
        self.reaches(instance_id, "running")
        return instance_id

    def instance(self, instance_id: str) -> dict[str, Any]:
        (reservation,) = self.account.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        (found,) = reservation["Instances"]
        return dict(found)

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def reaches(self, instance_id: str, state: str) -> None:
        until(lambda: self.state(instance_id) == state)

    def terminated(self, instance_id: str) -> None:
        self.account.ec2.terminate_instances(InstanceIds=[instance_id])
        self.reaches(instance_id, "terminated")

    def console(self, instance_id: str) -> str:
        return str(self.account.ec2.get_console_output(InstanceId=instance_id)["Output"])

    def prints(self, instance_id: str, words: str, times: int = 1) -> str:
        """The console, once these words are on it."""
        until(lambda: self.console(instance_id).count(words) >= times)
        return self.console(instance_id)

    def says(self, instance_id: str) -> dict[str, Any]:
        """What a script said with `say`."""
        until(lambda: "\n" in self.console(instance_id).partition("SAID {")[2])
        text = self.console(instance_id)
        (line,) = (line for line in text.splitlines() if line.startswith("SAID "))
        document: dict[str, Any] = json.loads(line.removeprefix("SAID "))
        return document

    def pids(self, instance_id: str) -> list[int]:
        """The processes of an instance, as the lab sees them."""
        shown = self.account.lab("instances")["instances"]
        return [pid for instance in shown if instance["instance_id"] == instance_id for pid in instance["pids"]]

    def volumes(self, instance_id: str) -> dict[str, str]:
        """Volume ids by device."""
        mappings = self.instance(instance_id)["BlockDeviceMappings"]
        return {mapping["DeviceName"]: mapping["Ebs"]["VolumeId"] for mapping in mappings}

    def role(self, name: str) -> dict[str, str]:
        """A role in an instance profile of the same name, as RunInstances takes it."""
        iam = self.account.client("iam")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        self.account.advance(60)
        return {"Name": name}


def alive(pid: int) -> bool:
    """Whether a process is there; one that only waits to be reaped is not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        # The second where it is reaped between the opening and the reading.
        return False


def all_gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids) and os.getpid() not in pids
