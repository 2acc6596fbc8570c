"""Holdfast: backup and recovery of AWS workloads. ARCHITECTURE.md names the rooms below and the order between them.

This package itself must never import a room: `import holdfast` costs nothing and knows its version only. Read
`domain/errors.py` first.
"""

__version__ = "0.1.0"
