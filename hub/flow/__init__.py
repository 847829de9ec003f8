"""The way of data, one module per stage: intake, bring_in (normalize, merge), route, deliver; and
pull.

Each stage claims a batch, works outside the database, and commits what follows in one transaction.
"""
