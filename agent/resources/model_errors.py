"""What a call of a model may end in: one tree of errors, whatever client library was used.

A connection maps the errors of its client library to these. They are outcomes of a call: a durable
call that raises one is done, and on record. Those that are temporary are tried again as a retry
policy says, not before ``retry_after``, where the service has named a time.
"""

from __future__ import annotations

from ..errors import RunError
from ..naming.public import public

__all__ = [
    "AuthFailed",
    "BadRequest",
    "BudgetExceeded",
    "ContextTooLong",
    "ModelError",
    "Overloaded",
    "RateLimited",
    "Unavailable",
]


@public
class ModelError(RunError):
    """A call of a model has failed.

    ``status`` is the HTTP status, None for none; ``retry_after`` the seconds to wait before another
    attempt, None if the service has named none; ``provider`` the service, as "openai";
    ``request_id`` its name for the request.
    """

    is_outcome = True

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        provider: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.provider = provider
        self.request_id = request_id


@public
class RateLimited(ModelError):
    """The service takes no more requests of this account for some time (status 429)."""

    is_temporary = True


@public
class Overloaded(ModelError):
    """The service has too much to do (status 503 or 529)."""

    is_temporary = True


@public
class Unavailable(ModelError):
    """The service cannot be reached, answers too late, or with a fault of its own (other 5xx)."""

    is_temporary = True


@public
class ContextTooLong(ModelError, ValueError):
    """The conversation is longer than the model takes."""


@public
class AuthFailed(ModelError):
    """The service does not accept the key, or the account may not use the model (401, 403)."""


@public
class BadRequest(ModelError, ValueError):
    """The service refuses the request: an unknown model, a bad argument (other 4xx)."""


@public
class BudgetExceeded(ModelError):
    """A budget of the configuration is used up: the call was not made."""
