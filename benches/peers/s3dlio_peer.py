"""The works of the benches by s3dlio, which brings its own concurrency: 8 objects side by side, parts as it likes."""

import pathlib
import sys

import s3dlio

OBJECTS, RANGE = 8, 1024


def up(bucket, source, prefix):
    folders = [path for path in [pathlib.Path(source), *pathlib.Path(source).rglob("*")] if path.is_dir()]
    for folder in folders:
        files = [str(path) for path in folder.iterdir() if path.is_file()]
        if files:
            to = "/".join(["s3:/", bucket, prefix, *folder.relative_to(source).parts, ""])
            s3dlio.upload(files, to, max_in_flight=OBJECTS)


def down(bucket, prefix, destination):
    s3dlio.download(f"s3://{bucket}/{prefix}/", destination, max_in_flight=OBJECTS, recursive=True)


def fetch(bucket, key, file):
    pathlib.Path(file).write_bytes(s3dlio.get(f"s3://{bucket}/{key}"))


def list_(bucket, prefix):
    print("\n".join(s3dlio.list(f"s3://{bucket}/{prefix}/", recursive=True)))


def delete(bucket, prefix):
    s3dlio.delete(f"s3://{bucket}/{prefix}/", recursive=True)


def reads(bucket, key, count):
    for _ in range(int(count)):
        s3dlio.get(f"s3://{bucket}/{key}")


def ranges(bucket, key, count):
    for at in range(int(count)):
        s3dlio.get_range(f"s3://{bucket}/{key}", at * RANGE, RANGE)


action, *rest = sys.argv[1:]
actions = {"up": up, "down": down, "fetch": fetch, "list": list_, "delete": delete, "reads": reads, "ranges": ranges}
actions[action](*rest)
