"""Policies say since when they fall due at their moments: a change of anything else loses nothing that is owed."""

import sqlalchemy as sa
from alembic import op

revision = "appliance_0005"
down_revision = "appliance_0004"


def upgrade() -> None:
    """Until now every change began anew."""
    op.add_column("policies", sa.Column("in_force_since", sa.String(27), nullable=False, server_default=""))
    policies = sa.table("policies", sa.column("changed_at"), sa.column("in_force_since"))
    op.execute(policies.update().values(in_force_since=policies.c.changed_at))
