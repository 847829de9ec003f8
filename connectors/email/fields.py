"""The fields of a message, the same in every account."""

from __future__ import annotations

from connectors.sdk import Field

FIELDS = (
    Field("message_id", "text", "Message-ID", writable=False),
    Field("from", "user", "From", writable=False),
    Field("from_name", "text", "Sender's name", writable=False),
    Field("to", "list", "To", required=True),
    Field("cc", "list", "Cc"),
    Field("subject", "text", "Subject"),
    Field("text", "text", "Text"),
    Field("html", "text", "HTML (only when sending)"),
    Field("reply", "text", "Text without quotes and signature", writable=False),
    Field("in_reply_to", "text", "Message-ID of the mail it answers"),
    Field("references", "list", "Message-IDs of the thread"),
    Field("reply_to", "list", "Where answers go (only when sending)"),
    Field("tag", "text", "Which question it is about, in our address behind a plus"),
    Field("headers", "object", "Further headers (only when sending)"),
    Field("date", "datetime", "Date the sender claims", writable=False),
    Field("received_at", "datetime", "When the server received it", writable=False),
    Field("auto_submitted", "boolean", "Sent by a machine", writable=False),
    Field("list_unsubscribe", "list", "Where a list is left", writable=False),
    Field("bounce", "object", "What a delivery report says", writable=False),
    Field("attachments", "list", "Attachments: id, name, type, size", writable=False),
    Field("flags", "list", "Flags: seen, answered, flagged …", writable=False),
    Field("mailbox", "text", "Folder", writable=False),
    Field("uid", "number", "UID in the folder", writable=False),
    Field("own", "boolean", "Our own message, come back", writable=False),
    Field("key", "text", "Our key, in our own messages", writable=False),
)
