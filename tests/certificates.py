"""A certificate authority for one test run, made with the `openssl` program (Debian package openssl)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from dynamo.config import TlsSection

OPENSSL = shutil.which("openssl")
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Issues certificates that are good for a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "authority.pem"
        self._run(
            "req", "-x509", *KEY, "-days", "1", "-subj", "/CN=authority", "-out", self.ca_file, "-keyout", self._ca_key
        )

    @property
    def _ca_key(self) -> Path:
        return self._folder / "authority.key"

    def issue(self, node: str) -> TlsSection:
        """A section with files for that node; the name stands in the certificate as DNS name."""
        cert, key = self._folder / f"{node}.pem", self._folder / f"{node}.key"
        request, names = self._folder / f"{node}.csr", self._folder / f"{node}.ext"
        names.write_text(f"subjectAltName=DNS:{node}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._run("req", "-new", *KEY, "-subj", "/CN=whatever", "-out", request, "-keyout", key)
        signed_by = ("-CA", self.ca_file, "-CAkey", self._ca_key, "-CAcreateserial")
        self._run("x509", "-req", "-in", request, *signed_by, "-days", "1", "-extfile", names, "-out", cert)
        return TlsSection(enabled=True, cert_file=str(cert), key_file=str(key), ca_file=str(self.ca_file))

    def _run(self, *arguments: str | Path) -> None:
        assert OPENSSL is not None
        done = subprocess.run([OPENSSL, *arguments], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
