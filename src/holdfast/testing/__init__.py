"""What tests need, shipped with the product: fakes, contract suites and strategies.

Whoever writes an adapter of their own runs the same suites over it that the built-in ones must pass. No room may
import this one, and it must never know a real account or the network outside loopback.

Read `object_store_contract.py` first: the suite that every object store passes.
"""
