"""What runs first on an instance: fetch a bundle with the instance's role, prove it, unpack it, become Holdfast.

This file travels inside user data. It is a program of its own, Python 3.11's standard library and nothing else, started
with `python3 -I -S bootstrap.py ORDER`; ORDER is the JSON that `user_data.py` writes. It holds no secret, and asks only
an instance metadata service that demands a session token (IMDSv2).
"""

import hashlib
import hmac
import http.client
import json
import os
import platform
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from types import TracebackType

# The exit code of a boot that did not come to starting Holdfast, which has codes of its own.
BOOT_FAILED = 97
# A role that was made a moment ago is not known everywhere: S3 answers 403 for a while, the metadata service 404.
PATIENCE_SECONDS = 300.0
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 10.0
TIMEOUT_SECONDS = 30
PIECE_BYTES = 1024 * 1024
LONGEST_ANSWER_BYTES = 64 * 1024
DESCRIPTION_NAME = "holdfast-bundle.json"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
# Only the bundle and the system's standard library can be imported: -I and -S leave out everything else.
LAUNCHER = """import os, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "site-packages"))
sys.argv[0] = "holdfast"
from holdfast.cli.main import main
main()
"""


class BootError(Exception):
    """The boot cannot go on; the text is for whoever reads the console."""


class NotYetError(Exception):
    """What was asked may be answered a little later."""


def main(arguments: list[str]) -> None:
    """Carry out the order; replaces this process by Holdfast."""
    order = json.loads(arguments[0])
    folder = os.path.join(os.environ.get("HOME") or os.path.expanduser("~root"), "holdfast")
    if not is_unpacked(folder, order["sha256"]):
        archive = folder + ".tar.gz"
        patiently(lambda: fetch(order, role_credentials(), archive), PATIENCE_SECONDS)
        unpack(archive, folder, order["sha256"])
        os.unlink(archive)
    environment = dict(os.environ, AWS_REGION=order["region"], AWS_EC2_METADATA_V1_DISABLED="true")
    say("starting holdfast " + " ".join(order["command"]))
    launcher = os.path.join(folder, "run.py")
    os.execve(sys.executable, [sys.executable, "-I", "-S", launcher, *order["command"]], environment)  # noqa: S606


def say(text: str) -> None:
    """One line on the console."""
    sys.stderr.write(f"holdfast boot: {text}\n")
    sys.stderr.flush()


def patiently(attempt: Callable[[], None], patience_seconds: float) -> None:
    """Run `attempt` until it raises NotYetError no more; a BootError when that takes too long."""
    began_seconds, delay_seconds = time.monotonic(), FIRST_DELAY_SECONDS
    while True:
        try:
            return attempt()
        except NotYetError as error:
            if time.monotonic() - began_seconds + delay_seconds > patience_seconds:
                raise BootError(f"{error}; given up after {patience_seconds:.0f} s") from error
            say(f"{error}; trying again in {delay_seconds:.0f} s")
        time.sleep(delay_seconds)
        delay_seconds = min(LONGEST_DELAY_SECONDS, 2 * delay_seconds)


def role_credentials() -> dict[str, str]:
    """The credentials of the instance's role, by IMDSv2."""
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    status, token = metadata("PUT", "/latest/api/token", lifetime)
    if status != 200:
        raise BootError(f"the metadata service gives no session token (HTTP {status}): only IMDSv2 is used")
    with_token = {"X-aws-ec2-metadata-token": token}
    place = "/latest/meta-data/iam/security-credentials/"
    status, roles = metadata("GET", place, with_token)
    if status == 200 and roles.strip():
        status, text = metadata("GET", place + roles.split()[0], with_token)
        if status == 200 and json.loads(text).get("Code", "Success") == "Success":
            return dict(json.loads(text))
    raise NotYetError(f"the instance's role gives no credentials (HTTP {status})")


def metadata(method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and text of an answer of the metadata service, which is never reached through a proxy."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    request = urllib.request.Request(base + path, method=method, headers=headers)  # noqa: S310
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(LONGEST_ANSWER_BYTES).decode()
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise NotYetError(f"the metadata service answers HTTP {error.code}") from error
        return error.code, ""
    except (OSError, http.client.HTTPException) as error:
        raise NotYetError(f"the metadata service cannot be reached: {error}") from error


def fetch(order: dict[str, str], credentials: dict[str, str], archive: str) -> None:
    """Download the bundle into the file `archive`; its SHA-256 must be the ordered one."""
    name = f"s3://{order['bucket']}/{order['key']}"
    url = object_url(order["bucket"], order["key"], order["region"])
    headers = signed(url, order["region"], credentials, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    digest = hashlib.sha256()
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - of our own making, as all of them
        with opened(request) as answer, open(archive, "wb") as file:
            while piece := answer.read(PIECE_BYTES):
                digest.update(piece)
                file.write(piece)
            announced = answer.headers.get("Content-Length")
            if announced is not None and file.tell() != int(announced):
                raise NotYetError(f"{name} was cut off after {file.tell()} bytes")
    except urllib.error.HTTPError as error:
        denied = " [permission-denied]" if error.code == 403 else ""
        text = f"s3:GetObject on {name} was refused: HTTP {error.code} {error.read(500)!r}{denied}"
        if error.code in (403, 408, 429) or error.code >= 500:
            raise NotYetError(text) from error
        raise BootError(text) from error
    except (OSError, http.client.HTTPException) as error:
        raise NotYetError(f"{name} cannot be read: {error}") from error
    if digest.hexdigest() != order["sha256"]:
        raise BootError(f"{name} is not the bundle ordered: SHA-256 {digest.hexdigest()}, expected {order['sha256']}")


def opened(request: urllib.request.Request) -> http.client.HTTPResponse:
    """The answer, whose body is still to be read."""
    return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # type: ignore[no-any-return]  # noqa: S310


def object_url(bucket: str, key: str, region: str) -> str:
    """Where S3 answers for the object; AWS_ENDPOINT_URL stands in for AWS."""
    path = urllib.parse.quote(key, safe="/-_.~")
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    if endpoint:
        return f"{endpoint}/{bucket}/{path}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{bucket}.s3.{region}.{domain}/{path}"


def signed(url: str, region: str, credentials: dict[str, str], moment: str) -> dict[str, str]:
    """The headers of a GET of `url` with AWS's signature version 4."""
    parts = urllib.parse.urlsplit(url)
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": moment,
        "x-amz-security-token": credentials["Token"],
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"GET\n{parts.path}\n\n{lines}\n{names}\n{EMPTY_SHA256}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + credentials["SecretAccessKey"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    identity = f"Credential={credentials['AccessKeyId']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {identity}, SignedHeaders={names}, Signature={signature}"
    return headers


def is_unpacked(folder: str, sha256: str) -> bool:
    """Whether that bundle was unpacked at an earlier start."""
    try:
        with open(os.path.join(folder, "sha256"), encoding="ascii") as file:
            return file.read() == sha256
    except FileNotFoundError:
        return False


def unpack(archive: str, folder: str, sha256: str) -> None:
    """Unpack into `folder`, whole or not at all. Debian 12's tarfile has no filters yet: only plain files below
    `site-packages` are taken, and this function opens them itself.
    """
    new = folder + ".new"
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            parts = member.name.split("/")
            expected = member.name == DESCRIPTION_NAME or parts[0] == "site-packages"
            if not member.isreg() or not expected or not {"", ".", ".."}.isdisjoint(parts):
                raise BootError(f"the bundle holds {member.name!r}, which has no place in one")
            place = os.path.join(new, *parts)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            content = members.extractfile(member)
            with open(place, "xb") as file:
                while content is not None and (piece := content.read(PIECE_BYTES)):
                    file.write(piece)
            if member.name == DESCRIPTION_NAME:
                check_it_fits(place)
    for name, text in (("run.py", LAUNCHER), ("sha256", sha256)):
        with open(os.path.join(new, name), "w", encoding="ascii") as file:
            file.write(text)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(new, folder)


def check_it_fits(description: str) -> None:
    """Refuse a bundle for another Python or another processor, before anything of it is imported."""
    with open(description, encoding="utf-8") as file:
        made_for = json.load(file)
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    here = (f"cp{sys.version_info.major}{sys.version_info.minor}", machine)
    there = (made_for["python"], made_for["architecture"])
    if here != there:
        raise BootError(f"the bundle is for {' on '.join(there)}, and this image has {' on '.join(here)}")


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say what went wrong and end with the code that says so."""
    say(f"FAILED: {error}" if kind is BootError else f"FAILED: {kind.__name__}: {error}")
    os._exit(BOOT_FAILED)


if __name__ == "__main__":
    sys.excepthook = report
    main(sys.argv[1:])
