"""Each action of the server's policy is taken away in turn: installing, updating or removing the plug-in fails with
exit code 5 and names it, and with it back nothing is left.
"""

import os
import random

import pytest

from holdfast.domain.errors import HoldfastError
from tests.e2e.permissions.account_in_lab import REGION
from tests.e2e.permissions.calls import SERVER, Calls

ALL, SEED, SHARE = os.environ.get("REMOVALS") == "all", int(os.environ.get("SEED", "1")), 3
INSTALL, UPDATE, REMOVE = "install the plug-in", "bring the plug-in up to date", "remove the plug-in"


def install(account):
    account.bring_up_to_date(region=REGION, **account.options)


def bring_up_to_date(account):
    """With another policy of appliances."""
    before = account.settings["repositories"]
    account.bring_up_to_date(repositories="another-bucket" if before != "another-bucket" else "a-third-bucket")


def remove(account):
    account.uninstall()


WAYS = {INSTALL: install, UPDATE: bring_up_to_date, REMOVE: remove}


def needs(account):
    """Each way, and the actions that it is the first to need."""
    calls, found = Calls(account), {}
    known: set[str] = set()
    for name, way in WAYS.items():
        with calls.made_by(name):
            way(account)
        asked = {action for who, action in calls.ways[name] if who == SERVER}
        found[name] = sorted(asked - known)
        known |= asked
    return found


def share(actions):
    return actions if ALL else sorted(random.Random(SEED).sample(actions, min(SHARE, len(actions))))


def judged(account, name, action):
    """What is wrong with how that way ends without the action, if anything is."""
    try:
        with account.server_without(action):
            WAYS[name](account)
    except HoldfastError as error:
        said = f"{error.what} {error.why} {error.cure}"
        return [] if action in said and error.exit_status == 5 else [f"{name}: {action} is no error of its own: {said}"]
    return [f"{name}: {action} is not missed"]


def left(account):
    census = account.hand.lab("census")
    return {(owner, kind, one) for owner, found in census.items() for kind, names in found.items() for one in names}


@pytest.mark.timeout(3600)
def test_without_an_action_of_the_server(account):
    first, wrong = needs(account), []
    assert {name: len(actions) > 2 for name, actions in first.items()} == dict.fromkeys(WAYS, True), first
    nothing = left(account)
    for action in share(first[INSTALL]):
        wrong += judged(account, INSTALL, action)
        if account.settings:
            remove(account)
        if remains := left(account) - nothing:
            wrong.append(f"{INSTALL}: {action} leaves {sorted(remains)}")
    install(account)
    for action in share(first[UPDATE]):
        wrong += judged(account, UPDATE, action)
        bring_up_to_date(account)
    for action in share(first[REMOVE]):
        wrong += judged(account, REMOVE, action)
        if account.settings:
            remove(account)
        if remains := left(account) - nothing:
            wrong.append(f"{REMOVE}: {action} leaves {sorted(remains)}")
        install(account)
    assert not wrong, "\n".join(wrong)
