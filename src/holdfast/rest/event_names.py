"""Names of server-sent events that both sides know, apart from what sends them: a client needs no web framework."""

PROBLEM = "problem"
STILL_HERE = "still-here"
