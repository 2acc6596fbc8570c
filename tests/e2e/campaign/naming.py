"""What a request to AWS is called, whatever protocol carries it: `ec2 CreateSnapshots`, `s3 PUT ledger`, ..."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

# The end of the name of a request that looks for what bears our tags.
OURS = " (ours)"
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([a-z0-9-]+)/aws4_request")
_EBS = (
    ("POST", r"/snapshots", "StartSnapshot"),
    ("POST", r"/snapshots/completion/[^/]+", "CompleteSnapshot"),
    ("GET", r"/snapshots/[^/]+/changedblocks", "ListChangedBlocks"),
    ("GET", r"/snapshots/[^/]+/blocks", "ListSnapshotBlocks"),
    ("GET", r"/snapshots/[^/]+/blocks/\d+", "GetSnapshotBlock"),
    ("PUT", r"/snapshots/[^/]+/blocks/\d+", "PutSnapshotBlock"),
)
_OURS = "tag:holdfast:appliance"
_LOOKING_AROUND = ("ListQueues", "ListQueueTags", "ListRoles", "GetRole", "ListInstanceProfiles", "GetInstanceProfile")
_READS = ("Describe", "Get", "List", "Receive", "Decrypt", "GET", "HEAD", "LIST", "Assume", "Simulate")


def request_name(method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
    """The name of one request; `headers` by lower-case names."""
    path, _, query = target.partition("?")
    found = _SCOPE.search(headers.get("authorization", ""))
    service = found.group(1) if found else "unsigned"
    if service == "s3":
        return f"s3 {_of_s3(method, unquote(path), query)}"
    if service == "ebs":
        operation = next((name for verb, shape, name in _EBS if verb == method and re.fullmatch(shape, path)), "?")
        return f"ebs {operation}"
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if not operation:
        fields = parse_qs(body.decode("utf-8", "replace"))
        operation = fields.get("Action", [method])[0]
        # Looking for what bears our tags is the reaper's and every clean-up's way: not a step of a story.
        if any(_OURS in value for values in fields.values() for value in values):
            operation += OURS
    if operation in _LOOKING_AROUND:
        operation += OURS
    return f"{service} {operation}"


def _of_s3(method: str, path: str, query: str) -> str:
    if "list-type" in query:
        return "LIST"
    if query.partition("=")[0] in ("uploads", "uploadId", "versioning", "location", "object-lock", "delete"):
        return f"{method} ?{query.partition('=')[0]}"
    _, _, key = path.strip("/").partition("/")
    # The repository's prefix is one word; its folders say what kind of object it is.
    words = key.split("/")
    return f"{method} {words[1] if len(words) > 1 else words[0] or 'bucket'}"


def is_read(name: str) -> bool:
    """Whether such a request changes nothing in AWS."""
    return name.partition(" ")[2].startswith(_READS)
