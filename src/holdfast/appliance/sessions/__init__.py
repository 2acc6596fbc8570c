"""Sessions of the appliance and their tasks: written down, queued, waited for, undone. It must never know what a task
does. Read `book.py` first.
"""
