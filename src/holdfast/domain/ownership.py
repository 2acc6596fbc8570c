"""The tags by which everything we make in a cloud is known as ours, and what each thing is for."""

SERVER = "holdfast:server"
APPLIANCE = "holdfast:appliance"
SESSION = "holdfast:session"
TASK = "holdfast:task"
ATTEMPT = "holdfast:attempt"
PURPOSE = "holdfast:purpose"
# What a snapshot says of the restore point that it belongs to (docs/format/snapshot-tags.md).
POINT = "holdfast:point"

WORKER = "worker"
SNAPSHOT = "snapshot"
BASE_SNAPSHOT = "base-snapshot"
RESTORE = "restore"
RESTORED = "restored"
DEPLOYMENT = "deployment"

# What is there for the work of a session alone; a restore point's snapshots, and what was restored, stay.
ONLY_FOR_WORK = frozenset({WORKER, RESTORE})
# What the reaper looks at when its session has ended: of snapshots those that no restore point names.
PASSING = ONLY_FOR_WORK | {SNAPSHOT, BASE_SNAPSHOT}
