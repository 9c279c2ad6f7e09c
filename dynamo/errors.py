"""Layer 0. Every failure that a caller can meet, once, with what it means for the data.

Machines return these as values inside an outcome; the api turns them into an answer, the client back into an exception.
The split that matters is `applied`: `no` means nothing was or will be written, `unknown` means that it may still
appear. 503 is used when nothing was sent, 504 when something was sent and too little came back (the split that
Cassandra's users know as Unavailable and WriteTimeout).
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Applied(StrEnum):
    """Whether the operation changed the store."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class DynamoError(Exception):
    """Root of the tree. `detail` says what was wrong and what to do; `members` are extra fields of the answer."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    http_status: ClassVar[int] = 500
    applied: ClassVar[Applied] = Applied.NO
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None
    """Whole seconds after which another attempt makes sense; may differ from one error to the next."""

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Internal(DynamoError):
    """A bug of ours; the answer carries only a request id, the log has the rest."""

    applied = Applied.UNKNOWN
    retryable = True


class BadRequest(DynamoError):
    code = "bad-request"
    title = "Malformed request"
    http_status = 400


class InvalidParameter(DynamoError):
    """A parameter is unknown, unparsable, out of range, or contradicts another one."""

    code = "invalid-parameter"
    title = "Invalid parameter"
    http_status = 400


class BadContext(DynamoError):
    """A context token that is damaged, of another key, or of an unknown format."""

    code = "bad-context"
    title = "Causal context not usable"
    http_status = 400


class ConditionNeedsLinearizable(DynamoError):
    code = "condition-needs-linearizable"
    title = "Conditional writes need a linearizable bucket"
    http_status = 400


class KeyNotFound(DynamoError):
    code = "key-not-found"
    title = "No such key"
    http_status = 404


class BucketNotFound(DynamoError):
    code = "bucket-not-found"
    title = "No such bucket"
    http_status = 404


class RouteNotFound(DynamoError):
    code = "route-not-found"
    title = "No such resource"
    http_status = 404


class MethodNotAllowed(DynamoError):
    code = "method-not-allowed"
    title = "Method not allowed"
    http_status = 405


class NotAcceptable(DynamoError):
    code = "not-acceptable"
    title = "No representation that the client accepts"
    http_status = 406


class RequestTimeout(DynamoError):
    """The client did not send its body in time."""

    code = "request-timeout"
    title = "Request body came too slowly"
    http_status = 408
    retryable = True


class ModeConflict(DynamoError):
    code = "mode-conflict"
    title = "The bucket's mode does not allow this request"
    http_status = 409


class BucketExists(DynamoError):
    code = "bucket-exists"
    title = "The bucket exists with other fixed properties"
    http_status = 409


class TooManyBuckets(DynamoError):
    code = "too-many-buckets"
    title = "The cluster has its limit of buckets"
    http_status = 409


class BucketNotEmpty(DynamoError):
    code = "bucket-not-empty"
    title = "The bucket still has keys"
    http_status = 409


class SiblingsPresent(DynamoError):
    code = "siblings-present"
    title = "The key has concurrent values"
    http_status = 409


class NotAnInteger(DynamoError):
    """An integer was to be added to a value that is none, or the sum would be out of range."""

    code = "not-an-integer"
    title = "The value is no integer"
    http_status = 409


class TooManySiblings(DynamoError):
    code = "too-many-siblings"
    title = "The key has reached its limit of concurrent values"
    http_status = 409


class CalledOff(DynamoError):
    """Its client, or somebody who was in doubt about it, had the request called off before it took effect."""

    code = "called-off"
    title = "The request was called off"
    http_status = 409


class PreconditionFailed(DynamoError):
    code = "precondition-failed"
    title = "The condition does not hold"
    http_status = 412


class ValueTooLarge(DynamoError):
    code = "value-too-large"
    title = "Value too large"
    http_status = 413


class KeyTooLong(DynamoError):
    code = "key-too-long"
    title = "Key too long"
    http_status = 414


class UnsupportedMediaType(DynamoError):
    code = "unsupported-media-type"
    title = "Unsupported media type"
    http_status = 415


class IdempotencyMismatch(DynamoError):
    """The same Idempotency-Key came with another payload."""

    code = "idempotency-mismatch"
    title = "Idempotency key reused for another write"
    http_status = 422


class PreconditionRequired(DynamoError):
    code = "precondition-required"
    title = "This bucket wants a context on every write"
    http_status = 428


class HeadersTooLarge(DynamoError):
    code = "headers-too-large"
    title = "Header fields too large"
    http_status = 431


class QuorumUnavailable(DynamoError):
    """Too few replicas are known to be alive; nothing was sent."""

    code = "quorum-unavailable"
    title = "Too few replicas alive"
    http_status = 503
    retryable = True
    retry_after_s = 1


class Overloaded(DynamoError):
    code = "overloaded"
    title = "Overloaded"
    http_status = 503
    retryable = True
    retry_after_s = 1


class Draining(DynamoError):
    code = "draining"
    title = "The node is stopping"
    http_status = 503
    retryable = True
    retry_after_s = 1


class NotReady(DynamoError):
    code = "not-ready"
    title = "The node is not ready"
    http_status = 503
    retryable = True
    retry_after_s = 1


class StorageFull(DynamoError):
    """The map or the disk is full; reads go on."""

    code = "storage-full"
    title = "Storage full"
    http_status = 503
    retry_after_s = 30


class ReadTimeout(DynamoError):
    code = "read-timeout"
    title = "Too few replicas answered in time"
    http_status = 504
    retryable = True


class ContextNotReached(DynamoError):
    """No quorum answer was as new as the given context before the deadline."""

    code = "context-not-reached"
    title = "No answer as new as the context"
    http_status = 504
    retryable = True


class WriteTimeout(DynamoError):
    """Sent, but fewer than W acknowledgements came: the write may appear later."""

    code = "write-timeout"
    title = "Too few acknowledgements in time"
    http_status = 504
    applied = Applied.UNKNOWN
    retryable = True


class OutcomeForgotten(WriteTimeout):
    """So much came after the request that nobody can say whether it was applied. Asking again does not help."""

    code = "outcome-forgotten"
    title = "Outcome not known any more"
    http_status = 410
    retryable = False


class HintsPending(DynamoError):
    """A wait for hints ended before all of them were delivered."""

    code = "hints-pending"
    title = "Hints were not delivered in time"
    http_status = 504
    retryable = True


class CorruptValue(DynamoError):
    """Stored bytes fail their checksum or their format."""

    code = "corrupt-value"
    title = "Stored value damaged"
    http_status = 500


class ClockDrift(DynamoError):
    """A timestamp lies further ahead of the local clock than is allowed."""

    code = "clock-drift"
    title = "A clock is too far ahead"
    http_status = 503
    retryable = True
    retry_after_s = 1


class WrongEpoch(DynamoError):
    """The sender works with another topology than the receiver."""

    code = "wrong-epoch"
    title = "Another topology is in force"
    http_status = 503
    retryable = True
    retry_after_s = 1


class ConfigError(DynamoError):
    """Raised at start only; never an answer to a request."""

    code = "bad-config"
    title = "Configuration not usable"


class StorageRefused(DynamoError):
    """The data directory is damaged, foreign or in use (at start), or the store cannot be trusted any more (later)."""

    code = "storage-refused"
    title = "Data directory not usable"


def _tree(root: type[DynamoError]) -> dict[str, type[DynamoError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


CATALOGUE: dict[str, type[DynamoError]] = _tree(DynamoError)
"""Code to class, for turning an answer of a peer or of the HTTP API back into its error."""
CATALOGUE["internal"] = Internal


def from_code(code: str, detail: str, **members: object) -> DynamoError:
    """The error of that code; an unknown code (a newer peer) becomes `Internal`, whose outcome is unknown."""
    return CATALOGUE.get(code, Internal)(detail, **members)
