from dynamo.growth import axes


def test_the_store_is_followed_as_far_as_is_asked():
    """Ten million keys only if somebody wants to wait for them; other axes are followed to their end."""
    assert axes.sizes(axes.KEYS, axes.KEYS_MAX) == [10_000, 100_000, 1_000_000]
    assert axes.sizes(axes.KEYS, 10**7)[-1] == 10**7
    assert axes.sizes(axes.NODES, 10_000) == [3, 5, 7, 9]


def test_axes_go_upwards():
    """Stages of the growing store rely on it, and so do verdicts: the last two sizes are the largest."""
    for axis in axes.AXES.values():
        assert list(axis.sizes) == sorted(set(axis.sizes))
