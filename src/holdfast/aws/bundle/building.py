"""Making a bundle: a tar.gz of site-packages that is the same, bit for bit, whenever it is made of the same."""

import gzip
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import holdfast
from holdfast.aws.bundle.contents import EXTRAS, Kind, is_kept
from holdfast.aws.bundle.distributions import InstalledFile, installed_files, required_distributions

DESCRIPTION_NAME = "holdfast-bundle.json"
FORMAT = 1
_ROOT = "holdfast"
_COMPRESSION = 6
# Part of the content key: to be raised when the same files shall give another bundle.
_RECIPE = 1

# How far the making is: bytes that are packed, and bytes of all files together. What it raises ends the making.
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this machine's disk. `architecture` is EC2's word, x86_64 or arm64; `python` a tag such as cp311."""

    path: Path
    sha256: str
    size_bytes: int
    python: str
    architecture: str
    version: str
    kind: Kind

    @property
    def key(self) -> str:
        """Its name in the bucket: says what it is, and changes with its content."""
        return f"bundles/{self.version}/{self.kind}-{self.architecture}-{self.python}-{self.sha256[:16]}.tar.gz"


@dataclass(frozen=True, slots=True)
class BundleContents:
    """What a bundle is made of: its description, and files ascending by name."""

    kind: Kind
    description: bytes
    files: tuple[InstalledFile, ...]


def build_bundle(kind: Kind, folder: Path, told: Told | None = None) -> Bundle:
    """The bundle of that kind of what is installed here, made in `folder` unless it is there already.

    It runs on the architecture and the minor version of Python that run here. Raises MissingExtraError, HoldfastError.
    """
    return make_bundle(installed_contents(kind), folder, told)


def installed_contents(kind: Kind) -> BundleContents:
    """What such a bundle would hold today. Raises MissingExtraError, HoldfastError."""
    distributions = required_distributions(_ROOT, EXTRAS[kind])
    files: dict[str, InstalledFile] = {}
    for distribution in distributions:
        files |= {file.name: file for file in installed_files(distribution) if is_kept(file.name, kind)}
    return BundleContents(kind, _description(kind, distributions), tuple(files[name] for name in sorted(files)))


def make_bundle(contents: BundleContents, folder: Path, told: Told | None = None) -> Bundle:
    """The bundle of these contents, made in `folder` unless a whole one is there already."""
    key = content_key(contents)
    folder.mkdir(parents=True, exist_ok=True)
    made = _made_before(folder, key, contents.kind)
    return made if made is not None else _make(folder, key, contents, told)


def running_architecture() -> str:
    """This machine's architecture, in EC2's words."""
    machine = platform.machine()
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(machine.lower(), machine)


def running_python() -> str:
    """The tag of the Python that runs here."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def _description(kind: Kind, distributions: list[metadata.Distribution]) -> bytes:
    fields = {
        "format": FORMAT,
        "kind": kind,
        "version": holdfast.__version__,
        "python": running_python(),
        "architecture": running_architecture(),
        "distributions": {distribution.name: distribution.version for distribution in distributions},
    }
    return json.dumps(fields, indent=2, sort_keys=True).encode() + b"\n"


def content_key(contents: BundleContents) -> str:
    """What a bundle is made of, without reading what the installer has hashed already."""
    digest = hashlib.sha256(b"%d\0" % _RECIPE + contents.description)
    for file in contents.files:
        fingerprint = file.fingerprint or hashlib.sha256(file.place.read_bytes()).hexdigest()
        digest.update(f"{file.name}\0{fingerprint}\0".encode())
    return digest.hexdigest()[:32]


def _made_before(folder: Path, content_key: str, kind: Kind) -> Bundle | None:
    """The bundle that a run before this one left in `folder`, when it is whole."""
    try:
        noted = json.loads((folder / f"{content_key}.json").read_bytes())
        path = folder / f"{content_key}.tar.gz"
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != noted["sha256"]:
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return _bundle(path, sha256, kind)


def _make(folder: Path, content_key: str, contents: BundleContents, told: Told | None) -> Bundle:
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{content_key}.")
    path = folder / f"{content_key}.tar.gz"
    try:
        with os.fdopen(descriptor, "w+b") as file:
            _write(file, contents, told)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    bundle = _bundle(path, sha256, contents.kind)
    noted = asdict(bundle) | {"path": path.name}
    (folder / f"{content_key}.json").write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    return bundle


def _write(file: io.IOBase, contents: BundleContents, told: Told | None) -> None:
    """Files ascending by name behind the description: no owner, no time, one mode for all."""
    done_bytes, total_bytes = 0, sum(installed.place.stat().st_size for installed in contents.files)
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        archive.addfile(_entry(DESCRIPTION_NAME, len(contents.description)), io.BytesIO(contents.description))
        for installed in contents.files:
            with installed.place.open("rb") as content:
                size_bytes = os.fstat(content.fileno()).st_size
                archive.addfile(_entry(f"site-packages/{installed.name}", size_bytes), content)
            done_bytes += size_bytes
            if told is not None:
                told(done_bytes, total_bytes)


def _entry(name: str, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    entry.mode = 0o644
    entry.mtime = 0
    return entry


def _bundle(path: Path, sha256: str, kind: Kind) -> Bundle:
    return Bundle(
        path, sha256, path.stat().st_size, running_python(), running_architecture(), holdfast.__version__, kind
    )
