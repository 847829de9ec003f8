"""Tables about connections: how each fares, what it is registered and agreed for, how far it was
pulled, and what it refused.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.store.metadata import metadata, position
from hub.store.types import Document, Moment

# what intake answered without a row in deliveries: the last of each connection and outcome
notices = sa.Table(
    "notices",
    metadata,
    position(),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("part", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("method", sa.String(20), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("remote", sa.String(64)),
    sa.Column("headers", Document, nullable=False),
)
sa.Index("ix_notices_connection", notices.c.connection, notices.c.outcome, notices.c.position)

# and how many there were in all; the connection is empty where an address named none
notice_counts = sa.Table(
    "notice_counts",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("outcome", sa.String(10), primary_key=True),
    sa.Column("code", sa.String(40), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("first_at", Moment, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
)

connections = sa.Table(
    "connections",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("status", sa.String(10), nullable=False, server_default="active"),
    sa.Column("reason", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Column("last_ok_at", Moment),
    sa.Column("changed_at", Moment),
    # the tool asked us to slow down until then
    sa.Column("limited_until", Moment),
    # its circuit is open: nothing is sent until then, and then one push tries; how often in a row
    sa.Column("open_until", Moment),
    sa.Column("trips", sa.Integer, nullable=False, server_default="0"),
    # somebody collects its deliveries as samples until then: they are stored, not processed
    sa.Column("capture_until", Moment),
)

# the newest OAuth tokens of a connection: a rotated refresh token exists nowhere else
vault = sa.Table(
    "vault",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
)

# agreements that a person has begun in a browser, by the hash of the state that comes back
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("state", sa.String(64), primary_key=True),
    sa.Column("connection", sa.String(100), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

# a connection's webhook registration at its vendor
subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("id", sa.Text),
    # where the vendor was told to send to, the token hidden; the hash tells whether that moved
    sa.Column("url", sa.Text),
    sa.Column("url_hash", sa.String(64)),
    # secrets that the vendor handed over, and when they last changed
    sa.Column("sealed", sa.Text),
    sa.Column("secret_at", Moment),
    sa.Column("since", Moment),
    sa.Column("expires_at", Moment),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    # a person was told that it does not work
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
    # the revision that last wanted it: its settings end it once the connection is gone
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", Moment, nullable=False),
    sa.Column("lease_until", Moment),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("cursor", Document, nullable=False),
    sa.Column("pulled_at", Moment),
    sa.Column("next_pull_at", Moment, nullable=False),
    sa.Column("lease_until", Moment),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    # a pull of everything, while one is under way: where it is, what it is as of, and how far
    sa.Column("full_cursor", Document),
    sa.Column("full_since", Moment),
    sa.Column("full_seen", sa.Integer, nullable=False, server_default="0"),
    # when the last one was over, and how many records there were
    sa.Column("full_at", Moment),
    sa.Column("total", sa.Integer),
    # a digest of the settings under which it showed all that is linked
    sa.Column("scope", sa.String(64)),
)

# what the pull of everything that is under way has seen: whatever is not among it may be gone
sightings = sa.Table(
    "sightings",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("external_id", sa.String(400), primary_key=True),
    sqlite_with_rowid=False,
)

# the fields that an account was last seen to have
schemas = sa.Table(
    "schemas",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    sa.Column("object", sa.String(100), primary_key=True),
    # those there are, and those that mappings still go by
    sa.Column("fields", Document, nullable=False),
    # what follows from the difference: fields in quarantine, what a person was told, what mends
    sa.Column("drift", Document, nullable=False),
    sa.Column("seen_at", Moment),
    sa.Column("changed_at", Moment, nullable=False),
    # when the account is asked again; who asks holds the lease
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("lease_until", Moment),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
)

# the users of tools, and who of our parties each is; without a party nobody knows
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("connection", sa.String(100), primary_key=True),
    # the user's record; of a mere name that a person knew: no object, and the name
    sa.Column("object", sa.String(100), primary_key=True),
    sa.Column("external_id", sa.String(400), primary_key=True),
    sa.Column("party", sa.String(40), index=True),
    # how we know: identities, email, external or person
    sa.Column("evidence", sa.String(12)),
    # what the tool's other records call them, and everything they are called there in lower case
    sa.Column("handle", sa.String(400), nullable=False),
    sa.Column("names", Document, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("email", sa.String(320)),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    # an address that speaks for somebody else: nobody until a person says
    sa.Column("disputed", sa.String(320)),
    # later with every change that is committed: whoever holds them in memory asks for what is newer
    sa.Column("changed_at", Moment, nullable=False, index=True),
)
