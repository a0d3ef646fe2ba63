#!/usr/bin/env python3
"""Azurite's blob service, twice: over HTTP with the well-known account, and over HTTPS where it takes tokens as well."""

import ssl

import support

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]


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
    """Whether it has looked for a container: without a signature it may not tell more than that there is none."""
    status, body = support.http("GET", f"{url}/none/blob", headers={"x-ms-version": "2021-08-06"}, context=trust)
    return status in (403, 404) and b"<Error>" in body


support.serve(start)
