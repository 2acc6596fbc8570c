"""The address a lab answers on: what the user wrote, and the socket for it; and ports for what listens later."""

import errno
import os
import socket
from pathlib import Path

from holdfast.domain.errors import ConflictError, UnavailableError, UsageError

DEFAULT_LISTEN = "127.0.0.1:0"
BACKLOG = 128
_LEAST_PORT = 1024
_GIVEN_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `H:P`; port 0 takes a free one."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"--listen: cannot make out {text!r}", why="it is not HOST:PORT", cure="write, for example, 127.0.0.1:5000"
        )
    return host.strip("[]"), int(port)


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; ConflictError where the address is taken, UnavailableError where it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        what = f"cannot listen on {host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(what, why="the address is in use", cure="choose another port, or 0") from None
        why = error.strerror or str(error)
        raise UnavailableError(what, why=why, cure="choose an address of this machine and a port above 1023") from None


def port_for_later() -> int:
    """A free port of 127.0.0.1, below those that the system gives to connections (ip(7), `ip_local_port_range`): until
    it is listened at, nothing on this machine gets it by chance.
    """
    count = int(_GIVEN_PORTS.read_text().split()[0]) - _LEAST_PORT
    while True:
        port = _LEAST_PORT + int.from_bytes(os.urandom(4)) % count
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
