"""Restores a volume from a Holdfast repository of version 1, without Holdfast. It changes nothing there.

    python tools/standalone_reader.py REPOSITORY_DIR POINT OUT --password-file FILE [--volume NAME] [--tenant NAME]

POINT is an id, the unique beginning of one, or latest:WORKLOAD. FILE holds the password or the recovery code. OUT must
not exist yet; its SHA-256 is printed. Written from docs/format/repository.md (§) alone, but for §21: no ledger is read.
"""

import argparse
import contextlib
import functools
import hashlib
import hmac
import re
import struct
import sys
from collections import defaultdict, namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MIB, DATA, NODE = 2**20, 1, 2  # the last two are types of chunks, §3
KINDS = {"config": 1, "tenant": 2, "index": 3, "point": 4, "retired": 6, "epoch": 15}  # §4  labels of keys, and kinds
ENVELOPE = struct.Struct(">8sHHI16s32s32s")  # §4  magic, suite, kind, kid, repository, salt, commitment
PACK = struct.Struct(">8sHHI16s16s16s32s")  # §8  magic, suite, flags, kid, repository, session, pack, commitment
CHUNK = struct.Struct(">4s16s16sQI32sIBBI")  # §8  what a chunk is bound to: "chnk", repository, pack, i, offset, ...
NODE_HEAD = struct.Struct(">BBBBHHQ")  # §9  version, level, cut, 0, entry count, pack count, span
PACK_ROW = struct.Struct(">I16s16s")  # §9  kid, session, pack
ENTRY = struct.Struct(">32sHIIIIB")  # §9  id, number of the pack row, i, offset, length, plain length, compression
INDEX_ROW = struct.Struct(">32sBIIIIIB")  # §11  id, type, number of the pack row, and on as above
Place = namedtuple("Place", "kid session pack number offset length plain_length compression")  # where a chunk lies


class ReadError(ValueError):
    """What is wrong, said to a person."""


def expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    """X of §1: HKDF-Expand with SHA-256."""
    return HKDFExpand(SHA256(), length, info).derive(key)


def unseal(key: bytes, info: bytes, commitment: bytes, nonce: bytes, sealed: bytes, said: bytes, what: str) -> bytes:
    """Opens with X(key, info, 64) = AEAD key | commitment, once the commitment is seen to be that one."""
    derived = expand(key, info, 64)
    if derived[32:] != commitment:
        raise ReadError(f"{what} is sealed with another key.")
    try:
        return AESGCM(derived[:32]).decrypt(nonce, sealed, said)
    except InvalidTag:
        raise ReadError(f"{what} does not open: it was changed, or stands in another's place.") from None


@functools.lru_cache(maxsize=8)
def read_object(path: Path, limit: int) -> bytes:
    """An object's bytes before its trailer, §1; a header, a seal and the trailer make at least 144."""
    if not path.is_file() or not 144 <= path.stat().st_size <= limit:
        raise ReadError(f"{path} is missing, or has a size that the format does not allow.")
    if hashlib.sha256((data := path.read_bytes())[:-32]).digest() != data[-32:]:
        raise ReadError(f"{path} is damaged: its SHA-256 does not match.")
    return data[:-32]


def fields(found: Any, what: str, **kinds: Any) -> list[Any]:
    """The values of a CBOR map's keys, each of the type, or of so many bytes, as `kinds` says."""
    try:
        values = [(cbor2.loads(found) if isinstance(found, bytes) else found)[key] for key in kinds]
    except (cbor2.CBORError, KeyError, TypeError):
        raise ReadError(f"{what} is not a CBOR map with {', '.join(kinds)}.") from None
    for kind, value in zip(kinds.values(), values, strict=True):
        right = type(value) is kind if isinstance(kind, type) else type(value) is bytes and len(value) == kind
        if not right or (kind is int and value < 0):
            raise ReadError(f"{what} has in {', '.join(kinds)} a value that the format does not allow.")
    return values


def recovery_code(text: str) -> bytes | None:
    """The 32 bytes that a recovery code spells, §5; None for any other text."""
    letters = re.sub(r"[\s-]", "", text).upper().translate(str.maketrans("OIL", "011"))
    if not re.fullmatch("HF1[0-9A-HJKMNP-TV-Z]{55}", letters):
        return None
    number = functools.reduce(lambda n, c: n * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c), letters[3:], 0)
    code = (number >> 19).to_bytes(32, "big")
    return code if int.from_bytes(hashlib.sha256(code).digest()[:2], "big") << 3 == number % 2**19 else None


def open_slot(path: Path, secret: bytes, repository: bytes, epoch: int) -> bytes:
    """The master key of that key epoch which a slot holds, §5."""
    data, what = read_object(path, 64 * 1024), f"keys/{path.name}"
    end = 10 + int.from_bytes(data[8:10], "big")
    header, commitment, nonce, wrapped = data[:end], data[end : end + 32], data[end + 32 : end + 44], data[end + 44 :]
    suite, owner, kid, slot, kind = fields(header[10:], what, suite=int, repository=16, kid=int, slot=16, kind=str)
    if [data[:8], owner, kid, len(wrapped)] != [b"HFSLOT\0\1", repository, epoch, 48] or suite not in (1, 2):
        raise ReadError(f"{what} is of another format, suite, repository or key epoch than {epoch}.")
    if kind != ("recovery" if (code := recovery_code(secret.decode(errors="replace"))) else "password"):
        raise ReadError(f"{what} is for another kind of secret: {kind}.")
    if code:
        wrapping = expand(code, b"hf1/recovery")
    elif suite == 1:
        salt, passes = fields(header[10:], what, salt=16, iterations=int)
        if not 600_000 <= passes <= 10_000_000:
            raise ReadError(f"{what} asks for a PBKDF2 that is out of bounds.")
        wrapping = hashlib.pbkdf2_hmac("sha256", secret, salt, passes)
    else:
        salt, memory, passes, lanes = fields(header[10:], what, salt=16, memory_kib=int, iterations=int, lanes=int)
        if not (65536 <= memory <= 1048576 and 3 <= passes <= 10 and 1 <= lanes <= 16):
            raise ReadError(f"{what} asks for an Argon2id that is out of bounds.")
        wrapping = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(secret)
    return unseal(wrapping, b"hf1/slot" + repository + slot, commitment, nonce, wrapped, header, what)


class Repository:
    """A tenant's part of a repository."""

    def __init__(self, root: Path, secret: bytes, tenant: str) -> None:
        self.root = root
        magic, self.suite, _, _, self.id, _, _ = self.header("config")
        if magic != b"HFOBJT\0\1" or self.suite not in (1, 2):
            raise ReadError(f"{root} is not a Holdfast repository of suite 1 or 2.")
        self.unlock(secret, 1 + len(list((root / "epochs").glob("*"))))
        version, name_key = fields(self.open("config", "config"), "config", format=int, name_key=32)
        if version != 1:
            raise ReadError(f"{root} is of format {version}; this reader knows format 1.")
        self.tenant = self.hash(name_key, b"tenant" + tenant.encode())[:16]
        (self.id_key,) = fields(self.open("tenant", f"tenants/{self.tenant.hex()}"), "the tenant", id_key=32)

    def unlock(self, secret: bytes, newest: int) -> None:
        """The master key of every key epoch, §19, by a slot of the newest."""
        refusals = []
        for path in sorted((self.root / "keys").glob("*")):
            try:
                self.masters = {newest: open_slot(path, secret, self.id, newest)}
                if newest > 1:
                    (older,) = fields(self.open("epoch", f"epochs/{newest:010}"), "the epoch", older=bytes)
                    self.masters |= dict(struct.iter_unpack(">I32s", older))
                return
            except ReadError as refusal:
                refusals.append(f"\n  {refusal}")
        raise ReadError("No key slot opens with this secret:" + "".join(refusals))

    def hash(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha256") if self.suite == 1 else blake3(data, key=key).digest()  # KH of §1

    def header(self, name: str) -> tuple[Any, ...]:
        return ENVELOPE.unpack((self.root / name).read_bytes()[: ENVELOPE.size].ljust(ENVELOPE.size, b"\0"))

    def key(self, label: str, kid: int) -> bytes:
        key = expand(self.masters.get(kid, b"none"), b"hf1/" + label.encode() + self.id + kid.to_bytes(4, "big"))
        return expand(key, b"tenant" + self.tenant) if label in ("map", "index") else key

    def open(self, label: str, name: str) -> bytes:
        """The body of an object, §4."""
        data = read_object(self.root / name, 1024 * MIB if label == "point" else 64 * MIB)
        *found, kid, owner, salt, commitment = ENVELOPE.unpack(data[: ENVELOPE.size])
        if [*found, owner] != [b"HFOBJT\0\1", self.suite, KINDS[label], self.id]:
            raise ReadError(f"{name} is not of the kind, suite and repository that belong there.")
        key, said, head = self.key(label, kid), name.encode(), data[: ENVELOPE.size]
        return unseal(key, said + salt, commitment, bytes(12), data[ENVELOPE.size :], head + said, name)

    def is_retired(self, point: str) -> bool:
        """Whether a retirement opens that names the point, §14; the object's name alone says nothing."""
        with contextlib.suppress(ReadError):
            return fields(self.open("retired", f"retired/{point[-32:]}"), point, point=str) == [point]
        return False

    def find(self, wanted: str) -> str:
        """The key of the point that is meant: a manifest, no tombstone, and not retired."""
        latest, key = wanted.startswith("latest:"), expand(self.id_key, b"hf1/workload")
        meant = f"/{self.hash(key, wanted[7:].encode())[:16].hex()}/" if latest else f"/{wanted}"
        names = [f"{path.relative_to(self.root)}" for path in self.root.glob(f"points/{self.tenant.hex()}/*/*")]
        live = [name for name in names if self.header(name)[2] == KINDS["point"] and not self.is_retired(name)]
        found = [name for name in live if name[-66 if latest else -33 :].startswith(meant)]
        if not found or (len(found) > 1 and not latest):
            there = ", ".join(sorted({fields(self.open("point", name), name, workload=str)[0] for name in live}))
            raise ReadError(f"{len(found) or 'No'} restore points are named by {wanted!r}; workloads: {there}.")
        return max(found, key=lambda name: (fields(self.open("point", name), name, created=str), name))


class Volume:
    """A volume of a restore point, §10, and its map, §9."""

    def __init__(self, repository: Repository, point: str, wanted: str | None) -> None:
        self.repository = repository
        (rows,) = fields(repository.open("point", point), point, volumes=list)
        volumes = {fields(row, point, name=str)[0]: row for row in rows}
        if wanted not in volumes and (wanted or len(volumes) != 1):
            raise ReadError(f"Name a volume of the point with --volume: {', '.join(volumes)}.")
        row = volumes[wanted] if wanted else rows[0]
        self.size, self.block, self.cut, self.depth = fields(row, point, size=int, block_size=int, cut=int, depth=int)
        self.root = row.get("root") and fields(row, point, root=PACK_ROW.size + ENTRY.size)[0]
        if self.size > 2**60 or self.block > 8 * MIB or self.cut > 1 or not 1 <= self.depth <= 8:
            raise ReadError(f"{point} has a volume of a shape that the format does not allow.")

    def restore(self, out: Path) -> str:
        """Writes the volume to a new file, sparse where it has holes; the file's SHA-256 in hex."""
        with out.open("x+b") as file, contextlib.ExitStack() as undo:
            undo.callback(out.unlink)
            if self.root:
                child, _, *numbers = ENTRY.unpack(self.root[PACK_ROW.size :])
                at = Place(*PACK_ROW.unpack(self.root[: PACK_ROW.size]), *numbers)
                for offset, data in self.below(child, at, self.depth - 1, 0, self.size):
                    file.seek(offset)
                    file.write(data)
            file.truncate(self.size)
            undo.pop_all()
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def below(self, node: bytes, place: Place, level: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """The chunks, with their offsets, under a node that stands for the volume's bytes from `start` to `end`."""
        broken = ReadError(f"The map's node for the bytes {start} to {end} is not as the format says.")
        data = self.chunk(node, NODE, place)
        *head, count, packs, span = NODE_HEAD.unpack(data[:16].ljust(16, b"\0"))
        entries, spans, varying = 16 + 36 * packs, 16 + 36 * packs + 51 * 128, self.cut == 1 and level > 0
        if head != [1, level, self.cut, 0] or span != (end - start) * self.cut or len(data) != spans + 1024 * varying:
            raise broken
        for n, (child, row, *numbers) in enumerate(ENTRY.iter_unpack(data[entries:spans])):
            covered = int.from_bytes(data[spans + 8 * n :][:8], "big") if varying else numbers[3]
            upper = start + covered if self.cut else min(start + self.block * 128**level, end)
            if any((*child, row, *numbers)):
                sized = numbers[3] == upper - start if level == 0 else start < upper
                if row >= packs or n >= count or upper > end or not sized:
                    raise broken
                at = Place(*PACK_ROW.unpack_from(data, 16 + 36 * row), *numbers)
                deeper = self.below(child, at, level - 1, start, upper)
                yield from deeper if level else [(start, self.chunk(child, DATA, at))]
            start = upper
        if start != end:
            raise broken

    def chunk(self, identity: bytes, kind: int, place: Place) -> bytes:
        """A chunk from where the map says that it lies, or else from where an index run says."""
        try:
            return self.chunk_at(identity, kind, place)
        except ReadError as refusal:
            for other in self.index[identity, kind]:
                with contextlib.suppress(ReadError):
                    return self.chunk_at(identity, kind, other)
            raise ReadError(f"Chunk {identity.hex()} is not to be had: {refusal}") from None

    def chunk_at(self, identity: bytes, kind: int, at: Place) -> bytes:
        """The chunk at a place, §8, verified."""
        name, home = f"packs/{at.pack.hex()[:2]}/{at.pack.hex()}", self.repository
        pack, end = read_object(home.root / name, 256 * MIB), at.offset + at.length
        *header, commitment = PACK.unpack(pack[: PACK.size])
        fits = PACK.size <= at.offset < at.offset + 16 <= end <= len(pack) - 16 and at.plain_length <= 8 * MIB
        if not fits or header != [b"HFPACK\0\1", home.suite, kind - 1, at.kid, home.id, at.session, at.pack]:
            raise ReadError(f"{name} is not the pack that was meant, or too short for byte {end}.")
        key = expand(home.key("map" if kind == NODE else "data", at.kid), b"sess" + at.session)
        numbers = (at.number, at.offset, identity, at.kid, kind, at.compression, at.plain_length)
        said, nonce = CHUNK.pack(b"chnk", home.id, at.pack, *numbers), at.number.to_bytes(12, "big")
        plain = unseal(key, b"pack" + at.pack, commitment, nonce, pack[at.offset : end], said, f"A chunk of {name}")
        if at.compression == 1:  # never more than one byte too many is unpacked
            plain = zstandard.ZstdDecompressor(max_window_size=8 * MIB).stream_reader(plain).read(at.plain_length + 1)
        if len(plain) != at.plain_length or home.hash(expand(home.id_key, b"hf1/chunk%c" % kind), plain) != identity:
            raise ReadError(f"Chunk {at.number} of {name} is not the one that was meant.")
        return plain

    @functools.cached_property
    def index(self) -> dict[tuple[bytes, int], list[Place]]:
        """Every place that the index runs, §11, know of a chunk's id and type."""
        places, folder = defaultdict(list), f"index/{self.repository.tenant.hex()}"
        for path in (self.repository.root / folder).glob("*"):
            with contextlib.suppress(ReadError):
                body = self.repository.open("index", f"{folder}/{path.name}")
                start = 4 + int.from_bytes(body[:4], "big")
                (packs,) = fields(body[4:start], path.name, packs=bytes)
                for identity, kind, row, *numbers in INDEX_ROW.iter_unpack(body[start:]):
                    places[identity, kind].append(Place(*PACK_ROW.unpack_from(packs, 36 * row), *numbers))
        return places


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("repository", "point", "out", "--volume", "--tenant"):
        parser.add_argument(name)
    parser.add_argument("--password-file", required=True)
    wanted = parser.parse_args()
    try:
        secret = re.sub(rb"\r?\n\Z", b"", Path(wanted.password_file).read_bytes())
        repository = Repository(Path(wanted.repository), secret, wanted.tenant or "default")
        print("note: no pin is set: nobody may delete from the repository meanwhile.", file=sys.stderr)
        print(Volume(repository, repository.find(wanted.point), wanted.volume).restore(Path(wanted.out)))
    except (ValueError, LookupError, OSError, struct.error, zstandard.ZstdError) as error:
        sys.exit(f"error: {f'{error.filename} exists already.' if isinstance(error, FileExistsError) else error}")


if __name__ == "__main__":
    main()
