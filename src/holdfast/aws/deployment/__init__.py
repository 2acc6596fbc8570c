"""What the AWS integration puts into an account, and how it goes again: one stack for a server, an instance for each
appliance.

It must never know a policy's contents or a repository. Everything that no stack owns is in the ledger before it exists.
Read `stack_template.py` first, then `appliance_instance.py`.
"""
