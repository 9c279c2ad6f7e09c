from tests.profile.stacks import Frame, read

NAMES = b"=0\ta.py\tmain\n=1\tb.py\tKind.work\n"
MAIN, WORK = Frame("a.py", "main"), Frame("b.py", "Kind.work")


def test_a_line_is_a_stack():
    """Outermost first; an empty one was outside of all Python."""
    assert read(NAMES + b"0 1\n\n0\n") == [(MAIN, WORK), (), (MAIN,)]


def test_samples_before_the_beginning_are_left_out():
    """Names are kept, wherever they were told."""
    early = NAMES + b"0\n0 1\n"
    assert read(early + b"0 1\n", len(early)) == [(MAIN, WORK)]


def test_a_function_may_be_named_late():
    assert read(b"=0\ta.py\tmain\n0\n=1\tb.py\tKind.work\n0 1\n") == [(MAIN,), (MAIN, WORK)]


def test_nothing_was_noted():
    assert read(b"") == []


def test_names_may_have_any_letters():
    """Where a sample begins is counted in bytes."""
    early = "=0\t/größe/a.py\tmain\n0\n".encode()
    assert read(early + b"0\n", len(early)) == [(Frame("/größe/a.py", "main"),)]
