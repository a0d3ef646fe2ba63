"""What the scripts that start test servers have in common: installing, ports, children, and the protocol with xtask.

A script is called as `NAME.py CACHE WORK`. See docs/adding-a-backend.md, "A server to test against".
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

TRIES = 3


class Failure(Exception):
    """Why there is no server, in one line."""


def serve(start):
    """The whole of a script: `start(cache, work)` starts servers and returns what tests have to know, as a dict."""
    cache, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    cache.mkdir(parents=True, exist_ok=True)
    _adopt_orphans()
    # From the beginning: the caller may die during an installation too.
    threading.Thread(target=_end_with_caller, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _end(1))
    # Ctrl-C reaches the caller as well; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for key, value in start(cache, work).items():
            print(f"{key}={value}")
        print("ready", flush=True)
        while True:
            _check_children()
            time.sleep(1)
    except Failure as failure:
        say(failure)
    except Exception as error:  # a mistake in a script is a server that is not there, too
        say(f"{type(error).__name__}: {error}")
    _end(1)


def say(what):
    """Tells people something; stdout is for the caller."""
    print(f"{pathlib.Path(sys.argv[0]).stem}: {what}", file=sys.stderr, flush=True)


# Installing


def install(cache, name, fill):
    """The folder `name` of the cache, which `fill(folder)` made once. It gets its name when it is whole."""
    folder, partial = cache / name, cache / f"{name}.partial"
    with _lock(cache / f"{name}.lock"):
        for attempt in range(1, TRIES + 1):
            if folder.exists():
                break
            say(f"installing {name}")
            # What an interrupted installation left.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                fill(partial)
                partial.rename(folder)
            except Failure:
                if attempt == TRIES:
                    raise
                time.sleep(5 * attempt)
    return folder


def pip(cache, package, version):
    """A folder with a package of PyPI, for `PYTHONPATH`."""
    if run([sys.executable, "-m", "pip", "--version"], check=False):
        program("pip3", "python3-pip")
    wanted = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    # Packages may hold machine code for this Python only.
    name = f"{package}-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    return install(cache, name, lambda folder: run([*command, "--target", folder, wanted]))


def npm(cache, package, version):
    """A folder with a package of npm in its `node_modules`."""
    program("npm", "npm")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--omit=dev"]
    return install(cache, f"{package}-{version}", lambda f: run([*command, "--prefix", f, f"{package}@{version}"]))


def program(name, *packages):
    """The path of a program; where it is missing and we may, Debian's packages that have it are installed."""
    # The system's daemons are not in every user's path.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    if shutil.which(name, path=path) is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Failure(f"`{name}` is missing; Debian has it in: {' '.join(packages)}")
        # Not the cache's lock: there is one package database, whatever the cache.
        with _lock(pathlib.Path("/tmp/haul-servers-apt.lock")):
            if shutil.which(name, path=path) is None:
                _apt_get(packages)
    found = shutil.which(name, path=path)
    if found is None:
        raise Failure(f"`{name}` is in none of Debian's packages: {' '.join(packages)}")
    return found


def _apt_get(packages):
    say(f"installing Debian's {' '.join(packages)}")
    # No daemon may start by itself, and none of them has a question that we could answer.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "--quiet", "--yes", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300"]
    run([*apt, "update"], env=quiet, check=False)
    run([*apt, "install", "--no-install-recommends", *packages], env=quiet)


@contextlib.contextmanager
def _lock(path):
    # The lock goes with the process, however that ends.
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# Ports

_reserved = []


def ports(count, also=()):
    """Free ports of the loopback interface, such that each one plus each of `also` is free too."""
    found = []
    while len(found) < count:
        # Below the range from which the system numbers outgoing connections.
        port = random.randrange(11000, 22000)
        if all(_reserve(port + offset) for offset in (0, *also)):
            found.append(port)
    return found


def _reserve(port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        try:
            # Held until we end: another of these scripts will not take the port before our server listens.
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", port))
        except OSError:
            udp.close()
            return False
    _reserved.append(udp)
    return True


# Children

_children = []
_litter = []
# Held for whatever starts a child or looks at one. Signals interrupt the thread that holds it, too.
_changing = threading.RLock()


class Child:
    """A process and where it writes its log."""

    def __init__(self, name, command, log, env):
        self.name, self.log = name, log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env={**os.environ, **env},
                start_new_session=True,
            )

    def tail(self):
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-5:])[-1000:] or "(nothing logged)"


def start(name, command, work, env=None):
    """Starts a server; its log is `NAME.log` in `work`."""
    with _changing:
        child = Child(name, command, work / f"{name}.log", env or {})
        _children.append(child)
    return child


def remove_at_end(path):
    """For the file that a server makes elsewhere than in its folder, whatever it is told."""
    _litter.append(pathlib.Path(path))


def run(command, env=None, check=True, seconds=500):
    """Runs a program to its end and gives its exit code; with `check`, an error is a `Failure` with what it said."""
    words = [str(word) for word in command]
    with _changing:
        done = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        output, _ = done.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)
        raise Failure(f"`{' '.join(words)}` did not end within {seconds} s") from None
    if check and done.returncode:
        lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
        raise Failure(f"`{' '.join(words)}` ended with {done.returncode}: {' | '.join(lines[-5:])[-1000:]}")
    return done.returncode


def wait_until(what, check, seconds=120):
    """Waits until `check()` is true; an OSError, such as a refused connection, means not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        _check_children()
        try:
            if check():
                return
        except OSError as error:
            last = error
        time.sleep(0.05)
    logs = "; ".join(f"{child.name}: {child.tail()}" for child in _children)
    raise Failure(f"{what}: not within {seconds} s ({last}); {logs}")


def http(method, url, body=None, headers=None, context=None):
    """The status and the body of an answer, whatever the status."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    # Never through a proxy that the environment names: it is this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def _check_children():
    with _changing:
        ended = [child for child in _children if child.process.poll() is not None]
    for child in ended:
        raise Failure(f"{child.name} ended with {child.process.returncode}: {child.tail()}")


# The end


def _end_with_caller():
    while os.read(0, 4096):
        pass
    _end(0)


def _end(code):
    # Kept for ever: nothing is started any more, and that children end is no news.
    _changing.acquire()
    while pids := _offspring():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Whose parent has just been killed is ours now, and found in the next round.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
    for path in _litter:
        path.unlink(missing_ok=True)
    os._exit(code)


def _adopt_orphans():
    """Makes this process the parent of orphaned descendants: sshd's leave its process group."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _offspring():
    children = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            children.update(int(pid) for pid in (task / "children").read_text().split())
    return children
