from dynamo.growth.sampled_keys import SampledKeys, Values, key_name
from dynamo.workload.keys import KeySpace


def test_a_small_store_is_its_own_sample():
    """All of its keys, named as everywhere, each with the value that the store was filled with."""
    keys = SampledKeys(seed=3, count=50, value_bytes=20)
    assert keys.keys == KeySpace(3, 50, 20).keys
    assert keys.values == [Values(3, 20).of(number) for number in range(50)]


def test_a_large_store_is_sampled_evenly():
    """From its first key to near its last one, none twice, in an order that is not theirs."""
    keys = SampledKeys(seed=3, count=10**7, value_bytes=4, sample_max=1000)
    numbers = [int(key.removeprefix("key-")) for key in keys.keys]
    assert numbers == [10_000 * place for place in range(1000)]
    (order,) = keys.shares(1)
    assert sorted(order) == list(range(1000))
    assert order != sorted(order)
    assert keys.values[7] == Values(3, 4).of(70_000)


def test_values_are_of_their_size_and_differ():
    """Also the one that lies at the end of the pool; the same seed gives the same."""
    values = Values(1, 2**16)
    found = [values.of(number) for number in range(200)]
    assert {len(value) for value in found} == {2**16}
    assert len(set(found)) == 200
    assert Values(1, 2**16).of(11) == found[11] != Values(2, 2**16).of(11)
    assert key_name(12) == "key-00000012"
