"""What the webhook floor is handed: connections, an inbox, and somebody to tell of refusals."""
