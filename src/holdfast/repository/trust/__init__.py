"""What may be believed of a store, and what is done because of it (ordering rules 5, 8 and 9): absence, older
versions, conditional writes, locks by their own PUT. It must never know a key, nor decide which points are kept: a
promise is given by whoever backs up. Read `presence.py` first; locks are renewed in `repository/upkeep/renewal`.
"""
