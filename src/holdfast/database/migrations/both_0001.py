"""The first tables that appliance and server both have."""

import sqlalchemy as sa
from alembic import op


def create_tables() -> None:
    """Create them."""
    _create_changes_and_settings()
    _create_sessions()
    _create_ledger()
    op.execute("INSERT INTO counters (name, value) VALUES ('usn', 0)")


def _create_changes_and_settings() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("usn", sa.BigInteger, nullable=False),
    )
    op.create_index("changes_by_usn", "changes", ["usn"], unique=True)
    op.create_table(
        "repositories",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sealed_password", sa.LargeBinary),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Text),
        sa.Column("sealed", sa.LargeBinary),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    op.create_index("sessions_by_age", "sessions", ["created_at", "id"])
    op.create_index("sessions_by_subject", "sessions", ["subject", "created_at", "id"])
    op.create_index("sessions_by_state", "sessions", ["state"])
    op.create_table(
        "tasks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("session_id", sa.String, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("tasks_by_session", "tasks", ["session_id", "position"])
    op.create_index("tasks_by_state", "tasks", ["state"])
    op.create_table(
        "log_lines",
        sa.Column("session_id", sa.String, sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "cloud_ledger",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("session_id", sa.String, nullable=False),
        sa.Column("task_id", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("object_id", sa.String, nullable=False),
        sa.Column("intended_at", sa.String(27), nullable=False),
        sa.Column("created_at", sa.String(27)),
        sa.Column("gone_at", sa.String(27)),
    )
    op.create_index("cloud_ledger_by_token", "cloud_ledger", ["token"], unique=True)
    op.create_index("cloud_ledger_by_object", "cloud_ledger", ["kind", "object_id"])
    op.create_index("cloud_ledger_open", "cloud_ledger", ["gone_at", "intended_at"])
