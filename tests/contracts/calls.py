"""Calls as contracts of records make them: page by page, and many at once."""

import threading


def pages(page, limit):
    """All that `page` gives, so many at a time."""
    found, before = [], None
    while batch := page(before=before, limit=limit):
        found += batch
        before = batch[-1].id
    return found


def run_all(calls):
    """Each call in a thread of its own; none may fail."""
    errors = []

    def run(call):
        try:
            call()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
