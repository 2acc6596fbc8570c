"""What the appliance does by itself: schedules fall due, points and history expire, leftovers are removed. It must
never answer a person. Read `scheduler.py` first.
"""
