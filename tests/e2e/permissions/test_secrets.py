"""A whole way with real processes and canaries in every secret: none of them turns up where it does not belong.

The server's credentials are a user's with the documented policy: what is done here needs no right more.
"""

import base64
import json
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.aws.policies.grants import as_text, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.aws.policies.server import ServerScope, deployment_grants, plugin_grants
from holdfast.lab.listening import port_for_later
from holdfast.wiring.demo_processes import Commands, RunningServer, environment_of
from holdfast.wiring.local import opening
from tests.e2e.lab.account import Account
from tests.e2e.permissions.canaries import TOKEN, Canaries, Watch, files_with
from tests.labs import start_lab

REGION = "us-east-1"
ACCOUNT, PRODUCTION = "123456789012", "210987654321"
LOCATION = "s3://kept-backups/main"
POLICY = """\
apiVersion: holdfast/v1
kind: EC2Policy
metadata: {name: shop}
spec:
  account: own
  regions: [us-east-1]
  select: {tags: {backup: daily}}
  snapshot: {keep: 2}
  backup: {repository: main, retention: {keep: 7}}
"""
# Where a secret lies on purpose: readable by its owner alone.
KEEPERS = {
    "password": r"/secrets/password$",
    "external id": r"/secrets/external-id$",
    "enrolment code": r"/by-hand/appliance/enrolment-code$",
    "admin token": r"/server/admin-token$",
    "a token": r"/server/(admin-token|services/[^/]+)$|/server/services/",
}


def canary(name):
    return f"canary-{name}-{secrets.token_hex(8)}"


class Story:
    """A lab, a person with a home, secrets in files, and everything that was said."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.root = lab, folder, Account(lab.endpoint)
        self.canaries = Canaries()
        self.said: list[Any] = []
        self.keep = folder / "secrets"
        self.keep.mkdir(mode=0o700)
        self.password, self.external_id = self.secret("password"), self.secret("external-id", "external id")
        self.user_data = canary("user-data")
        self.canaries.add("user data", self.user_data.encode())
        keys = {
            "AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, **self._user()
        }  # fmt: skip
        self.environment = environment_of(folder, keys)
        self.commands = Commands(self.environment, self.password, self.said.append)

    def secret(self, file, name=None):
        """A file with a secret of its own, and its canary."""
        path, text = self.keep / file, canary(file)
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        self.canaries.add(name or file, text.encode())
        return path

    def _user(self):
        """The server's credentials: the documented policy and, as a person, the bucket of the repository."""
        iam, scope = self.root.client("iam"), ServerScope("aws", ACCOUNT, REGION)
        iam.create_user(UserName="server")
        bucket = "arn:aws:s3:::kept-backups"
        person = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"]}
        texts = {
            "plugin": as_text(plugin_grants(scope)),
            "deployment": as_text(deployment_grants(scope)),
            "person": json.dumps(
                {"Version": "2012-10-17", "Statement": [{**person, "Resource": [bucket, bucket + "/*"]}]}
            ),
        }
        for name, text in texts.items():
            made = iam.create_policy(PolicyName=name, PolicyDocument=text)
            iam.attach_user_policy(UserName="server", PolicyArn=made["Policy"]["Arn"])
        key = iam.create_access_key(UserName="server")["AccessKey"]
        self.canaries.add("AWS key of the server", key["SecretAccessKey"].encode())
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def run(self, *words):
        done = self.commands.run(*words)
        self.said.append(json.dumps(done))
        return done

    def customer(self):
        self.root.s3.create_bucket(Bucket="kept-backups")
        images = self.root.ec2.describe_images(Owners=["136693071363"])["Images"]
        image = max((one for one in images if "amd64" in one["Name"]), key=lambda one: one["CreationDate"])["ImageId"]
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "daily"}]}]
        made = self.root.ec2.run_instances(
            ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, TagSpecifications=tags,
            UserData=f"#!/bin/sh\n: {self.user_data}\n",
        )  # fmt: skip
        self.protected = made["Instances"][0]["InstanceId"]

    def production(self, role_arn):
        iam = Account(self.lab.endpoint, access_key=PRODUCTION).client("iam")
        trust = json.dumps(trusts_role(role_arn, self.external_id.read_text().strip()))
        iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trust)
        text = as_text(production_account_grants("aws", PRODUCTION))
        iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=text)

    def keys_of_the_repository(self, sessions, monkeypatch):
        """Derived as whoever knows the password can: no worker's key, no key of the repository may be anywhere."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        with opening.opened(
            LOCATION, self.password.read_bytes().strip(), self.said.append, remembering=False
        ) as opened:
            master = opened.repository.master
            for number, session in enumerate(sessions):
                self.canaries.add(f"scratch key {number}", master.scratch_key(bytes.fromhex(session)))


@pytest.mark.timeout(1200)
def test_no_secret_turns_up_anywhere(tmp_path, monkeypatch):
    with start_lab(tmp_path / "lab", faults="quota=off,pending=100ms,iam=50ms") as lab:
        story = Story(lab, tmp_path)
        story.customer()
        server = RunningServer(story.environment, tmp_path / "server.log")
        try:
            with Watch(story.root.client("sqs"), ()) as watch:
                _tell(story)
                detail = story.run("policy", "run", "shop")
            (task,) = detail["tasks"]
            story.keys_of_the_repository([worker["work"] for worker in task["workers"]], monkeypatch)
            story.root.settled()
            found = list(_searched(story, watch))
        finally:
            server.stop()
        assert task["workers"]
        assert watch.messages, "no message was seen: the watch was blind"
        assert any(b"worker" in command for command in watch.environments), "no worker was seen"
        assert not found, "\n".join(found)
        seen = "\n".join(files_with(story.canaries, [tmp_path / "home", tmp_path / "by-hand", story.keep], {}))
        for name in ("password", "external id", "enrolment code", "admin token", "a token", "key of the server"):
            assert f"{name} stands in" in seen, f"the search is blind for the {name}"


def _tell(story):
    """From nothing to a protected instance, with one appliance deployed and one connected by hand."""
    story.run("repository", "init", LOCATION)
    role = f"arn:aws:iam::{PRODUCTION}:role/backup"
    options = {"region": REGION, "reach-at": "127.0.0.1", "repositories": "kept-backups/main", "roles": role}
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    installed = story.run("plugin", "install", "aws", *words)
    assert installed
    role_arn = next(
        one["Arn"] for one in story.root.client("iam").list_roles()["Roles"] if "ApplianceRole" in one["RoleName"]
    )
    story.production(role_arn)
    story.run("appliance", "deploy", "north", "--allow", "127.0.0.1/32", "--port", str(port_for_later()))
    story.run("repository", "add", "main", LOCATION, "--password-file", str(story.password))
    story.run("account", "add", "own")
    far = ["--role", f"arn:aws:iam::{PRODUCTION}:role/backup", "--external-id-file", str(story.external_id)]
    added = story.run("account", "add", "production", *far)
    assert added["account_id"] == PRODUCTION
    story.run("account", "list")
    document = story.folder / "policy.yaml"
    document.write_text(POLICY)
    story.run("policy", "apply", "-f", str(document))
    _by_hand(story)
    home = story.folder / "home" / "server"
    story.canaries.add("admin token", (home / "admin-token").read_bytes().strip())
    for key in (home / "key", home / "tls" / "private-key.pem"):
        story.canaries.add(f"{key.name} of the server", _of_key(key.read_bytes()))
        KEEPERS[f"{key.name} of the server"] = re.escape(str(key)) + "$"


def _by_hand(story):
    """An appliance that was started by a person is connected with its one-time code, and let go of."""
    words = ["appliance", "run", "--home", str(story.folder / "by-hand"), "--listen", "127.0.0.1:0", "--output", "json"]
    log = (story.folder / "by-hand.log").open("wb")
    environment = story.environment | {"HOLDFAST_HOME": str(story.folder / "by-hand")}
    command = [sys.executable, "-m", "holdfast.cli.main", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        text = ""
        for line in process.stdout or ():
            text += line
            if line.rstrip() == "}":
                break
        facts = json.loads(text)
        code = Path(facts["enrolment_code_file"])
        story.canaries.add("enrolment code", code.read_bytes().strip())
        kept = story.keep / "code"
        kept.touch(mode=0o600)
        kept.write_bytes(code.read_bytes())
        words = ["--fingerprint", facts["certificate_sha256"], "--code-file", str(kept)]
        story.run("appliance", "connect", "by-hand", "--url", facts["url"], *words)
        kept.unlink()
        story.run("appliance", "remove", "by-hand", "--yes")
        process.terminate()
    log.close()


def _searched(story, watch):
    """A line for everything that was found where it does not belong."""
    canaries, root = story.canaries, story.root
    instances = [path for path in (story.folder / "lab").rglob("i-*") if path.is_dir()]
    others = [path for path in instances if path.name != story.protected]
    assert others
    homes = [story.folder / "home", story.folder / "by-hand", story.keep, *others]
    yield from files_with(canaries, homes, KEEPERS)
    logs = [*story.folder.glob("*.log")]
    for path in logs:
        yield from (f"{name} stands in {path.name}" for name in canaries.in_bytes(path.read_bytes()))
    for line in story.said:
        content = line.encode()
        yield from (f"{name} was said: {line[:80]}" for name in canaries.in_bytes(content))
        if TOKEN.search(content):
            yield f"a token was said: {line[:80]}"
    for message in watch.messages:
        yield from (f"{name} was in a message" for name in canaries.in_bytes(message))
    for command in watch.commands:
        yield from (f"{name} is an argument of {command[:80]!r}" for name in canaries.in_bytes(command))
    for command, environments in watch.environments.items():
        for environment in environments:
            yield from (f"{name} is in the environment of {command[:80]!r}" for name in canaries.in_bytes(environment))
    reservations = root.ec2.describe_instances()["Reservations"]
    for instance_id in (one["InstanceId"] for group in reservations for one in group["Instances"]):
        if instance_id != story.protected:
            found = root.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
            text = base64.b64decode(found["UserData"].get("Value", ""))
            yield from (f"{name} is in the user data of {instance_id}" for name in canaries.in_bytes(text))
            output = root.ec2.get_console_output(InstanceId=instance_id).get("Output", "")
            yield from (f"{name} is on the console of {instance_id}" for name in canaries.in_bytes(output.encode()))


def _of_key(content):
    """What of a key's file no other file has."""
    lines = [line for line in content.splitlines() if line and not line.startswith(b"-----")]
    return max(lines, key=len) if lines else content
