"""Points say in a column until when they are kept, and in their documents by which flags: those of policies, by `D`."""

import json

import sqlalchemy as sa
from alembic import op

revision = "appliance_0004"
down_revision = "appliance_0003"

_OF_POLICIES = ("snapshot", "image-backup")


def upgrade() -> None:
    """Add them; until now a number alone kept a point, and that was the number of its policy."""
    op.add_column("points", sa.Column("keep_until", sa.String(27)))
    op.create_index("points_by_expiry", "points", ["keep_until"])
    _flag_points()


def _flag_points() -> None:
    """Each is a change that the server is told."""
    connection = op.get_bind()
    points = sa.table("points", sa.column("id"), sa.column("policy"), sa.column("document"))
    rows = connection.execute(sa.select(points.c.id, points.c.document).where(points.c.policy != "")).all()
    flagged = {row.id: json.loads(row.document) for row in rows}
    for point_id, document in flagged.items():
        if document["kind"] in _OF_POLICIES:
            text = json.dumps({**document, "flags": ["D"]}, separators=(",", ":"), ensure_ascii=False)
            connection.execute(points.update().where(points.c.id == point_id).values(document=text))
            _count_change(connection, point_id)


def _count_change(connection: sa.Connection, point_id: str) -> None:
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    changes = sa.table("changes", sa.column("kind"), sa.column("id"), sa.column("usn"))
    is_it = (changes.c.kind == "point") & (changes.c.id == point_id)
    counter = counters.c.name == "usn"
    connection.execute(counters.update().where(counter).values(value=counters.c.value + 1))
    usn = connection.execute(sa.select(counters.c.value).where(counter)).scalar_one()
    if connection.execute(changes.update().where(is_it).values(usn=usn)).rowcount == 0:
        connection.execute(changes.insert().values(kind="point", id=point_id, usn=usn))
