"""Jira Cloud: issues, comments and people over REST v3, webhooks of both kinds."""
