"""What cloud-init makes of user data: which programs it runs, and at which boots.

A script (`#!`) runs once, at the first boot of an instance; a boothook (`#cloud-boothook`) at every boot, before
scripts. Several parts come as a MIME archive; a part of it that names `[scripts-user, always]`, which is how AWS's
documentation has scripts run again, makes scripts run at every boot. Everything may be compressed with gzip.
"""

import email
import gzip
import zlib
from dataclasses import dataclass, field

_GZIP = b"\x1f\x8b"
_BOOTHOOK = b"#cloud-boothook"
_EVERY_BOOT = b"scripts-user, always"


@dataclass(slots=True)
class UserData:
    """Programs by the boots they run at, and what is there beside them."""

    once: list[bytes] = field(default_factory=list)
    always: list[bytes] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    scripts_at_every_boot: bool = False

    def programs(self, first_boot: bool) -> list[bytes]:
        """What runs at this boot, in order."""
        return self.always + (self.once if first_boot or self.scripts_at_every_boot else [])


def read_user_data(text: bytes) -> UserData:
    """Take user data apart. Nothing in it is an error: cloud-init ignores what it does not know."""
    found = UserData()
    text = _unpacked(text)
    if text.lower().startswith((b"mime-version:", b"content-type: multipart")):
        for part in email.message_from_bytes(text).walk():
            if not part.is_multipart():
                payload = part.get_payload(decode=True)
                _sort(_unpacked(payload if isinstance(payload, bytes) else b""), found)
    elif text.strip():
        _sort(text, found)
    return found


def _unpacked(text: bytes) -> bytes:
    if not text.startswith(_GZIP):
        return text
    try:
        return gzip.decompress(text)
    except (OSError, EOFError, zlib.error):
        return text


def _sort(text: bytes, found: UserData) -> None:
    if text.startswith(b"#!"):
        found.once.append(text)
    elif text.startswith(_BOOTHOOK):
        script = text.partition(b"\n")[2]
        found.always.append(script if script.startswith(b"#!") else b"#!/bin/sh\n" + script)
    elif _EVERY_BOOT in text:
        found.scripts_at_every_boot = True
    else:
        found.ignored.append(text.partition(b"\n")[0][:80].decode("utf-8", "replace"))
