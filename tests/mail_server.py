"""A mail house for tests: Dovecot keeps the mailboxes, Exim takes mail in and delivers it.

Both come from the system's packages and run as they do elsewhere, with passwords and TLS, on
loopback and in a folder of their own. Mail to an unknown mailbox is refused, so that it bounces.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DOVECOT, EXIM = "dovecot", "exim4"
PASSWORD = "mailbox-of-a-test"
PASSWORD_ENV = "MAIL_PASSWORD"
DAEMON = "nobody"
PATIENCE = 20.0
"""Seconds within which a server answers, and mail arrives."""


def missing() -> str | None:
    """Why there can be no such house here; None: there can."""
    absent = [name for name in (DOVECOT, EXIM) if _program(name) is None]
    if absent:
        return f"needs {' and '.join(absent)} (packages dovecot-imapd, exim4-daemon-light)"
    return None if os.geteuid() == 0 else "these servers change their user, so they need root"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass(frozen=True, slots=True)
class MailHouse:
    """Two servers, and the mailboxes behind them."""

    home: Path
    domain: str
    imap: int
    smtp: int
    authority: Path
    """The certificate that both servers show."""

    def connection(self, user: str = "hub", **changes: Any) -> dict[str, Any]:
        """The settings of a connection for one of the mailboxes."""
        address = f"{user}@{self.domain}"
        login = {
            "username": address,
            "password": f"env:{PASSWORD_ENV}",
            "ca_file": str(self.authority),
        }
        return {
            "connector": "email",
            "from_address": f"Process Hub <{address}>",
            "smtp": {"host": "localhost", "port": self.smtp, "security": "starttls", **login},
            "imap": {"host": "localhost", "port": self.imap, "security": "tls", **login},
            "sent_by_server": False,
            "plus_addresses": True,
            **changes,
        }

    def env(self) -> dict[str, str]:
        """The variables that `connection` names."""
        return {PASSWORD_ENV: PASSWORD}

    def post(self, message: EmailMessage | bytes, sender: str, to: Sequence[str]) -> None:
        """Hand mail in as another mail server does: nobody logs in, and any sender may be named.
        Mail for elsewhere is refused.
        """
        raw = message if isinstance(message, bytes) else bytes(message)
        with smtplib.SMTP("localhost", self.smtp, timeout=PATIENCE) as server:
            server.sendmail(sender, list(to), raw)

    def inbox(self, user: str) -> list[EmailMessage]:
        """What lies in somebody's mailbox, in the order in which it arrived."""
        box = self.home / "mail" / user
        found = [file for part in ("new", "cur") for file in (box / part).glob("*")]
        found.sort(key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [BytesParser(policy=default).parsebytes(file.read_bytes()) for file in found]

    def wait_for(self, user: str, count: int) -> list[EmailMessage]:
        """The same once so many have arrived; AssertionError if they do not."""
        until = time.monotonic() + PATIENCE
        while len(found := self.inbox(user)) < count:
            if time.monotonic() > until:
                raise AssertionError(f"{len(found)} of {count} messages arrived.\n{self.log()}")
            time.sleep(0.05)
        return found

    def empty(self) -> None:
        """Throw away all mail."""
        for box in (self.home / "mail").iterdir():
            shutil.rmtree(box)

    def log(self) -> str:
        """What the servers say of themselves, for a failure's message."""
        return "\n".join(
            file.read_text(errors="replace") for file in sorted((self.home / "log").glob("*"))
        )


@contextmanager
def mail_house(
    users: Sequence[str] = ("hub", "ann", "dana", "lee"), domain: str = "house.test"
) -> Iterator[MailHouse]:
    """Start both servers with a mailbox for each user; they are ended with the block."""
    home = Path(tempfile.mkdtemp(prefix="hub-mail-"))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        house = _furnish(home, users, domain)
        for line in (
            [str(_program(DOVECOT)), "-F", "-c", str(home / "dovecot.conf")],
            [str(_program(EXIM)), "-C", str(home / "exim.conf"), "-bdf", "-q1s"],
        ):
            servers.append(
                subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        _answers(house)
        yield house
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
        for server in servers:
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
        shutil.rmtree(home, ignore_errors=True)


def _furnish(home: Path, users: Sequence[str], domain: str) -> MailHouse:
    home.chmod(0o755)
    owner = pwd.getpwnam(DAEMON)
    for name in ("mail", "spool", "log", "run"):
        (home / name).mkdir()
        if name != "run":
            os.chown(home / name, owner.pw_uid, owner.pw_gid)
    certificate = _certificate(home)
    imap, smtp = _free_port(), _free_port()
    words: Mapping[str, object] = {
        "home": home,
        "domain": domain,
        "imap": imap,
        "smtp": smtp,
        "user": DAEMON,
        "uid": owner.pw_uid,
        "gid": owner.pw_gid,
        "password": PASSWORD,
        "users": " : ".join(users),
    }
    (home / "users").write_text("".join(f"{user}@{domain}:{{PLAIN}}{PASSWORD}\n" for user in users))
    (home / "dovecot.conf").write_text(_DOVECOT.format_map(words))
    (home / "exim.conf").write_text(_EXIM.format_map(words))
    return MailHouse(home, domain, imap, smtp, certificate)


_DOVECOT = """\
base_dir = {home}/run
log_path = {home}/log/dovecot
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = nogroup
default_login_user = {user}
ssl = required
ssl_cert = <{home}/certificate.pem
ssl_key = <{home}/key.pem
mail_location = maildir:{home}/mail/%n
first_valid_uid = 1
first_valid_gid = 1
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imap}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%n
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
"""

_EXIM = """\
exim_user = {user}
exim_group = nogroup
deliver_drop_privilege
spool_directory = {home}/spool
log_file_path = {home}/log/exim_%slog
pid_file_path = {home}/spool/exim.pid
primary_hostname = mail.{domain}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {smtp}
tls_advertise_hosts = *
tls_certificate = {home}/certificate.pem
tls_privatekey = {home}/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
host_lookup =
never_users =
acl_smtp_rcpt = take
acl_smtp_data = accept
domainlist ours = {domain}
keep_environment =
timeout_frozen_after = 1m

begin acl
take:
  accept authenticated = *
  accept domains = +ours
  deny message = this house relays for nobody

begin routers
mailbox:
  driver = accept
  domains = +ours
  local_parts = {users}
  local_part_suffix = +*
  local_part_suffix_optional
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {home}/mail/$local_part_data
  maildir_format
  create_directory
  user = {user}
  group = nogroup
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,1m,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth3}}{{{password}}}}}\
    {{match{{$auth2}}{{@{domain}\\$}}}}}}{{yes}}{{no}}}}
  server_set_id = $auth2
"""


def _certificate(home: Path) -> Path:
    """A certificate of the house for localhost, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = home / "certificate.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (home / "key.pem").write_bytes(private)
    owner = pwd.getpwnam(DAEMON)
    os.chown(home / "key.pem", owner.pw_uid, owner.pw_gid)
    (home / "key.pem").chmod(0o600)
    return certificate


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(house: MailHouse) -> None:
    """Wait until both servers greet; AssertionError if one does not."""
    trusted = ssl.create_default_context(cafile=str(house.authority))
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with smtplib.SMTP("localhost", house.smtp, timeout=5) as server:
                server.noop()
            with (
                socket.create_connection(("localhost", house.imap), 5) as plain,
                trusted.wrap_socket(plain, server_hostname="localhost") as line,
            ):
                if line.recv(200).startswith(b"* OK"):
                    return
        except OSError as error:
            if time.monotonic() > until:
                raise AssertionError(f"no mail server answers: {error}\n{house.log()}") from error
        time.sleep(0.05)
