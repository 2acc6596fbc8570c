"""From a volume or stream to a committed restore point. It must never know where blocks come from. Read `backup.py`
first.
"""
