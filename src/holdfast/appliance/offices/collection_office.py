"""Collections of garbage, as people ask for them and as the clock does."""

from holdfast.appliance.care.collection_work import WISH, collection_task
from holdfast.appliance.desk.desk import PERSON, Desk
from holdfast.domain.collection import CollectionWish
from holdfast.domain.session import Session, SessionKind
from holdfast.protocol.encoding import to_document


class CollectionOffice(Desk):
    """Each is a session of its own; in one repository they wait for each other."""

    def collect_garbage(self, name: str, wish: CollectionWish) -> Session:
        """Free what no restore point needs, or say what would go."""
        self._records.repositories.get(name)
        return self.start_collection(self._new_session(), name, wish, PERSON)

    def start_collection(self, session_id: str, name: str, wish: CollectionWish, trigger: str) -> Session:
        """Open and start one; one that is there already goes on."""
        kind = SessionKind.LOOK_FOR_GARBAGE if wish.dry_run else SessionKind.COLLECT_GARBAGE
        details = {WISH: to_document(wish)}
        return self._open(session_id, kind, name, details, [collection_task(session_id, name)], trigger)
