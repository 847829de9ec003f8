"""Redmine as a connector of Process Hub: issues and their notes both ways, and the people."""
