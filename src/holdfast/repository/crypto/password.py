"""What a person holds: a password (Argon2id) or a printed recovery code (section 5)."""

import hashlib
import threading

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from holdfast.domain.errors import FormatError, UsageError
from holdfast.repository.crypto.keys import KEY_BYTES, expand

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARACTERS = 55
GROUP_CHARACTERS = 5
PREFIX = "HF1"

MEMORY_KIB = (64 * 1024, 1024 * 1024)
ITERATIONS = (3, 10)
LANES = (1, 16)
APPROVED_ITERATIONS = (600_000, 10_000_000)
# OpenSSL gives the lanes of all derivations of a process threads of one pool, and who ends empties it: another one that
# is under way then waits for ever. So one derives at a time, which also bounds the memory.
_ONE_DERIVATION = threading.Lock()


def password_key(password: bytes, salt: bytes, *, memory_kib: int, iterations: int, lanes: int) -> bytes:
    """KEK of a password slot; RFC 9106's second recommendation by default. Refuses costs outside the clamps."""
    for name, value, (low, high) in (
        ("memory_kib", memory_kib, MEMORY_KIB),
        ("iterations", iterations, ITERATIONS),
        ("lanes", lanes, LANES),
    ):
        if not low <= value <= high:
            raise FormatError(f"key slot asks for {name} {value}", why=f"allowed are {low} to {high}")
    _check_salt(salt)
    derivation = Argon2id(salt=salt, length=KEY_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    with _ONE_DERIVATION:
        return derivation.derive(password)


def approved_password_key(password: bytes, salt: bytes, *, iterations: int) -> bytes:
    """KEK of a password slot in suite 1: PBKDF2-HMAC-SHA-256, SP 800-132. Refuses counts outside the clamps."""
    low, high = APPROVED_ITERATIONS
    if not low <= iterations <= high:
        raise FormatError(f"key slot asks for iterations {iterations}", why=f"allowed are {low} to {high}")
    _check_salt(salt)
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations, KEY_BYTES)


def _check_salt(salt: bytes) -> None:
    if len(salt) != 16:
        raise FormatError(f"key slot has a salt of {len(salt)} bytes", why="a password slot's salt has 16")


def recovery_key(code: bytes) -> bytes:
    """KEK of a recovery slot."""
    return expand(code, b"hf1/recovery", KEY_BYTES)


def print_recovery_code(code: bytes) -> str:
    """32 bytes as `HF1-` and 11 groups of 5 characters, with a checksum."""
    bits = int.from_bytes(code + hashlib.sha256(code).digest()[:2], "big") << 3
    text = "".join(ALPHABET[(bits >> shift) & 31] for shift in range((CODE_CHARACTERS - 1) * 5, -1, -5))
    groups = [text[at : at + GROUP_CHARACTERS] for at in range(0, CODE_CHARACTERS, GROUP_CHARACTERS)]
    return "-".join([PREFIX, *groups])


def looks_like_recovery_code(text: str) -> bool:
    """Whether a secret was probably meant as a recovery code."""
    return _letters(text).startswith(PREFIX) and len(text.strip()) >= CODE_CHARACTERS


def _letters(text: str) -> str:
    """What was typed, without what reading ignores and with what it takes for another."""
    return text.strip().upper().replace(" ", "").replace("-", "").translate(str.maketrans("OIL", "011"))


def read_recovery_code(text: str) -> bytes:
    """The 32 bytes of a printed code; UsageError when it was mistyped."""
    plain = _letters(text).removeprefix(PREFIX)
    wrong = "the recovery code is mistyped"
    cure = "compare it with the printed code, group by group"
    if len(plain) != CODE_CHARACTERS or any(character not in ALPHABET for character in plain):
        raise UsageError(wrong, why="it does not have 11 groups of 5 letters and digits", cure=cure)
    bits = 0
    for character in plain:
        bits = bits << 5 | ALPHABET.index(character)
    both = (bits >> 3).to_bytes(34, "big")
    code, checksum = both[:32], both[32:]
    if bits & 7 or hashlib.sha256(code).digest()[:2] != checksum:
        raise UsageError(wrong, why="its checksum does not match", cure=cure)
    return code
