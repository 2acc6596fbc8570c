"""Sessions and the points that come of them: opened, committed, retired, pinned, found again (ordering rules 2, 3, 6
and 7). It must never know where blocks come from or go to. Read `session.py` first.
"""
