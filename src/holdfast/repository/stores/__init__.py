"""Object stores: where a repository's objects lie, and the wrappers around them.

`memory`, `directory` and `s3` implement the port `holdfast.repository.object_store.ObjectStore`; `retrying`, `counting`
and `stoppable` each wrap any store and add one concern. `location` turns what a person writes into a composed store.

This package must never know what the objects mean: no secrets, no format, no policy, no server. boto3 stays in the
folder `s3`. Read `location.py` first, then `directory.py`.
"""
