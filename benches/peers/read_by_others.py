"""What `haul` writes, read by implementations that are not ours, and the other way round.

    python3 -m venv /tmp/readers && /tmp/readers/bin/pip install duckdb polars pyarrow pyzstd tfrecord
    /tmp/readers/bin/python benches/peers/read_by_others.py target/release/haul
"""

import importlib.metadata
import json
import pathlib
import subprocess
import sys
import tempfile


def haul(*words):
    subprocess.run([HAUL, *map(str, words)], check=True)


def rows(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def main(folder):
    plain = folder / "a.ndjson"
    text = [
        {"n": n, "big": 2**62 + n, "f": n / 8, "t": f"zeile {n} ß\n\"", "yes": n % 3 == 0, "l": list(range(n % 4)),
         "o": {"x": None if n % 5 else n, "y": [{"z": str(n)}]}}
        for n in range(30_000)
    ]
    plain.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in text), encoding="utf-8")

    def tfrecord():
        import tfrecord.reader

        haul("convert", "-q", plain, folder / "a.tfrecord")
        read = [bytes(record) for record in tfrecord.reader.tfrecord_iterator(str(folder / "a.tfrecord"))]
        assert read == plain.read_bytes().splitlines()

    def pyarrow_reads():
        import pyarrow.parquet

        haul("convert", "-q", plain, folder / "a.parquet")
        assert pyarrow.parquet.read_table(folder / "a.parquet").to_pylist() == text

    def pyarrow_writes():
        import datetime
        import decimal

        import pyarrow
        import pyarrow.parquet

        for compression in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]:
            for page in ["1.0", "2.0"]:
                path = folder / f"{compression}-{page}.parquet"
                table = pyarrow.Table.from_pylist(text)
                pyarrow.parquet.write_table(
                    table, path, compression=compression, data_page_version=page, row_group_size=7000,
                    write_page_checksum=True,
                )
                haul("convert", "-q", path, folder / "back.ndjson")
                assert rows(folder / "back.ndjson") == text, path
        odd = {
            "i8": pyarrow.array([1, None], pyarrow.int8()), "u64": pyarrow.array([2**64 - 1, 0], pyarrow.uint64()),
            "f32": pyarrow.array([0.5, float("nan")], pyarrow.float32()), "b": pyarrow.array([b"\x00\xff", b""]),
            "date": pyarrow.array([datetime.date(2026, 11, 22), None]),
            "at": pyarrow.array([datetime.datetime(2026, 11, 22, 6, 1, 2, 345678)] * 2),
            "d": pyarrow.array([decimal.Decimal("12345678901234567890.12"), None]),
            "dict": pyarrow.array(["x", "y"]).dictionary_encode(),
            "m": pyarrow.array([[("k", 1)], []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        }
        pyarrow.parquet.write_table(pyarrow.table(odd), folder / "odd.parquet")
        haul("convert", "-q", folder / "odd.parquet", folder / "odd.ndjson")
        assert rows(folder / "odd.ndjson") == [
            {"i8": 1, "u64": 2**64 - 1, "f32": 0.5, "b": "00ff", "date": "2026-11-22", "at": "2026-11-22T06:01:02.345678",
             "d": 12345678901234567890.12, "dict": "x", "m": {"k": 1}},
            {"i8": None, "u64": 0, "f32": None, "b": "", "date": None, "at": "2026-11-22T06:01:02.345678",
             "d": None, "dict": "y", "m": {}},
        ]
        # As Spark wrote times until 3.0, and years that nanoseconds do not reach.
        old = {"at": [datetime.datetime(year, 1, 2, 3, 4, 5, 678901) for year in (1, 1969, 2026, 9999)]}
        pyarrow.parquet.write_table(
            pyarrow.table(old, pyarrow.schema([("at", pyarrow.timestamp("us"))])), folder / "old.parquet",
            use_deprecated_int96_timestamps=True,
        )
        haul("convert", "-q", folder / "old.parquet", folder / "old.ndjson")
        assert rows(folder / "old.ndjson") == [{"at": at.isoformat()} for at in old["at"]], (folder / "old.ndjson").read_text()

    def duckdb_both():
        import duckdb

        got = duckdb.sql(f"SELECT n, big, f, t, yes, o.y[1].z FROM read_parquet('{folder / 'a.parquet'}') ORDER BY n").fetchall()
        assert got == [(r["n"], r["big"], r["f"], r["t"], r["yes"], r["o"]["y"][0]["z"]) for r in text]
        duckdb.sql(f"COPY (SELECT * FROM read_parquet('{folder / 'a.parquet'}')) TO '{folder / 'duck.parquet'}' (FORMAT parquet)")
        haul("convert", "-q", folder / "duck.parquet", folder / "duck.ndjson")
        assert rows(folder / "duck.ndjson") == text

    def polars_both():
        import polars

        frame = polars.read_parquet(folder / "a.parquet")
        assert frame.to_dicts() == text
        frame.write_parquet(folder / "polars.parquet")
        haul("convert", "-q", folder / "polars.parquet", folder / "polars.ndjson")
        assert rows(folder / "polars.ndjson") == text

    def seekable_zstd():
        import pyzstd

        haul("compress", "-q", "--seekable", plain, folder / "a.ndjson.zst")
        content = plain.read_bytes()
        with pyzstd.SeekableZstdFile(folder / "a.ndjson.zst", "r") as file:
            for start in [0, 1, len(content) // 2, len(content) - 10]:
                file.seek(start)
                assert file.read(1000) == content[start : start + 1000], start
        with pyzstd.SeekableZstdFile(folder / "b.zst", "w", max_frame_content_size=100_000) as file:
            file.write(content)
        got = subprocess.run(
            [HAUL, "cat", "--decode", "--range", "1000000..1000100", folder / "b.zst"], check=True, capture_output=True
        ).stdout
        assert got == content[1_000_000:1_000_100], got

    for what, package in [
        (tfrecord, "tfrecord"), (pyarrow_reads, "pyarrow"), (pyarrow_writes, "pyarrow"), (duckdb_both, "duckdb"),
        (polars_both, "polars"), (seekable_zstd, "pyzstd"),
    ]:
        what()
        print(f"{what.__name__}: agrees ({package} {importlib.metadata.version(package)})")


HAUL = str(pathlib.Path(sys.argv[1]).resolve())
with tempfile.TemporaryDirectory() as scratch:
    main(pathlib.Path(scratch))
