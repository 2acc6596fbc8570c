"""User data: the script that a new instance runs as root, without any secret in it.

For a worker everything ends by itself: a timer that nothing can stop shuts the machine down when its lifetime is over,
and so does the end of its command. Whoever launches it sets the instance to terminate on shutdown. An appliance has no
lifetime: its command is started again when it ends, and again after a reboot.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from holdfast.domain.errors import UsageError

# EC2's limit, before base64 (EC2 User Guide, "Run commands when you launch an EC2 instance").
MAX_USER_DATA_BYTES = 16 * 1024
# Time to read the console of an instance that could not boot; it ends by itself all the same.
FAILED_BOOT_SECONDS = 60
# An appliance that ends is started again after so long, and longer each time up to the second.
FIRST_RESTART_SECONDS, LONGEST_RESTART_SECONDS = 2, 60

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_END_OF_FILE = "HOLDFAST-FILE"


@dataclass(frozen=True, slots=True)
class BootOrder:
    """Which bundle an instance fetches and which `holdfast` command it runs.

    `command` is what would stand behind `holdfast`; it holds no secret. `lifetime_seconds` None: until it is stopped.
    `files` (name, text) lie in the home of root, where the command runs; none holds a secret.
    """

    bucket: str
    key: str
    sha256: str
    region: str
    command: tuple[str, ...]
    lifetime_seconds: int | None
    files: tuple[tuple[str, str], ...] = ()


def user_data(order: BootOrder) -> str:
    """The script, for an appliance in the wrapping that runs it at every boot.

    Raises UsageError where it would be longer than EC2 takes, or the order cannot be meant.
    """
    _check(order)
    fields = {
        "bucket": order.bucket,
        "key": order.key,
        "sha256": order.sha256,
        "region": order.region,
        "command": list(order.command),
    }
    lifetime = order.lifetime_seconds
    files = "".join(_FILE.replace("@NAME@", name).replace("@TEXT@", text) for name, text in order.files)
    boot = (
        _WRITE_BOOT.replace("@FILES@", files)
        .replace("@BOOTSTRAP@", _embedded_bootstrap())
        .replace("@ORDER@", _quoted(fields))
    )
    boot = _in_home(order.files) + boot
    if lifetime is None:
        script = _AT_EVERY_BOOT.replace("@SCRIPT@", _HEAD + boot + _APPLIANCE_RUN)
    else:
        script = _HEAD + _WORKER_TIMER.replace("@LIFETIME@", str(lifetime)) + boot + _WORKER_RUN
    size_bytes = len(script.encode())
    if size_bytes > MAX_USER_DATA_BYTES:
        raise UsageError(
            f"the user data would have {size_bytes} bytes",
            why=f"EC2 takes at most {MAX_USER_DATA_BYTES}",
            cure="shorten the command of the instance",
        )
    return script


def _in_home(files: tuple[tuple[str, str], ...]) -> str:
    lines = [f"printf %s {shlex.quote(text)} > {shlex.quote(name)}" for name, text in files]
    return "\n".join(["", 'cd "$HOME"', *lines, ""])


def _check(order: BootOrder) -> None:
    if not _SHA256.fullmatch(order.sha256) or (order.lifetime_seconds is not None and order.lifetime_seconds < 1):
        raise UsageError(
            "no instance can be booted so",
            why="the bundle has no SHA-256, or the lifetime is no positive number of seconds",
            cure="name a bundle that was built, and a lifetime of some minutes at least",
        )
    for name, text in order.files:
        lines = text.splitlines()
        if not _FILE_NAME.fullmatch(name) or not text.isascii() or not text.endswith("\n") or _END_OF_FILE in lines:
            raise UsageError(
                f"{name[:40]!r} cannot be handed to an instance",
                why="a plain name is expected, and a text of ASCII whose last line ends",
                cure="hand in another file, or put it into the bucket",
            )


def _quoted(fields: Mapping[str, object]) -> str:
    return shlex.quote(json.dumps(fields, separators=(",", ":")))


def _embedded_bootstrap() -> str:
    return resources.files("holdfast.aws.bundle").joinpath("bootstrap.py").read_text(encoding="utf-8")


_HEAD = """#!/bin/sh
# Holdfast: fetches a bundle, proves it and runs it. No secret is in here.
HOME="${HOME:-/root}"; export HOME
PATH="${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin"; export PATH
umask 077
say() { echo "holdfast boot: $*" >&2; }
end() { shutdown -h now || poweroff -f; }
"""

_WORKER_TIMER = """
# Whatever happens to everything below: this machine does not live longer than that.
( trap '' HUP; sleep @LIFETIME@; say "lifetime of @LIFETIME@ s is over"; end ) &
"""

# cloud-init runs user data at the first boot only, unless it is told so (AWS Knowledge Center, "How can I use user data
# to automatically run a script with every restart of my EC2 Linux instance?").
_AT_EVERY_BOOT = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="//"

--//
Content-Type: text/cloud-config; charset="us-ascii"

#cloud-config
cloud_final_modules:
- [scripts-user, always]

--//
Content-Type: text/x-shellscript; charset="us-ascii"

@SCRIPT@
--//--
"""

_FILE = f"""cat > "$HOME/@NAME@" <<'{_END_OF_FILE}'
@TEXT@{_END_OF_FILE}
"""

_WRITE_BOOT = """
cd "$HOME"
@FILES@boot="$HOME/holdfast-boot.py"
cat > "$boot" <<'HOLDFAST-BOOT'
@BOOTSTRAP@HOLDFAST-BOOT
run() { python3 -I -S "$boot" @ORDER@ < /dev/null; }
"""

_WORKER_RUN = f"""
run; status=$?
say "ended with exit code $status"
case $status in 97|126|127) sleep {FAILED_BOOT_SECONDS};; esac
end
"""

_APPLIANCE_RUN = f"""
delay={FIRST_RESTART_SECONDS}
while true; do
    began=$(date +%s)
    run; status=$?
    [ $(($(date +%s) - began)) -gt 600 ] && delay={FIRST_RESTART_SECONDS}
    say "ended with exit code $status, starting again in $delay s"
    sleep $delay
    delay=$((delay * 2)); [ $delay -gt {LONGEST_RESTART_SECONDS} ] && delay={LONGEST_RESTART_SECONDS}
done
"""
