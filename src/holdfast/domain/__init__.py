"""The rules: what a backup product decides, free of every machine it runs on.

Pure and immutable. What stands here gets facts handed in and answers with a decision, a value or an error; the same
input gives the same answer for ever. It must never know a file, a socket, a clock, a random number, a process, a
database or a cloud: the import contract in pyproject.toml refuses them.

Read `errors.py` first: the one tree of everything that can go wrong, with the cure that each error carries.
"""
