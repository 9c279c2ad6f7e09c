import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.report.axes import Even, Log, Nines, log_around

VALUES = st.floats(0, 1e6, allow_nan=False)


@given(st.sampled_from([Even(0, 10), Log(0.1, 1000), Nines()]), VALUES)
def test_a_place_is_on_the_axis(scale, value):
    """Whatever the value; what is beyond lies on the edge."""
    assert 0 <= scale.place(value if not isinstance(scale, Nines) else min(value, 1)) <= 1


def test_even_steps():
    """Ticks at round numbers."""
    scale = Even(0, 60, " s")
    assert scale.place(15) == 0.25
    assert [tick.text for tick in scale.ticks()] == ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]


def test_equal_ratios():
    """A decade is as long as the next one; of few decades the halves have ticks, too."""
    scale = Log(1, 100, " ms")
    assert scale.place(10) == pytest.approx(0.5)
    assert scale.place(0) == 0
    assert [tick.text for tick in scale.ticks()] == [f"{n} ms" for n in (1, 2, 5, 10, 20, 50, 100)]
    assert [tick.text for tick in Log(0.01, 1000).ticks()] == ["0.01", "0.1", "1", "10", "100", "1,000"]


def test_nines():
    """Each one is as far from the next; all of them is the end."""
    scale = Nines(5)
    assert [scale.place(share) for share in (0.0, 0.9, 0.99, 0.999)] == [
        0,
        pytest.approx(0.2),
        pytest.approx(0.4),
        pytest.approx(0.6),
    ]
    assert scale.place(1.0) == 1
    assert scale.ticks()[-1].text == "99.999 %"
    assert Nines(3).ticks()[-1].text == "99.9 %"


@given(st.lists(st.floats(0.001, 1e5), max_size=8))
def test_a_scale_around_values_holds_them(values):
    """None is on the edge by force, and the scale has a length."""
    scale = log_around(values, "", least=0.001)
    assert scale.begin < scale.end
    assert all(scale.begin * 0.999 <= value <= scale.end * 1.001 for value in values)
