"""A metadata service and an S3 in one loopback server, and bundles small enough to look at."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from holdfast.aws.bundle.building import running_architecture, running_python

ROLE = "/latest/meta-data/iam/security-credentials/"
PROGRAM = """import json, os, sys
def main():
    answer = {"argv": sys.argv, "path": sys.path, "region": os.environ["AWS_REGION"],
              "isolated": sys.flags.isolated, "no_site": sys.flags.no_site, "folder": os.getcwd()}
    print("PROGRAM " + json.dumps(answer), flush=True)
    if "hang" in sys.argv:
        import time
        time.sleep(600)
    sys.exit(int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else 0)
"""


def small_bundle(python: str = "", architecture: str = "", extra: dict[str, tarfile.TarInfo] | None = None) -> bytes:
    """A bundle whose Holdfast prints how it was started and exits with its first word."""
    description = {"python": python or running_python(), "architecture": architecture or running_architecture()}
    contents = {
        "holdfast-bundle.json": json.dumps(description).encode(),
        "site-packages/holdfast/__init__.py": b"",
        "site-packages/holdfast/cli/__init__.py": b"",
        "site-packages/holdfast/cli/main.py": PROGRAM.encode(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in (extra or {}).values():
            archive.addfile(entry)
    return packed.getvalue()


@dataclass
class SmallCloud:
    """What it answers, and what it was asked."""

    bundle: bytes = field(default_factory=small_bundle)
    url: str = ""
    token_status: int = 200
    refusals: list[int] = field(default_factory=list)
    no_role_times: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    cut_bytes: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.bundle).hexdigest()

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if path == "/latest/api/token":
            return self.token_status, b"token-1"
        if path.startswith(ROLE):
            return self._role(path, headers)
        self.authorizations.append(headers.get("authorization", ""))
        if self.refusals:
            return self.refusals.pop(0), b"<Error><Code>InvalidAccessKeyId</Code></Error>"
        return 200, self.bundle

    def _role(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if headers.get("x-aws-ec2-metadata-token") != "token-1":
            return 401, b""
        if self.no_role_times:
            self.no_role_times -= 1
            return 404, b""
        if path == ROLE:
            return 200, b"worker-role\n"
        keys = {"Code": "Success", "AccessKeyId": "ASIA1", "SecretAccessKey": "secret-1", "Token": "session-1"}
        return 200, json.dumps(keys).encode()


@contextmanager
def small_cloud() -> Iterator[SmallCloud]:
    """It, answering on loopback."""
    cloud = SmallCloud()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            cloud.asked.append((self.command, self.path))
            status, body = cloud.answer(
                self.command, self.path, {name.lower(): value for name, value in self.headers.items()}
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = len(body) - cloud.cut_bytes if status == 200 and body is cloud.bundle else len(body)
            cloud.cut_bytes = 0 if body is cloud.bundle else cloud.cut_bytes
            self.wfile.write(body[:cut])

        do_GET = respond
        do_PUT = respond

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
