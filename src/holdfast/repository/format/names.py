"""The keys of objects (section 2): where each thing stands."""

import re

CONFIG = "config"
KEYS = "keys/"
EPOCHS = "epochs/"
TENANTS = "tenants/"
PACKS = "packs/"
POINTS = "points/"
INDEX = "index/"
LEDGER = "ledger/"
CHECKPOINTS = "ledger/checkpoints/"
PLANS = "plan/"
RETIRED = "retired/"
SESSIONS = "sessions/"
LEASES = "leases/"
ACKNOWLEDGEMENT, TASK, RESULT, ALIVE = "ack-", "task-", "result-", "alive-"
SESSION_CHECKPOINT = "checkpoint-"
PROBE, RETRIEVAL = "probe", "retrieval"
ATTEMPT_LIMIT = 9999
SESSION_CHECKPOINT_LIMIT = 99_999_999


def slot(slot_id: bytes) -> str:
    """A key slot."""
    return f"{KEYS}{slot_id.hex()}"


def slot_id(key: str) -> bytes:
    """Which key slot stands there, or should."""
    return bytes.fromhex(key.removeprefix(KEYS))


def epoch(kid: int) -> str:
    """Where a key epoch began."""
    return f"{EPOCHS}{kid:010d}"


def tenant(tenant_id: bytes) -> str:
    """A tenant's name and keys."""
    return f"{TENANTS}{tenant_id.hex()}"


def pack(pack_id: bytes) -> str:
    """A pack."""
    text = pack_id.hex()
    return f"{PACKS}{text[:2]}/{text}"


def points_of(tenant_id: bytes) -> str:
    """What the keys of a tenant's points begin with."""
    return f"{POINTS}{tenant_id.hex()}/"


def point(tenant_id: bytes, workload_id: bytes, session: bytes) -> str:
    """A restore point: the commit."""
    return f"{points_of(tenant_id)}{workload_id.hex()}/{session.hex()}"


def session_of_point(key: str) -> bytes:
    """Whose point stands there, or would."""
    return bytes.fromhex(key.rpartition("/")[2])


def index_runs(tenant_id: bytes) -> str:
    """What the keys of a tenant's index runs begin with."""
    return f"{INDEX}{tenant_id.hex()}/"


def index_run(tenant_id: bytes, session: bytes, part: int) -> str:
    """One part of a session's index run."""
    return f"{index_runs(tenant_id)}{session.hex()}-{part:04d}"


def tenant_of_point(key: str) -> bytes:
    """Whose workload's point stands there, or would."""
    return bytes.fromhex(tenant_word(key))


def tenant_word(point: str) -> str:
    """The same as keys say it."""
    return point.removeprefix(POINTS).partition("/")[0]


def tenant_of_run(key: str) -> bytes:
    """Whose index run that is."""
    return bytes.fromhex(key.removeprefix(INDEX).partition("/")[0])


def session_of_run(key: str) -> bytes:
    """Which session wrote that index run."""
    return bytes.fromhex(key.rpartition("/")[2].partition("-")[0])


def ledger(sequence: int) -> str:
    """A ledger batch."""
    return f"{LEDGER}{sequence:020d}"


def checkpoint(sequence: int) -> str:
    """A ledger checkpoint."""
    return f"{CHECKPOINTS}{sequence:020d}"


def plan(epoch: int) -> str:
    """A collection plan."""
    return f"{PLANS}{epoch:020d}"


def retired(session: bytes) -> str:
    """The retirement of a point."""
    return f"{RETIRED}{session.hex()}"


def acknowledgement(session: bytes, epoch: int) -> str:
    """A session's acknowledgement of a plan."""
    return f"{scratch(session)}{ACKNOWLEDGEMENT}{epoch:020d}"


def scratch(session: bytes) -> str:
    """What the keys of a session's scratch begin with."""
    return f"{SESSIONS}{session.hex()}/"


def task(session: bytes, attempt: int) -> str:
    """What a worker is to do, at its attempt of that number."""
    return f"{scratch(session)}{TASK}{attempt:04d}"


def result(session: bytes, attempt: int) -> str:
    """What came of that attempt."""
    return f"{scratch(session)}{RESULT}{attempt:04d}"


def alive(session: bytes, hour: int) -> str:
    """A session's sign of life, of that hour since 1970."""
    return f"{scratch(session)}{ALIVE}{hour:020d}"


def session_checkpoint(session: bytes, attempt: int, number: int) -> str:
    """How far that attempt of the session had come."""
    return f"{scratch(session)}{SESSION_CHECKPOINT}{attempt:04d}-{number:08d}"


def lease(holder: bytes, number: int) -> str:
    """A claim of who writes in single-writer mode."""
    return f"{LEASES}{holder.hex()}-{number:010d}"


def holder_of(key: str) -> bytes:
    """Whose claim that is."""
    return bytes.fromhex(key.removeprefix(LEASES).partition("-")[0])


def probe(probe_id: bytes) -> str:
    """What a probe of a store creates and removes again: no object of the format."""
    return f"{SESSIONS}{probe_id.hex()}/{PROBE}"


def retrieval(retrieval_id: bytes) -> str:
    """The list of what a job is to retrieve (section 17): no object of the format."""
    return f"{SESSIONS}{retrieval_id.hex()}/{RETRIEVAL}"


def session_of_scratch(key: str) -> bytes | None:
    """Whose scratch stands there; None where it is nobody's of ours."""
    if _ASIDE.fullmatch(key) or (key.startswith(SESSIONS) and is_object(key)):
        return bytes.fromhex(key.removeprefix(SESSIONS).partition("/")[0])
    return None


_ID = "[0-9a-f]{32}"
_NUMBER = "[0-9]{20}"
_OBJECT = re.compile(
    f"{CONFIG}|{KEYS}{_ID}|{EPOCHS}[0-9]{{10}}|{TENANTS}{_ID}|{PACKS}([0-9a-f]{{2}})/\\1[0-9a-f]{{30}}|{POINTS}{_ID}/{_ID}/{_ID}|"
    f"{INDEX}{_ID}/{_ID}-[0-9]{{4}}|{LEDGER}{_NUMBER}|{CHECKPOINTS}{_NUMBER}|{PLANS}{_NUMBER}|{RETIRED}{_ID}|"
    f"{LEASES}{_ID}-[0-9]{{10}}|{SESSIONS}{_ID}/(({ACKNOWLEDGEMENT}|{ALIVE}){_NUMBER}|({TASK}|{RESULT})[0-9]{{4}}|"
    f"{SESSION_CHECKPOINT}[0-9]{{4}}-[0-9]{{8}})"
)

_ASIDE = re.compile(f"{SESSIONS}{_ID}/({PROBE}|{RETRIEVAL})")


def is_object(key: str) -> bool:
    """Whether the format knows a key of this form; whatever else a place holds is somebody else's."""
    return _OBJECT.fullmatch(key) is not None
