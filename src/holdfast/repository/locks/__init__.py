"""What is locked by its own PUT, and until when (ordering rule 9.1). It must never decide which points are kept: a
promise is given by whoever backs up. Read `terms.py` first; locks are renewed in `repository/renewal`.
"""
