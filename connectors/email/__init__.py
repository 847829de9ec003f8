"""Mail: sends through any submission server (SMTP), reads any mailbox (IMAP)."""
