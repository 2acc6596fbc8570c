"""Once a day the locks of an immutable repository are made to last (ordering rule 9.2). It never shortens a promise,
and deletes nothing. Read `renew.py` first.
"""
