import asyncio

from dynamo.node.asking import ask
from dynamo.ports import Receiver
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Message, Ping, Pong


class Scripted:
    """Peers whose answers are given by the test, each on a later tick."""

    def __init__(self, **answers: Message | PeerError) -> None:
        self._answers = answers
        self.asked: list[tuple[str, Message, float, str]] = []

    def is_up(self, peer: str) -> bool:
        return True

    def send(self, peer: str, message: Message, deadline: float, trace: str, receiver: Receiver) -> None:
        self.asked.append((peer, message, deadline, trace))
        answer = self._answers[peer]
        if isinstance(answer, PeerError):
            asyncio.get_running_loop().call_soon(receiver.on_failure, peer, answer)
        else:
            asyncio.get_running_loop().call_soon(receiver.on_reply, peer, answer)


async def test_everyone_is_asked_and_waited_for():
    """Answers and failures alike, by node."""
    failure = PeerError(PeerFailure.TIMEOUT)
    peers = Scripted(a=Pong(), b=failure, c=Pong())
    assert await ask(peers, ["c", "a", "b"], Ping(), 5.0, "t") == {"a": Pong(), "b": failure, "c": Pong()}
    assert peers.asked == [(node, Ping(), 5.0, "t") for node in ("c", "a", "b")]


async def test_nobody_to_ask():
    """A cluster of one does not wait."""
    assert await ask(Scripted(), [], Ping(), 5.0) == {}


async def test_answers_that_come_after_it_was_given_up():
    """Whoever asked has been cancelled: late answers hurt nobody."""
    peers = Scripted(a=Pong())
    asking = asyncio.ensure_future(ask(peers, ["a"], Ping(), 5.0))
    await asyncio.sleep(0)
    asking.cancel()
    assert await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)
