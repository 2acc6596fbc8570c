"""From a damaged repository to one that hurts fewer points, by adding alone (rule 4.7). It must never delete or
overwrite. Read `repair.py` first.
"""
