"""GitHub issues and their comments: pull, push, webhook and a sandbox."""
