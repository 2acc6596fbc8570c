"""The REST API of an appliance: for the one server that owns it, known by its certificate.

It must never know how a use case is done. Read `use_cases.py` first, then `application.py`.
"""
