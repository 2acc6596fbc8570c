"""Where an appliance keeps everything: names of files below its home."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ApplianceHome:
    """Folders are 0700, files 0600."""

    home: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.home / "appliance"

    @property
    def database(self) -> Path:
        """Its records, where no other database is named."""
        return self.folder / "appliance.sqlite"

    @property
    def engine(self) -> Path:
        """Workflows that run."""
        return self.folder / "engine"

    @property
    def tls(self) -> Path:
        """Its key and certificate."""
        return self.folder / "tls"

    @property
    def key(self) -> Path:
        """Under which secrets at rest are sealed."""
        return self.folder / "key"

    @property
    def enrolment_code(self) -> Path:
        """With which one server may take it on, once."""
        return self.folder / "enrolment-code"
