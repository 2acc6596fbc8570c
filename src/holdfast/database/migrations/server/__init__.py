"""Steps of the server's tables. They never know each other but by number. Read `server_0001.py` first."""
