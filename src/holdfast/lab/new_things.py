"""EC2 and IAM do not know at once what they have made: `hidden=TIME`.

EC2 developer guide, "Eventual consistency in the Amazon EC2 API": the id of a new thing may not have propagated, and
calls that name it say that it does not exist; it is left out of what is described, too. IAM user guide, "Changes that I
make are not always immediately visible": so it is with a new role, and a new instance profile, by their names.
"""

import re
from collections.abc import Callable, Hashable, Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from xml.etree import ElementTree as ET

from holdfast.lab import aws_errors
from holdfast.lab.access.calls import Call, read_call
from holdfast.lab.access.enforcing import account_of
from holdfast.lab.aws_errors import AwsError
from holdfast.lab.http_front import run
from holdfast.lab.request_scope import scope_of

# By operation: the element of its answer with the id of what it has made.
_MAKING = {
    "RunInstances": "instanceId",
    "CreateVolume": "volumeId",
    "CreateSecurityGroup": "groupId",
    "CreateSnapshot": "snapshotId",
    "CreateSnapshots": "snapshotId",
    "CopySnapshot": "snapshotId",
}
# By operation: the list in its answer, and what identifies an entry.
_DESCRIBING = {
    "DescribeInstances": ("instancesSet", "instanceId"),
    "DescribeInstanceStatus": ("instanceStatusSet", "instanceId"),
    "DescribeVolumes": ("volumeSet", "volumeId"),
    "DescribeSecurityGroups": ("securityGroupInfo", "groupId"),
    "DescribeSnapshots": ("snapshotSet", "snapshotId"),
}
_RESERVATIONS = "reservationSet"
# Fields of a request that name a thing; the same text as the value of a filter or a tag names none.
_NAMING = re.compile(r"(?:.*\.)?(?:Source)?(?:Instance|Volume|Snapshot|SecurityGroup|Group|Resource)Id(?:\.\d+)?")
_NOT_FOUND = {
    "i": ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "vol": ("InvalidVolume.NotFound", "The volume '{}' does not exist."),
    "sg": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "snap": ("InvalidSnapshot.NotFound", "The snapshot '{}' does not exist."),
}
# By operation of IAM: the parameter with the name of what it has made.
_NAMED = {"CreateRole": "RoleName", "CreateInstanceProfile": "InstanceProfileName"}
_NO_ENTITY = {
    "RoleName": "The role with name {} cannot be found.",
    "InstanceProfileName": "Instance Profile {} cannot be found.",
}


class NewThings:
    """Services that do not know new things for `hidden_seconds`; `now` is the lab's time. Safe for threads."""

    def __init__(self, services: WSGIApplication, now: Callable[[], float], hidden_seconds: float) -> None:
        self._services = services
        self._now = now
        self._hidden_seconds = hidden_seconds
        self._known_at: dict[Hashable, float] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scope = scope_of(environ)
        if scope.service not in ("ec2", "iam"):
            return self._services(environ, start_response)
        call = read_call(scope, account_of(environ), environ)
        error = self._refused_by_ec2(call) if call.service == "ec2" else self._refused_by_iam(call)
        if error is not None:
            protocol = aws_errors.protocol_of(call.service, environ)
            return aws_errors.send(error, protocol, environ, start_response)
        status, headers, chunks = run(self._services, environ)
        body = b"".join(chunks)
        if status.startswith(str(HTTPStatus.OK.value)):
            self._remember(call, body)
            body = self._shown(call, body)
        kept = [header for header in headers if header[0].lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return (body,)

    def _refused_by_ec2(self, call: Call) -> AwsError | None:
        for field, value in call.fields.items():
            kind = value.partition("-")[0]
            if kind in _NOT_FOUND and _NAMING.fullmatch(field) and self._is_hidden(value):
                code, words = _NOT_FOUND[kind]
                return AwsError(code, words.format(value), "400 Bad Request")
        return None

    def _refused_by_iam(self, call: Call) -> AwsError | None:
        if call.operation in _NAMED:
            return None
        for field, words in _NO_ENTITY.items():
            name = call.fields.get(field, "")
            if self._is_hidden((call.account, field, name)):
                return AwsError("NoSuchEntity", words.format(name), "404 Not Found")
        return None

    def _remember(self, call: Call, body: bytes) -> None:
        known_at = self._now() + self._hidden_seconds
        if call.operation in _NAMED:
            field = _NAMED[call.operation]
            self._known_at[call.account, field, call.fields.get(field, "")] = known_at
        if call.operation in _MAKING:
            tag = _MAKING[call.operation]
            for found in re.findall(rf"<{tag}>([^<]+)</{tag}>", body.decode()):
                # A client token hands back what was made before.
                self._known_at.setdefault(found, known_at)

    def _shown(self, call: Call, body: bytes) -> bytes:
        """The answer without what is not known yet."""
        if call.operation not in _DESCRIBING:
            return body
        entries, key = _DESCRIBING[call.operation]
        tree = ET.fromstring(body)  # noqa: S314 - the lab's own answer
        for parent in tree.findall(f".//{{*}}{entries}"):
            for entry in list(parent):
                if self._is_hidden(entry.findtext(f"{{*}}{key}")):
                    parent.remove(entry)
        for reservations in tree.findall(f"{{*}}{_RESERVATIONS}"):
            for entry in list(reservations):
                if not entry.findall(f"{{*}}{entries}/*"):
                    reservations.remove(entry)
        space = tree.tag.removeprefix("{").partition("}")[0]
        shown: bytes = ET.tostring(tree, encoding="utf-8", xml_declaration=True, default_namespace=space)
        return shown

    def _is_hidden(self, thing: Hashable) -> bool:
        return self._known_at.get(thing, 0.0) > self._now()
