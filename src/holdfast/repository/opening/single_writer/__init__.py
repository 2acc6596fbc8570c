"""Rule 8: in a store that ignores If-None-Match one party writes at a time. Read `lease.py` first. It must never know
what is written: all other rules hold as they stand.
"""
