"""The outside world of the appliance, in its own words: the cloud, the store of its records, repositories, the engine.

A port never knows who implements it. Read `cloud.py` first.
"""
