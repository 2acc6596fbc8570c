"""What a policy says: when it runs, what it selects, which flags a point bears. It must never start anything. Read
`schedules.py` first.
"""
