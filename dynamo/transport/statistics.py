"""What each end of the wire counts, as plain integers that grow; a reader takes differences."""

from __future__ import annotations

import msgspec

from dynamo.protocol.effects import PeerFailure


class Traffic(msgspec.Struct):
    """One direction of asking: frames, messages and bytes, over all connections so far."""

    frames_in: int = 0
    frames_out: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    frames_bad: int = 0
    """Connections closed for a frame that was too large or could not be read."""


class LinkStatistics(Traffic):
    """This node asks, the peer answers."""

    connects: int = 0
    """Handshakes that succeeded; the first is the start, every further one a reconnect."""
    attempts_failed: int = 0
    """Times that nobody was reached, or the handshake failed."""
    down: int = 0
    """Sends that failed because nothing could be sent."""
    lost: int = 0
    """Sends whose connection broke."""
    timeout: int = 0
    refused: int = 0
    late_replies: int = 0
    """Answers to requests that had already failed."""
    is_up: bool = False
    in_flight: int = 0
    queued_bytes: int = 0
    """Waiting in this process because the peer takes no more."""
    incarnation: str = ""
    """The peer's, as of the last handshake."""
    epoch: int = 0
    """The peer's, as of the last handshake."""

    def count(self, failure: PeerFailure) -> None:
        if failure is PeerFailure.DOWN:
            self.down += 1
        elif failure is PeerFailure.LOST:
            self.lost += 1
        elif failure is PeerFailure.TIMEOUT:
            self.timeout += 1
        else:
            self.refused += 1


class InboundStatistics(Traffic):
    """A peer asks, this node answers."""

    connects: int = 0
    is_up: bool = False
    expired: int = 0
    """Requests that were worth nothing any more when they arrived."""
    handler_failures: int = 0
    """Requests whose handler raised."""


class ListenerStatistics(msgspec.Struct):
    """The listener as a whole."""

    peers: dict[str, InboundStatistics]
    connections_accepted: int = 0
    connections_unidentified: int = 0
    """Open now, handshake not finished."""
    handshakes_refused: int = 0
    """Told why not."""
    handshakes_bad: int = 0
    """Closed without a word: too slow, too large, or not this protocol; includes those over the limit of strangers."""
