"""From a store and a secret to an open repository: its ledger, its newest plan, and what was remembered of both. It
must never know what a session writes. Read `repository.py` first.
"""
