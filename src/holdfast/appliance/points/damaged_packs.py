"""Which packs are known to be damaged, however many: a point's verification names a thousand objects at most."""

from collections.abc import Iterable

from holdfast.appliance.surface import Surface
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.verification import DamagedObject, pack_id, unnamed_packs

# The setting, with the point's id behind it.
_FURTHER = "further-damaged-packs/"


def damaged_packs(surface: Surface, points: Iterable[RestorePoint], repository: str) -> frozenset[str]:
    """Those of that repository (ids, hex) that these points were found to need: the next backup does not build upon
    them.
    """
    found = set[str]()
    for point in points:
        if point.repository == repository and point.verification is not None:
            found |= point.verification.damaged_packs
            found.update(map(pack_id, further_packs(surface, point)))
    return frozenset(found)


def further_packs(surface: Surface, point: RestorePoint) -> tuple[str, ...]:
    """Damaged packs of a point (objects) beyond those that its verification names, which are all of most points."""
    found = point.verification
    if found is None or found.damaged_objects == len(found.damage):
        return ()
    return tuple(surface.records.settings.get(_FURTHER + point.id) or ())


def remember_further_packs(surface: Surface, point: RestorePoint, damage: Iterable[DamagedObject]) -> None:
    """In place of those that were known; none for a point that goes."""
    further = unnamed_packs(damage)
    if further != further_packs(surface, point):
        surface.records.settings.put(_FURTHER + point.id, further)
