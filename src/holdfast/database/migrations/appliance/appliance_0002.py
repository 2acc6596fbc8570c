"""Points say in a column where they lie; backups whose end was not seen; no empty settings."""

import json

import sqlalchemy as sa
from alembic import op

revision = "appliance_0002"
down_revision = "appliance_0001"


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "open_backups",
        sa.Column("work", sa.String, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.add_column("points", sa.Column("repository", sa.String))
    _fill_repositories()
    op.create_index("points_by_repository", "points", ["repository"])
    op.create_index("points_by_account", "points", ["account"])
    op.execute("DELETE FROM settings WHERE value IS NULL AND sealed IS NULL")


def _fill_repositories() -> None:
    connection = op.get_bind()
    points = sa.table("points", sa.column("id"), sa.column("document"), sa.column("repository"))
    for row in connection.execute(sa.select(points.c.id, points.c.document)).all():
        repository = json.loads(row.document)["repository"]
        if repository is not None:
            connection.execute(points.update().where(points.c.id == row.id).values(repository=repository))
