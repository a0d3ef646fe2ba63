"""Tables by DuckDB and Polars: `frames_peer.py duckdb|polars count|parse|to-parquet|from-parquet FROM [TO]`."""

import sys


def duckdb(action, source, target):
    import duckdb

    ask = lambda query: duckdb.sql(query).fetchall()
    if action == "count":
        print(ask(f"SELECT count(*) FROM read_ndjson_objects('{source}')")[0][0])
    elif action == "parse":
        # Every field of every line, and nothing kept of them.
        print(ask(f"SELECT count(*), min(time), min(level), min(user), min(path), min(took_ms), min(trace) FROM read_ndjson('{source}')"))
    elif action == "to-parquet":
        duckdb.sql(f"COPY (SELECT * FROM read_ndjson('{source}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    else:
        duckdb.sql(f"COPY (SELECT * FROM read_parquet('{source}')) TO '{target}' (FORMAT json)")


def polars(action, source, target):
    import polars

    if action == "count":
        print(polars.scan_ndjson(source).select(polars.len()).collect(engine="streaming").item())
    elif action == "parse":
        print(polars.scan_ndjson(source).select(polars.all().min()).collect(engine="streaming"))
    elif action == "to-parquet":
        polars.scan_ndjson(source).sink_parquet(target, compression="zstd")
    else:
        polars.scan_parquet(source).sink_ndjson(target)


engine, action, source = sys.argv[1:4]
{"duckdb": duckdb, "polars": polars}[engine](action, source, sys.argv[4] if len(sys.argv) > 4 else None)
