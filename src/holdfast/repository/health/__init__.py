"""Is what is stored as it was written, whom does damage hurt, and what can be mended? It must never retire a point.
Read `checking/check.py` first.
"""
