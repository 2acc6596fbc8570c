"""The AWS plug-in: a stack for a server, appliances on EC2, and what they know kept in step.

It imports `holdfast.plugin_api`, `holdfast.aws`, `holdfast.rest.client` and the words that these speak in; it must
never know the server from within, nor keep a state of its own. Read `plugin.py` first.
"""
