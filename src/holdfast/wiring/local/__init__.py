"""Repositories and images without a server: what a command does in a repository that it opens itself, one file for each
kind of work, so that a command loads what it needs and no more. It never speaks to a server or an appliance.

Read `opening.py` first.
"""
