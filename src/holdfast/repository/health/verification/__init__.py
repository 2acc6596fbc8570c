"""A worker reads the packs of a point, an appliance judges what it says (section 16). It
must never mend, nor take a worker's word where it can look itself. Read `acceptance.py` first.
"""
