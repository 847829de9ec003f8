"""Mails that the sandbox writes by itself."""

from __future__ import annotations

import email.utils

MORNING = (
    (
        "Ann Berger <ann@customer.test>",
        "Delivery 4711 is incomplete",
        "Good morning,\n\nof the twelve boxes only eleven came. Where is the last?\n\nAnn Berger",
    ),
    ("Bob Caduff <bob@supplier.test>", "Offer for the racks", "The offer follows tomorrow. Bob"),
    ("ann@customer.test", "Re: Delivery 4711 is incomplete", "It has just arrived, thank you!"),
)


def report(account: str, recipient: str, raw: bytes) -> bytes:
    """A delivery status notification (RFC 3464) about a mail to a recipient who is not there."""
    headers = raw.partition(b"\r\n\r\n")[0]
    host = "mail.hub.test"
    boundary = "=_report"
    lines = (
        f"Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@{host}>\nTo: {account}\n"
        f"Subject: Undelivered Mail Returned to Sender\nDate: {email.utils.formatdate()}\n"
        f"Message-ID: {email.utils.make_msgid(domain=host)}\nAuto-Submitted: auto-replied\n"
        f"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n"
        f' boundary="{boundary}"\n\n--{boundary}\nContent-Type: text/plain\n\n'
        f"Your message to <{recipient}> could not be delivered: user unknown.\n\n"
        f"--{boundary}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\n"
        f"--{boundary}\nContent-Type: text/rfc822-headers\n\n"
    )
    end = f"\n\n--{boundary}--\n"
    return lines.replace("\n", "\r\n").encode() + headers + end.replace("\n", "\r\n").encode()
