"""Which row of a picture everything is drawn on."""

from math import inf

from dynamo.checker.lanes import ROWS_MAX, Happening, of_asides, of_operations
from dynamo.checker.operation import Op
from dynamo.checker.recorded import Aside
from tests.unit.checker.story import op


def of(process: str, index: int, called: float, returned: float = inf, outcome="ok") -> Op:
    made = op(index, "put", called, returned, written=index, outcome=outcome)
    made.process = process
    return made


def test_each_client_has_a_row_in_the_order_of_their_names():
    """Ten comes after two."""
    lanes = of_operations([of("c10", 1, 0, 1), of("c2", 2, 0, 1), of("c10", 3, 2, 3)])
    assert lanes.names == ["c2", "c10"]
    assert lanes.rows == {1: 1, 2: 0, 3: 1}


def test_a_client_that_asks_twice_at_once_has_two_rows():
    """Bars of a row never lie on each other; what never ended does not count as open."""
    lanes = of_operations([of("c", 1, 0, 5), of("c", 2, 1, 2), of("c", 3, 6, 7)])
    assert (lanes.names, lanes.rows) == (["c", "c (2)"], {1: 0, 2: 1, 3: 0})
    assert of_operations([of("c", 1, 0, outcome="unknown"), of("c", 2, 1, 2)]).names == ["c"]


def test_many_clients_that_followed_each_other_share_rows():
    """A hundred of them, two at a time, fit on two rows."""
    count = ROWS_MAX + 60
    lanes = of_operations([of(f"c{index}", index, index, index + 1.5) for index in range(count)])
    assert len(lanes.names) == 2
    assert lanes.names[0].startswith("c0, c2, c4")
    assert all(lanes.rows[index] == index % 2 for index in range(count))


def test_faults_have_a_beginning_and_an_end():
    """Two at the same time are on two rows, the next one takes the first row again; other remarks are moments."""
    events = [
        Aside(1, 1.0, "begins: cut"),
        Aside(2, 2.0, "begins: slow"),
        Aside(3, 3.0, "ends: cut"),
        Aside(4, 4.0, "begins: kill"),
        Aside(5, 5.0, "ends: slow"),
        Aside(6, 6.0, "ends: nothing that began"),
    ]
    assert of_asides(events) == [
        Happening(1, 3, "faults", "cut"),
        Happening(2, 5, "faults 2", "slow"),
        Happening(4, None, "faults", "kill"),
        Happening(6, None, "remarks", "ends: nothing that began"),
    ]
