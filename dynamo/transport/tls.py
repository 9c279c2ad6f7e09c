"""TLS between nodes: version 1.3, both sides show a certificate of the cluster's own authority.

The certificate's DNS name (subjectAltName) must be the node's id; the handshake checks it on both sides. A certificate
that names its uses needs both, server and client authentication, as every node is both.
"""

from __future__ import annotations

import ssl

from dynamo.config import TlsSection
from dynamo.errors import ConfigError


def server_context(tls: TlsSection) -> ssl.SSLContext | None:
    """For the listener; None where TLS is off. Raises ConfigError if a file cannot be used."""
    return _context(ssl.PROTOCOL_TLS_SERVER, tls)


def client_context(tls: TlsSection) -> ssl.SSLContext | None:
    """For `TcpPeers`; None where TLS is off. Raises ConfigError if a file cannot be used."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, tls)


def _context(side: int, tls: TlsSection) -> ssl.SSLContext | None:
    if not tls.enabled:
        return None
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(tls.ca_file)
    except OSError as problem:  # ssl.SSLError is one
        raise ConfigError(f"tls.ca_file {tls.ca_file!r} cannot be used: {problem}") from problem
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except OSError as problem:
        raise ConfigError(f"tls.cert_file {tls.cert_file!r} with tls.key_file {tls.key_file!r}: {problem}") from problem
    return context


def _no_password() -> str:
    """An encrypted key must be an error, not a question on a terminal that nobody watches."""
    raise ConfigError("tls.key_file is encrypted; give one that is not, readable by this node's user only")
