"""Chunks and packs: made ready, found, opened and proved; writers, readers and checks do it alike. It must never know
a session or a point. Read `chunk_opening.py` first.
"""
