"""All SQL of the hub: one module per aggregate, over one schema, on SQLite and PostgreSQL alike.

Functions take an open connection (a transaction of `Database.write` or a snapshot of
`Database.read`), work on sets of
rows and never talk to a network. What differs by dialect stands in `dialect`.
"""
