"""How the tables came to be, step by step; a step that was released is never changed.

A step must never know `tables.py`: that is how they are now. Read `env.py` first, then the steps by number.
"""
