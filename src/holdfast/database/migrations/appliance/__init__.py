"""Steps of the appliance's tables. They never know each other but by number. Read `appliance_0001.py` first."""
