"""One conversation with a submission server, cut into the stages that decide what a failure means.

Before the content is sent nothing has happened (`retry`); from its first byte until the answer to
its last the server may have accepted it (`unknown`).
"""

from __future__ import annotations

import smtplib
import ssl
from types import TracebackType

from connectors.email.config import SmtpConfig, check_security, tls_context
from connectors.email.message import Composed
from connectors.email.session import Access, Wire, tls_reason, xoauth2
from connectors.sdk import AuthError, ConfigError, NotSentError, Outcome, Result
from connectors.sdk.sockets import TimedSocket, secure

_LOST = (OSError, smtplib.SMTPServerDisconnected)  # smtplib's errors are OSErrors too


class _Smtp(smtplib.SMTP):
    """smtplib over a socket of ours."""

    sock: Wire | None

    def __init__(self, wire: Wire, host: str, domain: str) -> None:
        self._wire = wire
        super().__init__(host, 0, domain)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> Wire:
        return self._wire

    def hurry(self, until: float) -> None:
        """What follows ends at `until`."""
        if self.sock is not None:
            self.sock.until = until


class Submission:
    """A logged-in connection. `with Submission(config) as submission: submission.send(...)`.

    Opening raises AuthError, ConfigError, or NotSentError; sending gives a Result.
    """

    def __init__(self, config: SmtpConfig, domain: str, access: Access | None = None) -> None:
        """`domain` is what we greet with; asking the system for its name may take seconds."""
        self.config = config
        self.access = access or Access()
        self.domain = domain
        self.where = f"{config.host}:{config.port}"

    def __enter__(self) -> Submission:
        config = self.config
        check_security(config, "smtp")
        try:
            wire = self.access.connect(config, "smtp", tls=config.security == "tls")
        except ssl.SSLError as error:
            raise self._tls_error(error) from None
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            self.smtp = _Smtp(wire, config.host, self.domain)
        except _LOST as error:
            wire.close()
            raise self._unreachable(error) from None
        try:
            self._greet()
        except BaseException:
            self.smtp.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.smtp.hurry(self.access.until())
            self.smtp.quit()
        except (*_LOST, smtplib.SMTPException):
            self.smtp.close()

    def _greet(self) -> None:
        config = self.config
        try:
            self.smtp.ehlo_or_helo_if_needed()
            if config.security == "starttls":
                if not self.smtp.has_extn("starttls"):
                    raise ConfigError(
                        f"{self.where} does not offer STARTTLS. Nothing is sent in the clear: "
                        f"write smtp.security: tls with port 465, or ask who runs the server."
                    )
                self._start_tls()
            self.smtp.hurry(self.access.until())
            if self.access.oauth:
                if not self.access.sign_in(self._with_token):
                    raise AuthError(
                        f"{self.where} accepts no token for {config.username}. Allow the account "
                        f"to send by SMTP, and check auth.scope."
                    )
            elif config.username:
                self.smtp.login(config.username, config.password.get_secret_value())
        except smtplib.SMTPNotSupportedError:
            raise ConfigError(
                f"{self.where} offers no login. Leave smtp.username empty, or use the submission "
                f"port (587 or 465)."
            ) from None
        except smtplib.SMTPAuthenticationError as error:
            if 400 <= error.smtp_code < 500 and error.smtp_code != 432:
                raise self._unreachable(error) from None
            raise AuthError(
                f"{self.where} does not accept the password of {config.username}. Renew it (Gmail "
                f"and Microsoft 365 want an app password) and store it again."
            ) from None
        except UnicodeError:
            raise ConfigError(
                "smtp.username and smtp.password must be ASCII here; create an app password."
            ) from None
        except ssl.SSLError as error:
            raise self._tls_error(error) from None
        except (*_LOST, smtplib.SMTPException) as error:
            raise self._unreachable(error) from None

    def _start_tls(self) -> None:
        code, answer = self.smtp.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, answer)
        plain = self.smtp.sock
        assert isinstance(plain, TimedSocket)  # noqa: S101 - not inside TLS yet
        self.smtp.sock = secure(plain, tls_context(self.config, "smtp"), self.config.host)
        # whatever was said before TLS may be forged: smtplib forgets it too
        self.smtp.file = None
        self.smtp.helo_resp = self.smtp.ehlo_resp = None
        self.smtp.esmtp_features = {}
        self.smtp.does_esmtp = False
        self.smtp.ehlo()

    def _with_token(self, token: str) -> bool:
        """Whether the server lets this token in."""
        if "XOAUTH2" not in self.smtp.esmtp_features.get("auth", "").upper().split():
            raise ConfigError(
                f"{self.where} offers no sign-in by token (XOAUTH2). Leave auth out, and set "
                f"smtp.password."
            )
        said = [xoauth2(self.config.username, token)]
        try:
            # a refusal comes as a question first, which is answered with nothing
            self.smtp.auth("XOAUTH2", lambda challenge=None: said.pop() if said else "")
        except smtplib.SMTPAuthenticationError as error:
            if 400 <= error.smtp_code < 500:
                raise
            return False
        return True

    def _tls_error(self, error: ssl.SSLError) -> ConfigError:
        return ConfigError(
            f"No secure connection to {self.where}: {tls_reason(error)}. Check smtp.host, port and "
            f"security (465 is tls, 587 is starttls); for a company's own authority set "
            f"smtp.ca_file."
        )

    def _unreachable(self, error: Exception) -> NotSentError:
        return NotSentError(
            f"The submission server {self.where} cannot be used now ({_why(error)}). If this "
            f"stays, check smtp.host and smtp.port."
        )

    def send(self, message: Composed) -> Result:
        """Hand over one message to all of its recipients, or to none."""
        sent = False
        self.smtp.hurry(self.access.until())
        try:
            refused = self._address(message)
            if refused is None:
                code, answer = self.smtp.docmd("DATA")
                if code != 354:
                    refused = self._verdict(code, answer, "")
            if refused is not None:
                self._forget()
                return refused
            sent = True
            content = message.raw if message.raw.endswith(b"\r\n") else message.raw + b"\r\n"
            if content.startswith(b"."):
                content = b"." + content
            self.smtp.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            code, answer = self.smtp.getreply()
        except (*_LOST, smtplib.SMTPException) as error:
            self.smtp.close()
            if sent:
                return Result(
                    Outcome.UNKNOWN,
                    message=f"The connection to {self.where} was lost after the message was "
                    f"handed over ({_why(error)}); it may have been sent.",
                )
            return Result(Outcome.RETRY, message=str(self._unreachable(error)))
        if not 200 <= code < 600:
            self.smtp.close()
            return Result(Outcome.UNKNOWN, message=f"{self.where} gave no readable answer.")
        return self._verdict(code, answer, "")

    def _forget(self) -> None:
        """Makes room for the next message, or closes where the server wants no more."""
        try:
            if self.smtp.sock is not None and self.smtp.rset()[0] != 250:
                self.smtp.close()
        except (*_LOST, smtplib.SMTPException):
            self.smtp.close()

    @property
    def is_open(self) -> bool:
        """Whether another message can follow."""
        return self.smtp.sock is not None

    def _address(self, message: Composed) -> Result | None:
        """Sender and recipients; None if all are accepted."""
        options = []
        if message.utf8:
            if not self.smtp.has_extn("smtputf8"):
                return _rejected(
                    "to",
                    f"{self.where} cannot carry addresses with letters outside ASCII.",
                )
            options += ["SMTPUTF8", "BODY=8BITMIME"]
            self.smtp.command_encoding = "utf-8"
        if self.smtp.has_extn("size"):
            options.append(f"SIZE={len(message.raw)}")
        code, answer = self.smtp.mail(message.sender, options)
        if code != 250:
            return self._verdict(code, answer, "from_address")
        for recipient in message.recipients:
            code, answer = self.smtp.rcpt(recipient)
            if code not in (250, 251):
                return self._verdict(code, answer, "to", recipient)
        return None

    def _verdict(self, code: int, answer: bytes, field: str, about: str = "") -> Result:
        if 200 <= code < 300:
            return Result(Outcome.OK)
        said = f"{code} {answer.decode('utf-8', 'replace')}"[:300]
        text = f"{self.where} refused {about or 'the message'}: {said}"
        if 500 <= code < 600:
            return _rejected(field, text) if field else Result(Outcome.REJECTED, message=text)
        return Result(Outcome.RETRY, message=text)


def _rejected(field: str, text: str) -> Result:
    return Result(Outcome.REJECTED, message=text, field_errors={field: text})


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        if not 200 <= error.smtp_code < 600:
            return "what answers there does not speak SMTP"
        answer = error.smtp_error
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
        return f"{error.smtp_code} {text}"[:200]
    return (str(error) or type(error).__name__)[:200]
