"""Who may do what: the IAM policies of appliances and workers, as functions of what they work on. No call is made.

Every action stands with the reason why it is there, and its resources are as exact as AWS allows. Where AWS knows none
for an action it is in the table `LIST_READS`, with what it shows. It must never know boto3.

Read `grants.py` first, then `appliance.py`.
"""
