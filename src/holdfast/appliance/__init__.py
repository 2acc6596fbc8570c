"""The appliance: runs policies for workloads, keeps to schedules and retention, restores, launches workers.

Use cases and decisions; it moves no block itself. It must never know AWS, a database, HTTP or the engine that makes its
work durable: each is a port in `ports/`, fitted by `wiring/appliance.py`.

Read `backups/backup_task.py` first: one backup from snapshot to commit; then `backups/policy_run.py` above it, and
`ports/`. `service.py` is all that may be asked of an appliance, `housekeeping.py` all that it does by itself.
"""
