"""The keys that a party holds: ways to the master key, its epochs, and a store seen with them. It must never know what
is written, nor who asks. Read `access.py` first.
"""
