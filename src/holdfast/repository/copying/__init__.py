"""Restore points of one repository into another: a reader of the one, a writer of the other, and neither knows of the
other. It must never know what kind of place either is. Read `copy.py` first.
"""
