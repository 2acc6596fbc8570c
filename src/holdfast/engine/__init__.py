"""Durable execution: runs the workflows of the appliance to their end, whatever is killed meanwhile.

The only importer of DBOS. It must never know what a workflow does: it is handed names and functions, and hands each
function the `step` that remembers. Nothing outside reads its database.

Read `dbos_engine.py` first; the rules of its use stand in docs/decisions.
"""
