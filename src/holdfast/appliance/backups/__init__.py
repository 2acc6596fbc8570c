"""From a policy to restore points: a run, a task for each resource, snapshots, the image backup. It must never wait
for a schedule. Read `backup_task.py` first, then `policy_run.py` above it.
"""
