"""The REST API of the management server: for whoever holds a token, and for the services of plug-ins.

It must never know how a use case is done. Read `application.py` first.
"""
