"""What a repository needs over the years: garbage collected, locks renewed, keys changed and tried. It must never
decide which points are kept. Read `collection/collect.py` first.
"""
