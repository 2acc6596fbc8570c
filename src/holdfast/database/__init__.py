"""Records of appliance and server in SQL: SQLite in a file of their own, or any PostgreSQL, by the same statements.

One file for each port, tables in `tables.py`, migrations beside them, run whenever a database is opened. It must never
know a rule of the business beyond what its ports say (a final state is never left), nor open what comes in sealed.

Read `connection.py` first, then `tables.py`.
"""
