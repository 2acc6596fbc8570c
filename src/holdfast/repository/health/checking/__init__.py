"""Is every object as it was written, and whom does damage hurt? Never repairs, never writes. Read `check.py` first."""
