#!/usr/bin/env python3
"""Azurite's blob service, twice: over HTTP with the well-known account, and over HTTPS, where it takes tokens too."""

import base64
import email.utils
import hashlib
import hmac
import ssl

import support

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
CONTAINER = "haul"
# Published with the emulator, and no secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
# Clients take no authority's certificate for that of a server.
SUBJECT += ["-addext", "basicConstraints=critical,CA:FALSE"]


def start(cache, work):
    node = support.program("node", "nodejs")
    azurite = support.npm(cache, "azurite", VERSION) / "node_modules/azurite/dist/src/blob/main.js"
    certificate, key = work / "cert.pem", work / "key.pem"
    openssl = [support.program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    support.run([*openssl, *SUBJECT, "-keyout", key, "-out", certificate])
    plain, tls = support.ports(2)

    def blob(name, port, *options):
        command = [node, azurite, "--blobHost", "127.0.0.1", "--blobPort", port, "--location", work / name]
        # Clients may speak a newer version than it knows.
        command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent", *options]
        support.start(name, command, work)

    blob("azurite", plain)
    blob("azurite-tls", tls, "--oauth", "basic", "--cert", certificate, "--key", key)
    http, https = (f"{scheme}://127.0.0.1:{port}/{ACCOUNT}" for scheme, port in [("http", plain), ("https", tls)])
    support.wait_until("Azurite", lambda: serves(http))
    trust = ssl.create_default_context(cafile=certificate)
    support.wait_until("Azurite over HTTPS", lambda: serves(https, trust))
    return {"HAUL_TEST_AZURITE": http, "HAUL_TEST_AZURITE_TLS": https, "HAUL_TEST_AZURITE_CA": certificate}


def serves(url, trust=None):
    """Whether it has the container of the tests, which is made if need be."""
    status, _ = send("PUT", url, f"/{CONTAINER}", "restype=container", trust)
    return status in (201, 409)


def send(method, url, path, query, trust):
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    name, value = query.split("=")
    # The name of the account is in the path, too.
    text = method + "\n" * 12 + f"{signed}/{ACCOUNT}/{ACCOUNT}{path}\n{name}:{value}"
    signature = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
    return support.http(method, f"{url}{path}?{query}", headers=headers, context=trust)


support.serve(start)
