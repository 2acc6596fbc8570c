"""What a service reads to find the server: its token lies in a file of its own, never in words that others can list."""

from collections.abc import Callable
from pathlib import Path

from holdfast.plugin_api import ServerIdentity


class ServiceFiles:
    """Implements ServiceDoor. `write_private` replaces a file whole, readable by its owner alone."""

    def __init__(
        self,
        folder: Path,
        url: Callable[[], str],
        server_certificate: Path,
        identity: ServerIdentity,
        write_private: Callable[[Path, bytes], None],
    ) -> None:
        """`url` is asked when a service starts: then it is known where the server listens."""
        self._folder = folder
        self._url = url
        self._server_certificate = server_certificate
        self._identity = identity
        self._write_private = write_private

    def arguments(self, appliance: str, service: str, token: str) -> tuple[str, ...]:
        """The words that stand behind a service's own (plugin_api.ServiceSpec)."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{appliance}@{service}.token"
        self._write_private(path, token.encode())
        words = {
            "--server": self._url(),
            "--server-certificate": self._server_certificate,
            "--token-file": path,
            "--certificate": self._identity.certificate,
            "--private-key": self._identity.private_key,
            "--appliance": appliance,
        }
        return tuple(str(word) for pair in words.items() for word in pair)

    def forget(self, appliance: str) -> None:
        """Remove the tokens' files."""
        for path in self._folder.glob("*.token"):
            if path.name.rpartition("@")[0] == appliance:
                path.unlink(missing_ok=True)
