import sys

from tests.counts.counter import Count

STEPS = 100


def place_of_this(file: str) -> str:
    return "counts/test_counter.py" if file == __file__ else ""


def quick(steps: int) -> int:
    total = 0
    for number in range(steps):
        total += number
    return total


def slow(steps: int) -> int:
    total = 0
    for number in range(steps):
        total += number
        total += 0
    return total


def counting(steps: int):
    for number in range(steps):
        yield abs(number)


def total(function, *arguments) -> tuple[int, int]:
    with Count(place_of_this) as count:
        function(*arguments)
    return sum(count.steps.values()), sum(count.calls.values())


def test_every_instruction_is_counted():
    """A hundred more turns of a loop cost a hundred times what one turn costs."""
    one, many = total(quick, STEPS)[0], total(quick, 2 * STEPS)[0]
    a_turn = total(quick, 1)[0] - total(quick, 0)[0]
    assert many - one == STEPS * a_turn > 0


def test_a_count_repeats():
    """Also once the interpreter has specialised the code."""
    assert len({total(quick, STEPS) for _ in range(20)}) == 1


def test_a_slower_function_counts_more():
    assert total(slow, STEPS)[0] > 1.2 * total(quick, STEPS)[0]


def test_calls_into_c_are_counted_with_their_caller():
    """Also of a generator, each time that it is resumed."""
    with Count(place_of_this) as count:
        list(counting(STEPS))
    assert count.calls["counts/test_counter.py", "counting"] == STEPS


def test_what_has_no_place_is_not_counted():
    """Whatever it does; what it calls may be."""
    with Count(lambda _: "") as count:
        quick(STEPS)
    assert count.steps == {}


def test_whoever_traced_before_does_so_again():
    """A debugger or a coverage tool goes on behind the block, also after an error in it."""

    def tracer(frame, event, arg):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with Count(place_of_this):
            quick(1)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert sys.getprofile() is None
