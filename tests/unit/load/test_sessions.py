from dynamo.load.sessions import Sessions, broken


def test_a_user_is_owed_what_was_read_and_written():
    """By that user, of that key; the latest counts."""
    sessions = Sessions(10)
    sessions.has_read(3, 7, 2.0)
    sessions.has_written(3, 7, 5.0)
    sessions.has_read(3, 7, 1.0)
    assert sessions.floors(3, 7) == (2.0, 5.0)
    assert sessions.floors(4, 7) == sessions.floors(3, 8) == (0.0, 0.0)


def test_what_breaks_a_promise():
    """Something that was over before what was read, or written, had begun."""
    assert broken((2.0, 5.0), 1.0) == (True, True)
    assert broken((2.0, 5.0), 3.0) == (False, True)
    assert broken((2.0, 5.0), 6.0) == (False, False)
    assert broken((0.0, 0.0), 0.0) == (False, False)


def test_the_longest_unused_is_forgotten():
    """Memory is bounded, and nothing is held against what was forgotten."""
    sessions = Sessions(10, remembered=3)
    for key in range(4):
        sessions.has_read(0, key, 1.0)
    assert [sessions.floors(0, key)[0] for key in range(4)] == [0.0, 1.0, 1.0, 1.0]
