import socket
import threading

from dynamo.cli.probe import Reply, fetch


def test_silence_is_status_0():
    """A closed port, a port that says nothing, one that speaks something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert fetch("127.0.0.1", port, "/readyz", 0.1).status == 0

        def answer() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"SSH-2.0\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert fetch("127.0.0.1", port, "/readyz", 1.0).status == 0
        thread.join()
    reply = fetch("127.0.0.1", port, "/readyz", 1.0)
    assert reply.status == 0
    assert reply.text


def test_a_document_is_an_object_or_nothing():
    """No caller has to look twice."""
    assert Reply(200, '{"a": 1}').document == {"a": 1}
    assert Reply(200, "[1]").document == Reply(200, "oops").document == {}
