"""Clients of both REST APIs, synchronous: documents in, documents out, errors as what they were on the other side.

A client trusts the one certificate that it was handed. It must never know what the documents mean.

Read `requests.py` first; `server.py` is for people's commands, `appliance.py` for plug-ins.
"""
