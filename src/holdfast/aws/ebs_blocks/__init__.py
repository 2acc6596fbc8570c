"""Blocks of EBS snapshots, by the EBS direct APIs: read as a BlockSource, written as a BlockTarget.

`reader.py` lists and fetches, `writer.py` starts, fills and completes a snapshot, `budget.py` keeps all of this process
within what the account may ask. It must never know repositories, chunks or keys. Read `reader.py` first.
"""
