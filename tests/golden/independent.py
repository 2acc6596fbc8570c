"""The format of docs/format/repository.md a second time, by its text alone: nothing of holdfast is imported here.

HKDF is written out over the standard library's hmac, the stream cutter goes byte by byte: slow, plain, and a witness.
§ numbers are the page's sections. Whoever changes this file to please the product has changed the format.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cbor2
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SUITE = 2
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


# ------------------------------------------------------------------------------------------------------------------ §1


def expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869, section 2.3."""
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([number]), hashlib.sha256).digest()
        out, number = out + block, number + 1
    return out[:length]


def keyed_hash(key: bytes, data: bytes, suite: int = SUITE) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest() if suite == 1 else blake3(data, key=key).digest()


def trailed(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def cbor(value: Mapping[str, Any]) -> bytes:
    return cbor2.dumps(dict(value), canonical=True)


# -------------------------------------------------------------------------------------------------------------- §2, §3


def tenant_id(name_key: bytes, name: str, suite: int = SUITE) -> bytes:
    return keyed_hash(name_key, b"tenant" + name.encode(), suite)[:16]


def workload_id(id_key: bytes, name: str, suite: int = SUITE) -> bytes:
    return keyed_hash(expand(id_key, b"hf1/workload"), name.encode(), suite)[:16]


def sub(master: bytes, repository: bytes, kid: int, label: str) -> bytes:
    return expand(master, b"hf1/" + label.encode() + repository + u32(kid))


def tenant_key(master: bytes, repository: bytes, kid: int, label: str, tenant: bytes) -> bytes:
    """K_map and K_index."""
    return expand(sub(master, repository, kid, label), b"tenant" + tenant)


def session_data_key(master: bytes, repository: bytes, kid: int, session: bytes) -> bytes:
    return expand(sub(master, repository, kid, "data"), b"sess" + session)


def session_map_key(master: bytes, repository: bytes, kid: int, tenant: bytes, session: bytes) -> bytes:
    return expand(tenant_key(master, repository, kid, "map", tenant), b"sess" + session)


def pack_key(session_key: bytes, pack: bytes) -> bytes:
    return expand(session_key, b"pack" + pack, 64)


def scratch_key(master: bytes, repository: bytes, kid: int, session: bytes) -> bytes:
    return expand(sub(master, repository, kid, "scratch"), session)


def chunk_id(id_key: bytes, chunk_type: int, plain: bytes, suite: int = SUITE) -> bytes:
    return keyed_hash(expand(id_key, b"hf1/chunk" + bytes([chunk_type])), plain, suite)


# ------------------------------------------------------------------------------------------------------------------ §4


def envelope_key(kind_key: bytes, object_key: str, salt: bytes) -> bytes:
    return expand(kind_key, object_key.encode() + salt, 64)


def envelope(
    kind: int, kind_key: bytes, object_key: str, repository: bytes, kid: int, salt: bytes, body: bytes
) -> bytes:
    keys = envelope_key(kind_key, object_key, salt)
    header = b"HFOBJT\x00\x01" + u16(SUITE) + u16(kind) + u32(kid) + repository + salt + keys[32:]
    return trailed(header + AESGCM(keys[:32]).encrypt(bytes(12), body, header + object_key.encode()))


# ------------------------------------------------------------------------------------------------------------------ §5


def password_kek(password: bytes, salt: bytes, memory_kib: int, iterations: int, lanes: int) -> bytes:
    """The one primitive that the standard library lacks; `test_vectors` tries it against RFC 9106."""
    return Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib).derive(password)


def approved_password_kek(password: bytes, salt: bytes, iterations: int) -> bytes:
    """RFC 8018, section 5.2: one block of PBKDF2."""
    block = hmac.digest(password, salt + u32(1), "sha256")
    summed = int.from_bytes(block, "big")
    for _round in range(iterations - 1):
        block = hmac.digest(password, block, "sha256")
        summed ^= int.from_bytes(block, "big")
    return summed.to_bytes(32, "big")


def slot_check(master: bytes) -> bytes:
    return expand(master, b"hf1/slot check", 16)


def recovery_kek(code: bytes) -> bytes:
    return expand(code, b"hf1/recovery")


def recovery_text(code: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in code + hashlib.sha256(code).digest()[:2]) + "000"
    letters = [CROCKFORD[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5)]
    return "-".join(["HF1", *("".join(letters[at : at + 5]) for at in range(0, 55, 5))])


def slot_key(kek: bytes, repository: bytes, slot: bytes) -> bytes:
    return expand(kek, b"hf1/slot" + repository + slot, 64)


def key_slot(header: Mapping[str, Any], kek: bytes, master: bytes, nonce: bytes) -> bytes:
    fields = cbor(header)
    head = b"HFSLOT\x00\x01" + u16(len(fields)) + fields
    keys = slot_key(kek, header["repository"], header["slot"])
    return trailed(head + keys[32:] + nonce + AESGCM(keys[:32]).encrypt(nonce, master, head))


# ------------------------------------------------------------------------------------------------------------------ §8


def pack(
    keys: bytes, flags: int, repository: bytes, kid: int, session: bytes, pack_id: bytes, chunks: Sequence[Any]
) -> bytes:
    """A pack of chunks, each (id, plain length, type, compression, stored bytes)."""
    aead = AESGCM(keys[:32])
    header = b"HFPACK\x00\x01" + u16(SUITE) + u16(flags) + u32(kid) + repository + session + pack_id + keys[32:]
    out, entries = header, b""
    for number, (identity, plain_length, chunk_type, compression, stored) in enumerate(chunks):
        offset = len(out)
        bound = b"chnk" + repository + pack_id + u64(number) + u32(offset) + identity + u32(kid)
        bound += bytes([chunk_type, compression]) + u32(plain_length)
        sealed = aead.encrypt(u32(0) + u64(number), stored, bound)
        entries += identity + u32(offset) + u32(len(sealed)) + u32(plain_length)
        entries += bytes([chunk_type, compression]) + u32(kid)
        out += sealed
    bound = b"pdir" + repository + pack_id + header + u32(len(out)) + u32(len(chunks))
    directory = aead.encrypt(u32(0) + u64(2**64 - 1), entries, bound)
    return trailed(out + directory + u32(len(out)) + u32(len(directory)) + b"HFPKEND\x01")


# ------------------------------------------------------------------------------------------------------------ §9, §11


def pack_row(kid: int, session: bytes, pack_id: bytes) -> bytes:
    return u32(kid) + session + pack_id


def entry(identity: bytes, row: int, i: int, offset: int, length: int, plain_length: int, compression: int) -> bytes:
    return identity + u16(row) + u32(i) + u32(offset) + u32(length) + u32(plain_length) + bytes([compression])


def node(level: int, cut: int, count: int, span: int, rows: Sequence[bytes], entries: Sequence[bytes]) -> bytes:
    """A node without its spans."""
    head = bytes([1, level, cut, 0]) + u16(count) + u16(len(rows)) + u64(span)
    return head + b"".join(rows) + b"".join(entries).ljust(128 * 51, b"\0")


def spans(covered: Sequence[int]) -> bytes:
    return b"".join(map(u64, covered)).ljust(128 * 8, b"\0")


def index_run(header: Mapping[str, Any], rows: Sequence[bytes]) -> bytes:
    fields = cbor(header)
    return u32(len(fields)) + fields + b"".join(sorted(rows))


# ----------------------------------------------------------------------------------------------------------------- §15


def gear(chunking_key: bytes) -> bytes:
    return expand(chunking_key, b"hf1/gear", 1024)


def window_hash(table: Sequence[int], data: bytes, n: int) -> int:
    """h(n), term by term as §15 writes it."""
    return sum(table[data[n - j]] << j for j in range(32) if n - j >= 0) % 2**32


def cut_lengths(gear_bytes: bytes, data: bytes, least: int, bits: int, most: int) -> Iterator[int]:
    """Lengths of a stream's chunks. h(n) = 2 h(n - 1) + gear[byte], for what is older than 32 bytes is shifted out."""
    table, h, start = struct.unpack(">256I", gear_bytes), 0, 0
    for n, byte in enumerate(data):
        h = (2 * h + table[byte]) & 0xFFFFFFFF
        length = n - start + 1
        strict, loose = h >> (32 - bits - 2) == 0, h >> (32 - bits + 2) == 0
        if (least <= length < 1 << bits and strict) or (length >= 1 << bits and loose) or length == most:
            yield length
            start = n + 1
    if start < len(data):
        yield len(data) - start
