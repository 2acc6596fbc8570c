"""Where a management server keeps everything: names of files below HOLDFAST_HOME/server."""

from dataclasses import dataclass
from pathlib import Path

# The setting in its records: who it is.
SERVER_ID = "server-id"


@dataclass(frozen=True, slots=True)
class ServerHome:
    """Folders are 0700, files 0600."""

    home: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.home / "server"

    @property
    def database(self) -> Path:
        """Its records, where no other database is named."""
        return self.folder / "server.sqlite"

    @property
    def tls(self) -> Path:
        """Its key and certificate."""
        return self.folder / "tls"

    @property
    def certificate(self) -> Path:
        """What clients pin."""
        return self.tls / "certificate.pem"

    @property
    def connection(self) -> Path:
        """Where it answers, for commands on the same machine."""
        return self.folder / "connection.json"

    @property
    def admin_token(self) -> Path:
        """The administrator's token."""
        return self.folder / "admin-token"

    @property
    def key(self) -> Path:
        """Under which secrets at rest are sealed."""
        return self.folder / "key"

    @property
    def plugins(self) -> Path:
        """Wheels, and what plug-ins keep and can make again."""
        return self.folder / "plugins"

    @property
    def services(self) -> Path:
        """Tokens of services."""
        return self.folder / "services"

    @property
    def logs(self) -> Path:
        """What services write."""
        return self.folder / "logs"
