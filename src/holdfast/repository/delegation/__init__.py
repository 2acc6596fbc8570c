"""Backups and restores done by a worker that holds only what its task names, ordered and accepted by the appliance.

The worker's half (`tasks.py`, `results.py`, `scratch.py`, `worker_side.py`) must never know the master key, the ledger,
a plan, a manifest or `tenants/`; the appliance's half (`backup_side.py`, `acceptance.py`, `restore_side.py`) must never
believe a worker. What moves the bytes is the same as without a worker. Read `tasks.py` first.
"""
