"""What a sink's answers have in common: errors of one change become its result, errors of the
connection are raised while nothing has been written, and batches keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.sdk.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectorError,
    NotFoundError,
    NotSentError,
    PayloadError,
    RateLimitError,
    RejectedError,
    TransientError,
)
from connectors.sdk.records import Change, Outcome, Result


def result_of(error: ConnectorError, change: Change, *, repeatable: bool = False) -> Result:
    """What an error means for the change whose write raised it.

    After a failure that may have come too late, a create is `unknown`. An update or delete is
    repeated: it says what shall be, not what shall be added; so is whatever is `repeatable`.
    """
    if isinstance(error, RateLimitError | NotSentError):
        return Result(Outcome.RETRY, message=str(error), retry_after=error.retry_after)
    if isinstance(error, TransientError | PayloadError):
        lost = change.op == "create" and not repeatable
        wait = error.retry_after if isinstance(error, TransientError) else None
        outcome = Outcome.UNKNOWN if lost else Outcome.RETRY
        return Result(outcome, message=str(error), retry_after=wait)
    if isinstance(error, NotFoundError):
        return Result(Outcome.MISSING, message=str(error))
    if isinstance(error, ConflictError):
        return Result(Outcome.CONFLICT, message=str(error))
    if isinstance(error, RejectedError):
        return Result(
            Outcome.REJECTED, message=str(error), field_errors=error.field_errors, code=error.code
        )
    return Result(Outcome.RETRY, message=str(error), code=error.code)


def push_each(
    changes: Sequence[Change],
    push_one: Callable[[Change], Result],
    *,
    repeatable: bool = False,
) -> list[Result]:
    """One write after the other, for vendors without a batch endpoint.

    AuthError, ConfigError and RateLimitError concern the connection: raised while nothing has been
    written, otherwise the rest is put off with the same reason. Every other error is the result of
    its change. `repeatable`: the vendor itself makes repeating a create harmless.
    """
    results: list[Result] = []
    for change in changes:
        try:
            results.append(push_one(change))
        except (AuthError, ConfigError, RateLimitError) as error:
            if not results:
                raise
            wait = error.retry_after if isinstance(error, RateLimitError) else None
            later = Result(Outcome.RETRY, message=str(error), retry_after=wait)
            return [*results, *[later] * (len(changes) - len(results))]
        except ConnectorError as error:
            results.append(result_of(error, change, repeatable=repeatable))
    return results
