import asyncio
import ssl
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from dynamo.config import TlsSection
from dynamo.config_load import load
from dynamo.errors import ConfigError
from dynamo.protocol.codec import MAGIC, Hello, encode_greeting
from dynamo.protocol.messages import Fetch, Fetched, Store
from dynamo.transport.tls import client_context, server_context
from tests.certificates import OPENSSL, Authority
from tests.unit.transport.wire import QUICK, Inbox, Receiver, until


@pytest.fixture(scope="session")
def sections(authority: Authority) -> dict[str, TlsSection]:
    return {node: authority.issue(node) for node in ("node1", "node2", "node3")}


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> TlsSection:
    """A certificate of the right name from somebody else's authority."""
    return Authority(tmp_path_factory.mktemp("foreign")).issue("node2")


def echo(message):
    return Fetched(message.record if isinstance(message, Store) else message.key)


async def test_two_nodes_talk(cluster, sections):
    """In TLS 1.3, a large value included."""
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]))
    peers = await cluster.peers(listener.port, tls=client_context(sections["node2"]))
    await until(lambda: peers.is_up("node1"))
    transport = peers._links["node1"].connection._transport
    assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
    receiver = Receiver()
    record = bytes(range(256)) * 32768
    peers.send("node1", Store("b", b"k", record), time.monotonic() + 20, "", receiver)
    await until(lambda: receiver.told)
    assert receiver.told == [Fetched(record)]


async def test_a_tick_is_one_frame_here_too(cluster, sections):
    """Batching does not depend on what lies under it."""
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]))
    peers = await cluster.peers(listener.port, tls=client_context(sections["node2"]))
    await until(lambda: peers.is_up("node1"))
    receivers = [Receiver() for _ in range(50)]
    for receiver in receivers:
        peers.send("node1", Fetch("b", b"k"), time.monotonic() + 5, "", receiver)
    await until(lambda: all(receiver.told for receiver in receivers))
    assert listener.statistics().peers["node2"].frames_in == 1


async def test_a_member_cannot_speak_for_another(cluster, sections, events):
    """Node3's certificate does not open the door to somebody who says that he is node2."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox, tls=server_context(sections["node1"]))
    peers = await cluster.peers(listener.port, node="node2", tls=client_context(sections["node3"]), timings=QUICK)
    await until(lambda: listener.statistics().handshakes_refused > 0)
    assert not peers.is_up("node1")
    assert any("claimed=node2 reason=the certificate does not carry the name 'node2'" in line for line in events())


async def test_a_refused_member_that_does_not_hang_up_holds_up_no_stop(cluster, sections):
    """Its connection is closing already, and is given up after a while like any other."""
    timings = msgspec.structs.replace(QUICK, handshake_s=20.0, close_s=0.05)
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]), timings=timings)
    peer = await cluster.raw(listener.port, ssl=client_context(sections["node2"]), server_hostname="node1")
    peer.stop_reading()
    peer.write(encode_greeting(Hello(MAGIC, 1, 1, "other", "node2", "0000000a", 1)))
    await until(lambda: listener.statistics().handshakes_refused == 1)
    (connection,) = listener._connections
    held = connection._transport.get_extra_info("socket")
    await listener.stop()
    await until(lambda: held.fileno() < 0)
    peer.abort()


async def test_a_listener_under_another_name_is_left(cluster, sections):
    """Who answers must show the certificate of the node that was asked for."""
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node3"]))
    peers = await cluster.peers(listener.port, tls=client_context(sections["node2"]), timings=QUICK)
    await until(lambda: peers.statistics()["node1"].attempts_failed > 1)
    assert "certificate is not valid for 'node1'" in peers._links["node1"]._told
    assert listener.statistics().peers == {}


async def test_a_certificate_of_another_authority_is_refused(cluster, sections, foreign):
    """On either side; nothing that came is handed to the node."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox, tls=server_context(sections["node1"]))
    peers = await cluster.peers(listener.port, tls=client_context(foreign), timings=QUICK)
    trusting = client_context(msgspec.structs.replace(foreign, ca_file=sections["node1"].ca_file))
    other = await cluster.peers(listener.port, tls=trusting, timings=QUICK)
    for each in (peers, other):
        await until(lambda each=each: each.statistics()["node1"].attempts_failed > 1)
        assert not each.is_up("node1")
    assert listener.statistics().peers == {}


async def test_without_a_certificate_nobody_gets_in(cluster, sections):
    """Encryption alone is not enough."""
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(sections["node1"].ca_file)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context, server_hostname="node1")
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.transport.abort()
    assert listener.statistics().peers == {}


async def test_plain_and_tls_do_not_mix(cluster, sections):
    """In neither direction, and neither side hangs or crashes on it."""
    secured = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]))
    plain = await cluster.listener(Inbox(echo))
    one = await cluster.peers(secured.port, timings=QUICK)
    two = await cluster.peers(plain.port, tls=client_context(sections["node2"]), timings=QUICK)
    for peers in (one, two):
        await until(lambda peers=peers: peers.statistics()["node1"].attempts_failed > 1)
        assert not peers.is_up("node1")
    assert plain.statistics().handshakes_bad > 0


async def test_older_versions_are_not_spoken(cluster, sections):
    """TLS 1.3 is the lowest on both sides."""
    listener = await cluster.listener(Inbox(echo), tls=server_context(sections["node1"]))
    context = client_context(sections["node2"])
    assert context is not None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    peers = await cluster.peers(listener.port, tls=context, timings=QUICK)
    await until(lambda: peers.statistics()["node1"].attempts_failed > 1)
    assert listener.statistics().peers == {}


@pytest.mark.parametrize("build", [server_context, client_context])
def test_off_means_no_context(build):
    """The default."""
    assert build(TlsSection()) is None


@pytest.mark.parametrize("field", ["cert_file", "key_file", "ca_file"])
@pytest.mark.parametrize("build", [server_context, client_context])
def test_a_file_that_cannot_be_used_is_an_error_of_the_configuration(sections, tmp_path: Path, build, field: str):
    """Missing or no PEM: the error names the file and the setting, before anything listens."""
    junk = tmp_path / "junk"
    junk.write_text("no certificate")
    for path in (str(tmp_path / "missing"), str(junk)):
        with pytest.raises(ConfigError) as caught:
            build(msgspec.structs.replace(sections["node1"], **{field: path}))
        assert path in caught.value.detail
        assert f"tls.{field}" in caught.value.detail


def test_an_encrypted_key_is_an_error_not_a_question(sections, tmp_path: Path):
    """A server has no terminal to ask for a password on."""
    assert OPENSSL is not None
    key = tmp_path / "encrypted.key"
    arguments = ["ec", "-in", sections["node1"].key_file, "-aes128", "-passout", "pass:secret", "-out", str(key)]
    subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=30)
    with pytest.raises(ConfigError, match="encrypted"):
        server_context(msgspec.structs.replace(sections["node1"], key_file=str(key)))


@pytest.mark.parametrize("missing", ["cert_file", "key_file", "ca_file"])
def test_tls_without_its_files_is_an_error_of_the_configuration(missing: str):
    """Found when the settings are read, by name."""
    files = {"cert_file": "c", "key_file": "k", "ca_file": "a"}
    text = "\n".join(["[tls]", "enabled = true", *(f'{name} = "{file}"' for name, file in files.items())])
    assert load(None, {}, text=text).tls == TlsSection(enabled=True, **files)
    with pytest.raises(ConfigError, match=f"tls.{missing}"):
        load(None, {}, text=text, flags=[f"tls.{missing}="])
