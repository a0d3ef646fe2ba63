#!/usr/bin/env python3
"""OpenSSH's server with its own SFTP, for the user who runs this, with keys of this run alone."""

import getpass
import os
import pathlib

import support

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {work}/host_key
PidFile {work}/sshd.pid
AuthorizedKeysFile {work}/user_key.pub
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
# The folder of this run may stand in one that others can write to.
StrictModes no
Subsystem sftp internal-sftp
# Tests connect many times at once.
MaxSessions 1000
MaxStartups 1000
UseDNS no
"""

CLIENT = """\
Host haul-test
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {work}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {work}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  # The key is known whatever port leads to the server: tests put a proxy in between.
  HostKeyAlias haul-test
"""


def start(cache, work):
    sshd = support.program("sshd", "openssh-server")
    sftp = support.program("sftp", "openssh-client")
    if os.geteuid() == 0:
        # Where sshd, as root, wants to drop its privileges.
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    for key in ["host_key", "user_key"]:
        support.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / key])
    [port] = support.ports(1)
    kind, key = (work / "host_key.pub").read_text().split()[:2]
    (work / "known_hosts").write_text(f"haul-test {kind} {key}\n")
    (work / "sshd_config").write_text(SERVER.format(port=port, work=work))
    config = work / "ssh_config"
    config.write_text(CLIENT.format(port=port, work=work, user=getpass.getuser()))
    root = work / "root"
    root.mkdir()
    # It has to be started by its full path.
    support.start("sshd", [sshd, "-D", "-e", "-f", work / "sshd_config"], work)
    batch = work / "batch"
    batch.write_text(f"ls {root}\n")
    listed = [sftp, "-q", "-F", config, "-b", batch, "haul-test"]
    support.wait_until("a listing by sftp", lambda: support.run(listed, check=False) == 0, seconds=30)
    return {
        "HAUL_TEST_SFTP": "sftp://haul-test/",
        "HAUL_TEST_SFTP_CONFIG": config,
        "HAUL_TEST_SFTP_ROOT": root,
    }


support.serve(start)
