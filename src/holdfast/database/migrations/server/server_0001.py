"""The first tables."""

import sqlalchemy as sa
from alembic import op

from holdfast.database.migrations.both_0001 import create_tables

revision = "server_0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    create_tables()
    op.create_table(
        "appliances",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("synced_usn", sa.BigInteger, nullable=False),
        sa.Column("synced_at", sa.String(27)),
    )
    op.create_table(
        "plugins",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("appliance", sa.String),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27)),
        sa.Column("revoked_at", sa.String(27)),
    )
    op.create_table(
        "mirrored",
        sa.Column("appliance", sa.String, sa.ForeignKey("appliances.name"), primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("usn", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.String(27)),
        sa.Column("subkind", sa.String),
        sa.Column("subject", sa.String),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("mirrored_by_age", "mirrored", ["kind", "created_at", "id"])
    op.create_index("mirrored_by_subject", "mirrored", ["kind", "subject", "created_at", "id"])
    op.create_index("mirrored_by_id", "mirrored", ["kind", "id"])
    op.create_index("mirrored_by_appliance", "mirrored", ["appliance", "kind", "created_at", "id"])
