"""The repository: restore points in an object store, sealed, deduplicated, readable without a database.

It must never know AWS compute, a policy, a server or a person's terminal. Its spec is docs/format/repository.md and
docs/format/ordering.md. Read `opening.py` first, then `volume_writer.py` and `reader.py`.
"""
