"""What processes say to each other, and the documents that people write: server, appliance and worker, versioned.

The words are the dataclasses of `domain/`; here stands how they become JSON and back, what a policy document looks
like, and the messages that have no home in the domain. It must never know a transport: no HTTP, no queue, no file.

Read `encoding.py` first, then `appliance_answers.py`.
"""
