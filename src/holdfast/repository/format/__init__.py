"""The structures of docs/format/repository.md, one a file: bytes to objects and back, nothing else.

No I/O, no clock, no randomness of its own (salts are handed in). Decoding hostile bytes raises FormatError, never
anything else.
Read `envelope.py` and `pack.py` first.
"""
