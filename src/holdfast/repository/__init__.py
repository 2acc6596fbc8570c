"""The repository: restore points in an object store, sealed, deduplicated, readable without a database.

It must never know AWS compute, a policy, a server or a person's terminal. Its spec is docs/format/repository.md and
docs/format/ordering.md. Read `opening/repository.py` first, then `keys/access.py` (what moves data holds no more than
that), `writing/backup.py` and `reading/restore.py`; `delegation/` lets a worker do the same. The files at the top are
its ports: a store, blocks, surroundings, a listener.
"""
