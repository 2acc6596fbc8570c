"""The first tables."""

import sqlalchemy as sa
from alembic import op

from holdfast.database.migrations.both_0001 import create_tables

revision = "appliance_0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_tables()
    op.create_table(
        "accounts",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "policies",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("changed_at", sa.String(27), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "due_moments",
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("target", sa.String, primary_key=True),
        sa.Column("moment", sa.String(27), nullable=False),
    )
    op.create_table(
        "points",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("workload_id", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sealed_configuration", sa.LargeBinary, nullable=False),
    )
    op.create_index("points_by_age", "points", ["created_at", "id"])
    op.create_index("points_by_workload", "points", ["workload_id", "created_at", "id"])
    op.create_index("points_by_policy", "points", ["policy", "created_at", "id"])
