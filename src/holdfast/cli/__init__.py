"""The `holdfast` program: what a person types becomes a call, what comes of it becomes a table, JSON or YAML.

One file per noun. It must never know how a repository, a cloud or a lab works: it loads a composition root of
`holdfast.wiring` when a command is called, and nothing heavy before, so that `holdfast --help` is quick. Standard
output holds one document or nothing; progress, notes and errors go to standard error.

Read `main.py` first: the nouns, the exit codes, and how an error is shown.
"""
