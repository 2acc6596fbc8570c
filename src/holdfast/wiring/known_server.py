"""Whether there is a management server to ask: for who asks none and may have nothing installed that a client needs."""

import os

from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.server_home import ServerHome


def knows_a_server() -> bool:
    """Whether the environment names one, or one was started under this HOLDFAST_HOME."""
    return bool(os.environ.get("HOLDFAST_SERVER")) or ServerHome(home_folder()).connection.exists()
