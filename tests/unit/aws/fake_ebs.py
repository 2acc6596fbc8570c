"""An EBS direct API on loopback whose misbehaviour a test decides."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from tests.unit.signed_http.loopback import Answer, Asked

SNAPSHOT = "snap-0123456789abcdef0"


def block(number: int) -> bytes:
    """A block that differs from every other."""
    return hashlib.sha256(b"%d" % number).digest() * (BLOCK_SIZE_BYTES // 32)


def refusal(status: int, code: str, reason: str = "", message: str = "a message") -> Answer:
    document = {"Message": message} | ({"Reason": reason} if reason else {})
    return Answer(status, json.dumps(document).encode(), {"x-amzn-errortype": code, "content-type": "application/json"})


@dataclass
class FakeEbs:
    """Serves the blocks numbered in `numbers`; `misbehave(asked, nth)` may answer the nth GET of a block instead, and
    `late` are the first answers to completions and to questions for the snapshot's state, of each.
    """

    numbers: list[int]
    misbehave: Callable[[int, int], Answer | None] = lambda number, nth: None
    listing: Callable[[dict[str, str]], Answer | None] = lambda query: None
    block_size_bytes: int = BLOCK_SIZE_BYTES
    late: tuple[Answer, ...] = ()
    completions: int = 0
    looks: int = 0
    asked: list[int] = field(default_factory=list)
    stored: dict[int, bytes] = field(default_factory=dict)
    completed_with: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        words = parts.path.strip("/").split("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if asked.method == "GET" and len(words) == 4:
            return self._get(int(words[3]))
        if asked.method == "GET":
            return self.listing(query) or self._list()
        if asked.method == "PUT":
            return self._put(int(words[3]), asked)
        if words[:2] == ["snapshots", "completion"]:
            self.completions += 1
            if self.completions <= len(self.late):
                return self.late[self.completions - 1]
            self.completed_with = dict(asked.headers)
            return self._json(202, {"Status": "completed"})
        if words == ["snapshots"]:
            return self._json(201, {"SnapshotId": SNAPSHOT, "BlockSize": self.block_size_bytes})
        self.looks += 1
        if self.looks <= len(self.late):
            unknown = b"<Response><Errors><Error><Code>InvalidSnapshot.NotFound</Code><Message>it is not</Message>"
            return Answer(400, unknown + b"</Error></Errors></Response>")
        state = b"<DescribeSnapshotsResponse><snapshotSet><item><status>completed</status></item></snapshotSet>"
        return Answer(200, state + b"</DescribeSnapshotsResponse>")

    def _json(self, status: int, document: dict[str, object]) -> Answer:
        return Answer(status, json.dumps(document).encode(), {"content-type": "application/json"})

    def _list(self) -> Answer:
        blocks = [{"BlockIndex": number, "BlockToken": f"token-{number}"} for number in self.numbers]
        return self._json(200, {"Blocks": blocks, "VolumeSize": 1, "BlockSize": self.block_size_bytes})

    def _get(self, number: int) -> Answer:
        with self.lock:
            nth = self.asked.count(number)
            self.asked.append(number)
        odd = self.misbehave(number, nth)
        return odd if odd is not None else good(number)

    def _put(self, number: int, asked: Asked) -> Answer:
        with self.lock:
            nth = self.asked.count(number)
            self.asked.append(number)
        odd = self.misbehave(number, nth)
        if odd is not None:
            return odd
        checksum = base64.b64encode(hashlib.sha256(asked.body).digest()).decode()
        if asked.headers["x-amz-checksum"] != checksum or asked.headers["x-amz-data-length"] != str(len(asked.body)):
            return refusal(400, "ValidationException", "INVALID_PARAMETER_VALUE")
        with self.lock:
            self.stored[number] = asked.body
        return Answer(201)


def good(number: int, body: bytes | None = None) -> Answer:
    """The right answer; with `body` a wrong one under the right checksum."""
    checksum = base64.b64encode(hashlib.sha256(block(number)).digest()).decode()
    headers = {"x-amz-checksum": checksum, "x-amz-checksum-algorithm": "SHA256"}
    return Answer(200, block(number) if body is None else body, headers)
