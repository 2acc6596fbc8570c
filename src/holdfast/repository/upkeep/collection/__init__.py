"""From chunks that no restore point needs to free space (ordering rule 4). It must never decide which points go: that
is retention. Read `collect.py` first.
"""
