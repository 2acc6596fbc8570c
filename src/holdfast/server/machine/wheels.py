"""Wheels as files: their names, what they announce, and how one comes from a URL whose content is known before."""

import configparser
import csv
import hashlib
import re
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from holdfast.domain.errors import IntegrityError, UnavailableError, UsageError

MAX_WHEEL_BYTES = 64 * 1024 * 1024
_TIMEOUT_SECONDS = 60
_PIECE_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


def wheel_name(path: Path) -> tuple[str, str]:
    """Distribution and version in the file's name. Raises UsageError."""
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{path.name} is no wheel", why=str(error), cure="name a file as pip makes it") from error
    return str(name), str(version)


def plugins_of(path: Path, group: re.Pattern[str]) -> dict[str, int]:
    """Name -> contract of every plug-in that the wheel announces; nothing of it is run."""
    try:
        with zipfile.ZipFile(path) as wheel:
            texts = [
                wheel.read(name).decode()
                for name in wheel.namelist()
                if PurePosixPath(name).name == "entry_points.txt" and name.count("/") == 1
            ]
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path.name} cannot be read", why=str(error), cure="fetch it again") from error
    found: dict[str, int] = {}
    for text in texts:
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.read_string(text)
        for section in parser.sections():
            contract = group.fullmatch(section)
            if contract is not None:
                found |= dict.fromkeys(parser.options(section), int(contract[1]))
    return found


def recorded(path: Path) -> dict[str, str]:
    """The wheel's files with their hashes, as its RECORD has them."""
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
        rows = csv.reader(wheel.read(name).decode().splitlines())
        return {row[0]: row[1] for row in rows if len(row) > 1 and row[1]}


def download(url: str, folder: Path) -> Path:
    """The wheel behind an https URL, when it is the one that the URL's fragment names: `#sha256=…`."""
    parts = urlsplit(url)
    wanted = parse_qs(parts.fragment).get("sha256", [""])[0].lower()
    if parts.scheme != "https" or not _SHA256.fullmatch(wanted):
        raise UsageError(
            f"{url} is not fetched",
            why="a plug-in runs with all rights of the server: it comes by https, and its content is known before",
            cure="write https://…/NAME.whl#sha256=CHECKSUM",
        )
    name = PurePosixPath(unquote(parts.path)).name
    wheel_name(Path(name))
    try:
        request = urllib.request.Request(parts._replace(fragment="").geturl())  # noqa: S310 - https, see above
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            content = answer.read(MAX_WHEEL_BYTES + 1)
    except (urllib.error.URLError, OSError) as error:
        raise UnavailableError(
            f"{url} cannot be fetched", why=str(error), cure="check the URL, or fetch it yourself"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise IntegrityError(
            f"{name} is not what was asked for",
            why=f"its SHA-256 is {found}, asked for was {wanted}",
            cure="compare the checksum with the one its publisher shows; nothing was installed",
        )
    path = folder / name
    path.write_bytes(content)
    return path
