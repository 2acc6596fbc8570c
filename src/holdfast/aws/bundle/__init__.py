"""What an instance starts from: Holdfast with all it needs in one file, and the user data that fetches and runs it.

A stock Debian image has Python and nothing of ours. A bundle is made from the distributions of the environment that
runs, without network, and put into the customer's own bucket; user data names it, its SHA-256 and a command. It must
never know a secret, a task or a policy: user data can be read by whoever may describe the instance.

Read `building.py` first, then `user_data.py`; `bootstrap.py` is what runs on the instance before anything else does.
"""
