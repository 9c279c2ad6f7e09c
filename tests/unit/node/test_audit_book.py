from dynamo.layout.keyspaces import Keyspace
from dynamo.node.audit_book import AuditBook
from dynamo.node.quarantine import Quarantine
from dynamo.telemetry.metrics import Metrics
from tests.unit.node.world import START_MS, Agenda, ManualClock, MemoryStorage


def book_on(storage: MemoryStorage) -> AuditBook:
    clock = ManualClock()
    return AuditBook(storage, clock, Quarantine(storage, clock, Metrics([], "test")), 8)


def test_progress_outlives_the_process():
    """A node that is restarted every day still comes to the end of a pass."""
    agenda = Agenda()
    storage = MemoryStorage(agenda.later)
    book = book_on(storage)
    book.load()
    book.begin(1000)
    book.reached(5)
    agenda.run()
    later = book_on(storage)
    later.load()
    assert (later.progress.next_partition, later.progress.began_ms, later.progress.finished_ms) == (5, 1000, 0)
    later.finish(2000)
    agenda.run()
    last = book_on(storage)
    last.load()
    assert (last.progress.next_partition, last.progress.finished_ms) == (0, 2000)


def test_a_damaged_note_costs_a_pass():
    """Not a start."""
    storage = MemoryStorage(Agenda().later)
    storage.durable[Keyspace.META][b"audit/progress"] = b"\x01damaged"
    book = book_on(storage)
    book.load()
    assert book.progress.next_partition == 0


def test_status_says_how_it_stands():
    """The age of the last pass survives the process, the counts do not."""
    storage = MemoryStorage(Agenda().later)
    book = book_on(storage)
    assert (book.status().running, book.status().finished_age_s) == (False, None)
    book.ask()
    assert book.status().running
    book.asked, book.running = False, True
    book.begin(START_MS)
    book.reached(3)
    assert (book.status().partitions_done, book.status().partitions) == (3, 8)
    book.finish(START_MS - 5000)
    assert book.status().finished_age_s == 5.0
