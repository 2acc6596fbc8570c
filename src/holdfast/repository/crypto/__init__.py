"""Keys and sealing, after docs/format/repository.md sections 3 to 5 and 8: bytes in, bytes out.

Only `cryptography` and `blake3` do cryptography here; this room must never know a store, a file or where a secret
came from, and
callers never supply a nonce. Read `keys.py` first.
"""
