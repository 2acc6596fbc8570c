"""Points say in a column in which account their snapshots are kept, if not in their instance's."""

import sqlalchemy as sa
from alembic import op

revision = "appliance_0003"
down_revision = "appliance_0002"


def upgrade() -> None:
    """Add it; no point was kept elsewhere before."""
    op.add_column("points", sa.Column("kept_in", sa.String))
    op.create_index("points_by_keeper", "points", ["kept_in"])
