import pytest
from aiohttp.test_utils import TestClient, TestServer

from dynamo.workload.bare_server import application, main


async def test_it_answers_the_same_bytes():
    """As the library's own response makes them, with its usual header."""
    async with TestClient(TestServer(application(b"x" * 100))) as client, client.get("/") as response:
        assert (response.status, await response.read()) == (200, b"x" * 100)
        assert response.headers["Content-Length"] == "100"


@pytest.mark.parametrize("arguments", [["port", "00"], ["1", "xyz"]])
def test_wrong_arguments_end_it(arguments: list[str]):
    """Before it listens anywhere."""
    with pytest.raises(ValueError, match=r"invalid literal|non-hexadecimal"):
        main(arguments)
