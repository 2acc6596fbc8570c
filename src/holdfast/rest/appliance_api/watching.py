"""A session as it goes on: what changed since it was last looked at."""

import time
from collections.abc import Iterator
from typing import Any

from holdfast.protocol.encoding import to_document
from holdfast.rest.appliance_api.use_cases import Results
from holdfast.rest.event_names import STILL_HERE

_LINES = 1000


def watch(appliance: Results, session_id: str, poll_seconds: float) -> Iterator[tuple[str, Any]]:
    """(`session` or `log`, document): the detail whenever it changed, each line once; ends behind the final state."""
    shown = None
    last_line = 0
    while True:
        detail = appliance.get_session(session_id)
        lines = appliance.session_log(session_id, last_line, _LINES)
        for line in lines:
            last_line = line.sequence
            yield "log", to_document(line)
        if len(lines) == _LINES:
            continue
        if detail != shown:
            shown = detail
            yield "session", to_document(detail)
        if detail.session.state.final and not lines:
            return
        if not lines:
            yield STILL_HERE, None
            time.sleep(poll_seconds)
