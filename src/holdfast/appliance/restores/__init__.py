"""From a restore point to an instance or volumes: planned whole, then carried out. It must never touch what its plan
does not name. Read `plan.py` first.
"""
