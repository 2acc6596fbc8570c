"""Restore points as the appliance keeps them: described in the tags of their snapshots, recorded, let go. It must
never know how one is made or restored. Read `retention_work.py` first.
"""
