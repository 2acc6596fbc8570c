"""The tables of appliance and server as they are now; `migrations/` makes them.

A `document` is the JSON of a dataclass of the domain; the columns beside it are what is searched and sorted by.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from holdfast.database.columns import Moment

metadata = MetaData()

# ----------------------------------------------------------------------------------------------------------- both sides

counters = Table(
    "counters", metadata, Column("name", String, primary_key=True), Column("value", BigInteger, nullable=False)
)

changes = Table(
    "changes",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("usn", BigInteger, nullable=False),
    Index("changes_by_usn", "usn", unique=True),
)

repositories = Table(
    "repositories",
    metadata,
    Column("name", String, primary_key=True),
    Column("document", Text, nullable=False),
    Column("sealed_password", LargeBinary),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index("sessions_by_age", "created_at", "id"),
    Index("sessions_by_subject", "subject", "created_at", "id"),
    Index("sessions_by_state", "state"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("document", Text, nullable=False),
    Index("tasks_by_session", "session_id", "position"),
    Index("tasks_by_state", "state"),
)

log_lines = Table(
    "log_lines",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
)

cloud_ledger = Table(
    "cloud_ledger",
    metadata,
    Column("id", String, primary_key=True),
    Column("token", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("account", String, nullable=False),
    Column("region", String, nullable=False),
    Column("session_id", String, nullable=False),
    Column("task_id", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("intended_at", Moment, nullable=False),
    Column("created_at", Moment),
    Column("gone_at", Moment),
    Index("cloud_ledger_by_token", "token", unique=True),
    Index("cloud_ledger_by_object", "kind", "object_id"),
    Index("cloud_ledger_open", "gone_at", "intended_at"),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text),
    Column("sealed", LargeBinary),
)

# ------------------------------------------------------------------------------------------------------------ appliance

accounts = Table(
    "accounts", metadata, Column("name", String, primary_key=True), Column("document", Text, nullable=False)
)

policies = Table(
    "policies",
    metadata,
    Column("name", String, primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("document", Text, nullable=False),
    Column("in_force_since", Moment, nullable=False),
)

due_moments = Table(
    "due_moments",
    metadata,
    Column("policy", String, primary_key=True),
    Column("target", String, primary_key=True),
    Column("moment", Moment, nullable=False),
)

points = Table(
    "points",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("region", String, nullable=False),
    Column("workload_id", String, nullable=False),
    Column("policy", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("document", Text, nullable=False),
    Column("sealed_configuration", LargeBinary, nullable=False),
    Column("repository", String),
    Column("kept_in", String),
    Column("keep_until", Moment),
    Index("points_by_age", "created_at", "id"),
    Index("points_by_workload", "workload_id", "created_at", "id"),
    Index("points_by_policy", "policy", "created_at", "id"),
    Index("points_by_repository", "repository"),
    Index("points_by_account", "account"),
    Index("points_by_keeper", "kept_in"),
    Index("points_by_expiry", "keep_until"),
)

open_backups = Table(
    "open_backups", metadata, Column("work", String, primary_key=True), Column("document", Text, nullable=False)
)

# --------------------------------------------------------------------------------------------------------------- server

appliances = Table(
    "appliances",
    metadata,
    Column("name", String, primary_key=True),
    Column("document", Text, nullable=False),
    Column("synced_usn", BigInteger, nullable=False),
    Column("synced_at", Moment),
)

plugins = Table("plugins", metadata, Column("name", String, primary_key=True), Column("document", Text, nullable=False))

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("appliance", String),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)

# `subject`: a session's, a point's workload, the session of a task. `subkind`: a session's kind.
mirrored = Table(
    "mirrored",
    metadata,
    Column("appliance", ForeignKey("appliances.name"), primary_key=True),
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("usn", BigInteger, nullable=False),
    Column("created_at", Moment),
    Column("subkind", String),
    Column("subject", String),
    Column("document", Text, nullable=False),
    Index("mirrored_by_age", "kind", "created_at", "id"),
    Index("mirrored_by_subject", "kind", "subject", "created_at", "id"),
    Index("mirrored_by_id", "kind", "id"),
    Index("mirrored_by_appliance", "appliance", "kind", "created_at", "id"),
)
