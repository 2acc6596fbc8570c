"""From cold packs of an archive to packs that can be read (section 17): what a restore needs, asking for it, waiting.
It must never decide that money is spent: whoever calls has said so. Read `plan.py` first.
"""
