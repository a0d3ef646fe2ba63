#!/usr/bin/env python3
"""An emulator of Google Cloud Storage's JSON interface: PyPI's, with what it lacks. Any token, or none, is good."""

import json
import pathlib
import sys

import support

VERSION = "2026.7.19"


def start(cache, work):
    package = support.pip(cache, "gcp-storage-emulator", VERSION)
    [port] = support.ports(1)
    emulator = pathlib.Path(__file__).with_name("_gcs.py")
    support.start("gcs", [sys.executable, emulator, port], work, {"PYTHONPATH": str(package)})
    endpoint = f"http://127.0.0.1:{port}"
    support.wait_until("a bucket", lambda: serves(endpoint))
    return {"HAUL_TEST_GCS": endpoint}


def serves(endpoint):
    """Whether a bucket can be made; it is deleted again."""
    buckets = f"{endpoint}/storage/v1/b"
    made, _ = support.http("POST", buckets, json.dumps({"name": "up"}).encode(), {"Content-Type": "application/json"})
    gone, _ = support.http("DELETE", f"{buckets}/up")
    return made == 200 and gone == 204


support.serve(start)
