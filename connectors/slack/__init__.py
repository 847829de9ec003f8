"""Slack: messages with buttons to people and channels, their answers, and the people."""
