"""The store in S3, or in a service that speaks like it; the one part of the repository that imports botocore.

It must never know what the objects mean, nor decide when to try again (the wrapper does). Read `store.py` first;
`session.py` says where credentials and endpoints come from, `errors.py` is the one translation of botocore's errors.
"""
