"""Adapters to AWS: each folder speaks to one service and implements a port of the rooms below.

It must never know a policy, a schedule or a repository's format. Refusals become Holdfast's errors in `errors.py` and
nowhere else; credentials, regions and endpoints are botocore's own. Read `clients.py` first, then
`ebs_blocks/reader.py`.
"""
