"""How a session is opened, started in the engine, and taken up again when nobody works on it. It must never know who
asked: a person or a clock. Read `desk.py` first.
"""
