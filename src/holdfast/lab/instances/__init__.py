"""EC2 instances that run: user data as real processes, a metadata service for each, volumes, interfaces and images.

moto keeps what an instance is described by; this folder gives it a life of its own. It must never know what a worker of
the product does: what works here has to work on any Debian 12 machine in AWS.

Read `power.py` first: the states of an instance and what happens between them. Under it `machine.py` and
`supervisor.py` (processes), `metadata_server.py` (its metadata service); above it `backend.py`, which moto builds its
EC2 from, and `responses.py`, which reads what requests ask for.
"""
