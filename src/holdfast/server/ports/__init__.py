"""The outside world of the server, in its own words: the store of its records, processes, installed distributions.

A port never knows who implements it. Read `records.py` first.
"""
