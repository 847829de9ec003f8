"""Acme Desk as a connector of Process Hub: tickets and their comments, both ways."""
