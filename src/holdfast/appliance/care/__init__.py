"""What repositories hold is read back whole, and their garbage collected. It must never decide which points go. Read
`verify_task.py` first.
"""
