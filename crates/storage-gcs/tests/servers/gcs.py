#!/usr/bin/env python3
"""An emulator of Google Cloud Storage: PyPI's, with what it lacks.

At HAUL_TEST_GCS any token, or none, is good. At HAUL_TEST_GCS_STRICT, where the same objects are, it takes one that was
given for the key file HAUL_TEST_GCS_KEY, or by the metadata server, which both are as well; `ya29.reader` may only read.
"""

import json
import pathlib
import sys

import support

VERSION = "2026.7.19"
EMAIL = "haul@haul-test.iam.gserviceaccount.com"


def start(cache, work):
    package = support.pip(cache, "gcp-storage-emulator", VERSION)
    port, strict = support.ports(2)
    key = account(work, f"http://127.0.0.1:{strict}/token")
    emulator = pathlib.Path(__file__).with_name("_gcs.py")
    # Few arenas, so that memory goes back to the system.
    settings = {"PYTHONPATH": str(package), "MALLOC_ARENA_MAX": "2"}
    support.start("gcs", [sys.executable, emulator, port, strict, work], work, settings)
    endpoint = f"http://127.0.0.1:{port}"
    support.wait_until("a bucket", lambda: serves(endpoint))
    return {
        "HAUL_TEST_GCS": endpoint,
        "HAUL_TEST_GCS_STRICT": f"http://127.0.0.1:{strict}",
        "HAUL_TEST_GCS_KEY": key,
    }


def account(work, token_uri):
    """The key file of a service account, as Google's console gives it out; the emulator finds the modulus beside it."""
    openssl, pem = support.program("openssl", "openssl"), work / "key.pem"
    support.run([openssl, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pem])
    support.run([openssl, "rsa", "-in", pem, "-noout", "-modulus", "-out", work / "modulus"])
    key = {
        "type": "service_account",
        "project_id": "haul-test",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": pem.read_text(),
        "client_email": EMAIL,
        "client_id": "123456789012345678901",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }
    file = work / "service-account.json"
    file.write_text(json.dumps(key, indent=2))
    return file


def serves(endpoint):
    """Whether it has the bucket of the tests, which is made if need be."""
    headers = {"Content-Type": "application/json"}
    made, _ = support.http("POST", f"{endpoint}/storage/v1/b", json.dumps({"name": "haul"}).encode(), headers)
    return made in (200, 409)


support.serve(start)
