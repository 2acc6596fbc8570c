"""Ports of the server on the machine it runs on: distributions by pip, processes, files of services.

It must never know what a plug-in does or why a process runs. Read `packages.py` first.
"""
