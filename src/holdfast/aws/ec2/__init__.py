"""EC2 and EBS of one account and region: what is there, how it is made up, snapshots of it, and making it again.

Nothing is created here that is not in the ledger first (`aws/written_down.py`), and everything bears our tags from the
moment it exists. It must never know a policy, a schedule or a repository.

Read `compute.py` first, then `restore_site.py`.
"""
