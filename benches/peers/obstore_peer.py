"""The works of the benches by obstore: eight objects side by side, four parts of 8 MiB of one."""

import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import obstore
from obstore.store import S3Store

OBJECTS, PARTS, PART, RANGE = 8, 4, 8 << 20, 1024


def open_store(bucket):
    if os.environ.get("BENCH_ANONYMOUS"):
        keys = {"skip_signature": True}
    else:
        keys = {
            "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        }
    place = {"endpoint": os.environ["AWS_ENDPOINT_URL"], "region": "us-east-1"}
    return S3Store(bucket, **place, **keys, client_options={"allow_http": True})


def side_by_side(work, items, count=OBJECTS):
    with ThreadPoolExecutor(count) as pool:
        for _ in pool.map(lambda item: work(*item), items):
            pass


def up(store, source, prefix):
    source = pathlib.Path(source)

    def one(path):
        key = f"{prefix}/{path.relative_to(source)}"
        if path.stat().st_size <= PART:
            obstore.put(store, key, path.read_bytes(), use_multipart=False)
        else:
            obstore.put(store, key, path, chunk_size=PART, max_concurrency=PARTS)

    side_by_side(one, ((path,) for path in source.rglob("*") if path.is_file()))


def objects(store, prefix):
    for page in obstore.list(store, f"{prefix}/", chunk_size=1000):
        for found in page:
            yield found["path"], found["size"]


def get(store, key, size, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    if size <= PART:
        to.write_bytes(obstore.get(store, key).bytes())
        return
    with open(to, "wb") as file:

        def part(start):
            data = obstore.get_range(store, key, start=start, end=min(size, start + PART))
            os.pwrite(file.fileno(), data, start)

        side_by_side(part, ((start,) for start in range(0, size, PART)), PARTS)


def down(store, prefix, destination):
    destination, start = pathlib.Path(destination), len(prefix) + 1
    side_by_side(
        lambda key, size: get(store, key, size, destination / key[start:]), objects(store, prefix)
    )


def fetch(store, key, file):
    get(store, key, obstore.head(store, key)["size"], pathlib.Path(file))


def copy(store, source, to):
    start = len(source)
    side_by_side(lambda key, _: obstore.copy(store, key, to + key[start:]), objects(store, source))


def list_(store, prefix):
    for key, _ in objects(store, prefix):
        print(key)


def delete(store, prefix):
    for page in obstore.list(store, f"{prefix}/", chunk_size=1000):
        obstore.delete(store, [found["path"] for found in page])


def reads(store, key, count):
    for _ in range(int(count)):
        obstore.get(store, key).bytes()


def ranges(store, key, count):
    for at in range(int(count)):
        obstore.get_range(store, key, start=at * RANGE, length=RANGE)


action, bucket, *rest = sys.argv[1:]
actions = {"up": up, "down": down, "fetch": fetch, "copy": copy, "list": list_, "delete": delete, "reads": reads}
{**actions, "ranges": ranges}[action](open_store(bucket), *rest)
