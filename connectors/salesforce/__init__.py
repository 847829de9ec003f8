"""Salesforce: opportunities, tasks and users, by REST and by outbound messages."""
