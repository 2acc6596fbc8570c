"""A restore point as a disk: where the bytes of a volume come from and where they go back to.

The files, block devices and streams of the machine a command runs on, as sources and targets of a repository. It must
never know a cloud, a policy or a server, and nothing of how a repository seals what it is given: it meets the
repository only through the ports in `holdfast.repository.block_source`.

Read `file_source.py` first: the plainest source there is.
"""
