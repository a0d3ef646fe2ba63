#!/usr/bin/env python3
"""Ceph's S3 gateway on a cluster of one monitor and one disk, which is memory."""

import uuid

import _s3
import support

PACKAGES = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"]

CLUSTER = """\
[global]
fsid = {fsid}
mon host = {monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {first}
ms bind port max = {last}
auth cluster required = none
auth service required = none
auth client required = none
# Without keys there is nothing to encrypt with, and the gateway hangs if it has to.
ms mon client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
mon data = {work}/mon
mon data avail warn = 2
mon data avail crit = 1
osd data = {work}/osd
osd objectstore = memstore
# A limit, not an allocation.
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
osd max object name len = 2048
mon allow pool size one = true
mon max pg per osd = 1000
run dir = {work}
# A path longer than a socket may have is an error.
admin socket =
log file = {work}/$name.log
keyring = {work}/keyring
rgw data = {work}/rgw

[client.rgw.test]
# Without the option every small answer waits 40 ms for an acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:{s3} tcp_nodelay=1
# Several deletes of one request at a time race in this version: it crashes, or hangs with its port open.
rgw multi obj del max aio = 1
# What was deleted is memory, too; by default it stays for two hours.
rgw gc obj min wait = 60
rgw gc processor period = 60
rgw dns name = localhost
rgw crypt require ssl = false
"""


def start(cache, work):
    paths = {name: support.program(name, *PACKAGES) for name in ["radosgw", "ceph-mon", "ceph-osd", "ceph"]}
    v2, v1, s3 = support.ports(3)
    # A disk listens on eight ports, and has to be given a range.
    [low] = support.ports(1, also=range(1, 16))
    fsid, monitor = uuid.uuid4(), f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
    config = work / "ceph.conf"
    config.write_text(CLUSTER.format(fsid=fsid, monitor=monitor, first=low, last=low + 15, work=work, s3=s3))
    for folder in ["mon", "osd", "rgw"]:
        (work / folder).mkdir()

    def ceph(program, *words):
        return [paths.get(program, program), "-c", config, *words]

    support.run(["monmaptool", "--create", "--addv", "a", monitor, "--fsid", fsid, work / "monmap"])
    support.run(ceph("ceph-mon", "--mkfs", "-i", "a", "--monmap", work / "monmap"))
    support.start("ceph-mon", ceph("ceph-mon", "-i", "a", "-f"), work)
    support.run(ceph("ceph", "--connect-timeout", "60", "status"))

    disk = uuid.uuid4()
    # In an empty cluster it gets the number 0.
    support.run(ceph("ceph", "osd", "new", disk))
    support.run(ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk))
    support.start("ceph-osd", ceph("ceph-osd", "-i", "0", "-f"), work)
    support.run(ceph("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=here"))

    support.start("radosgw", ceph("radosgw", "-n", "client.rgw.test", "-f"), work)
    user = ["user", "create", "--uid=test", "--display-name=test"]
    keys = [f"--access-key={_s3.ACCESS_KEY}", f"--secret-key={_s3.SECRET_KEY}"]
    endpoint = f"http://127.0.0.1:{s3}"
    # Its own first steps in the cluster and the administrator's would get into each other's way.
    support.wait_until("the gateway", lambda: support.http("GET", endpoint)[0] == 200)
    support.run(ceph("radosgw-admin", *user, *keys))
    support.wait_until("an object in Ceph", lambda: _s3.serves(endpoint))
    return {"HAUL_TEST_CEPH": endpoint}


support.serve(start)
