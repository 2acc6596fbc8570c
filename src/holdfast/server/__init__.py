"""The management server: plug-ins and their services, appliances, repositories, and one place to ask for all of it.

It knows no cloud: what touches one is done by a plug-in. It must never know how it is asked (REST), nor where its
records lie: that stands behind `ports/`.

Read `service.py` first, then `composition.py`, which names the parts.
"""
