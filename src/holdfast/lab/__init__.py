"""The embedded AWS: an account of one's own on loopback, for the demo, the tests and a user's rehearsals.

moto's server answers for EC2, S3, IAM, KMS and STS; this room puts real blocks behind its volumes and snapshots,
follows AWS's rules for the EBS direct APIs, and makes faults on request. Everything talks to it through
`AWS_ENDPOINT_URL`, with the code that talks to AWS.

It must never know a repository, a policy or a plug-in, and nothing of the product may import it: what is true here has
to be true in AWS. Importing this package loads no moto; `composition.py` does, when a lab starts.

Read `application.py` first: which request goes where. Then `ebs_direct.py` (the rules) over `block_store.py` (the
bytes).
"""
