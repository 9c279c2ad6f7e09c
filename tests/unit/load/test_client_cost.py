from dynamo.load.client_cost import RATES, measure


def test_the_generator_measures_itself():
    """As fast as it can first, then at fixed rates; the figures are of this machine and this moment."""
    fastest, *paced = measure(0.1)
    assert fastest.what == "as fast as it can"
    assert 5 < fastest.us < 400
    assert [cost.what for cost in paced] == [f"{rate:g}/s" for rate in RATES]
    assert all(cost.us > 0 for cost in paced)
