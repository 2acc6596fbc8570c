"""The composition roots: which adapter fits which port, one file per process.

Here, and nowhere else, a repository location becomes a store, a source word becomes a block source, and the parts
become a process. It must never hold a rule, a format or a retry of its own: it chooses, constructs and hands over.
Modules here are imported when a command is called, so that `holdfast --help` stays fast.

Read `local/opening.py` first: image and repository commands without any server.
"""
