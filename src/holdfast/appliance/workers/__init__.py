"""Workers, launched, listened to and ended, in the cloud or beside the appliance. It must never know what an errand is
for. Read `fleet.py` first.
"""
