from dynamo.layout.keyspaces import Keyspace
from dynamo.node.audit_book import AuditBook
from tests.unit.node.world import Agenda, MemoryStorage


def test_progress_outlives_the_process():
    """A node that is restarted every day still comes to the end of a pass."""
    agenda = Agenda()
    storage = MemoryStorage(agenda.later)
    book = AuditBook(storage)
    book.load()
    book.begin(1000)
    book.reached(5)
    agenda.run()
    later = AuditBook(storage)
    later.load()
    assert (later.progress.next_partition, later.progress.began_ms, later.progress.finished_ms) == (5, 1000, 0)
    later.finish(2000)
    agenda.run()
    last = AuditBook(storage)
    last.load()
    assert (last.progress.next_partition, last.progress.finished_ms) == (0, 2000)


def test_a_damaged_note_costs_a_pass():
    """Not a start."""
    storage = MemoryStorage(Agenda().later)
    storage.durable[Keyspace.META][b"audit/progress"] = b"\x01damaged"
    book = AuditBook(storage)
    book.load()
    assert book.progress.next_partition == 0
