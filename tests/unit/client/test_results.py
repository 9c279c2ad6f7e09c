from dynamo.client.results import ConnectionLost, Missing, NodeUnreachable, OutcomeUnknown, Value, context_of
from dynamo.errors import CATALOGUE, Applied


def test_seen_may_be_a_result_or_a_token():
    """Whatever carries a context can be handed to a write."""
    assert context_of(None) is None
    assert context_of("token") == "token"
    assert context_of(Value(bucket="b", key=b"k", value=b"", context="c")) == "c"
    assert context_of(Missing(bucket="b", key=b"k")) is None


def test_the_clients_own_errors_say_what_is_known():
    """Nothing sent, or unknown; and no node can answer with them."""
    assert NodeUnreachable("x").applied is Applied.NO
    assert OutcomeUnknown("x").applied is ConnectionLost("x").applied is Applied.UNKNOWN
    assert not {NodeUnreachable.code, OutcomeUnknown.code, ConnectionLost.code} & set(CATALOGUE)
