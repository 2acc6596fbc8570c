"""CloudFormation of the lab: stacks that take time, that fail and roll back, and whose resources are whole.

moto makes a stack at once, skips what it does not know and forgets half of a resource's properties. This room gives
stacks the states that waiters wait for, refuses types that are not there, and completes the types that the product's
templates have.

It must never know a template of the product: what is made here is what the template says.

Read `lab_stack.py` first: the life of a stack. Then `resources.py`: which types are completed, and by what.
"""
