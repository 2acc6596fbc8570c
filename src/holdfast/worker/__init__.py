"""The worker: takes one task, moves its data between volumes and a repository, reports, and ends.

It holds the keys of one session and no master key, keeps no state, and deletes nothing. It must never know AWS, a queue
or a machine: where tasks come from, where events go and what unwraps a key are ports, fitted by `wiring/worker.py`.

Read `task_runner.py` first, then `data_mover.py`.
"""
