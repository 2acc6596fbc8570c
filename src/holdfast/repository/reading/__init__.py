"""From a restore point to bytes: maps, chunks, whole volumes. It never writes to the repository but a pin. Read
`restore.py` first.
"""
