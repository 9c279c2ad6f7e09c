"""What lies on the disks, as the chaos run looks at it while nodes lose them."""

from pathlib import Path

import lmdb
import pytest

from dynamo.storage import at_rest
from tests.chaos import stores


def test_a_disk_that_is_lost_while_it_is_read_is_empty(tmp_path, monkeypatch):
    """Between the look whether there is a store, and the store's opening. An error of one that is there is told."""

    def lost(data: Path) -> None:
        raise lmdb.Error(f"{data}: No such file or directory")

    monkeypatch.setattr(at_rest, "content", lost)
    assert stores.content(tmp_path) == stores.Content()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").touch()
    with pytest.raises(lmdb.Error):
        stores.content(tmp_path)
