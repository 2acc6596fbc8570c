"""IAM as AWS enforces it, before a request reaches any service of the lab.

A request becomes a principal (whose key signed it), one or more demands (action, resource, context keys), and each
demand a verdict by the policies that apply. The pure half (`policy.py`, `conditions.py`, `evaluator.py`) is AWS's
policy language and nothing else; the other half looks keys, roles and resources up in moto.

It must never know what a service does with a request, nor a repository or a plug-in: what is allowed here has to be
allowed in AWS.

Read `evaluator.py` first: who may do what. Then `gate.py`: what happens to a request. `demands.py` names, per service,
the tables from requests to actions and resources.
"""
