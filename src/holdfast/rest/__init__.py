"""HTTPS around the use cases of appliance and server, and the clients of both: routes, errors, TLS, tokens.

An app is a function's answer over the object that does the work; nothing here decides what is done. It must never know
where records lie nor any cloud, and holds no state beyond connections. Nothing answers whom it does not know.

Read `routes.py` first, then `problems.py`; docs/rest.md has every route.
"""
