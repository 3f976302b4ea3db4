"""What do others make of the same zip, and how fast?  peers.py NAME ZIP DIRECTORY: seconds, CPU seconds, peak KiB, rows."""
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

name, source, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]) / "peers"
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
csv = folder / "trades.csv"

DUCKDB = ("{'agg_trade_id':'BIGINT','price':'DOUBLE','quantity':'DOUBLE','first_trade_id':'BIGINT',"
          "'last_trade_id':'BIGINT','transact_time':'BIGINT','is_buyer_maker':'BOOLEAN'}")
# A table of a busy recorder, as published: minutes and newest ids are kept by projections.
CLICKHOUSE = """
CREATE TABLE trades (
  symbol LowCardinality(String), aggregate_id UInt64,
  price Float64 CODEC(DoubleDelta, ZSTD(1)), quantity Float64 CODEC(DoubleDelta, ZSTD(1)),
  first_trade_id UInt64, last_trade_id UInt64,
  timestamp DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  is_buyer_maker UInt8, insert_time DateTime DEFAULT now() CODEC(ZSTD(1)),
  PROJECTION agg_id_projection (SELECT symbol, max(aggregate_id) AS max_agg_id GROUP BY symbol),
  PROJECTION ohlcv_1m_projection (SELECT symbol, toStartOfMinute(timestamp) AS candle_time,
    argMin(price, timestamp) AS open, max(price) AS high, min(price) AS low, argMax(price, timestamp) AS close,
    sum(quantity) AS volume, count() AS trades_count GROUP BY symbol, candle_time)
) ENGINE = MergeTree PARTITION BY (toYYYYMM(timestamp), cityHash64(symbol) % 16)
ORDER BY (symbol, timestamp, aggregate_id) SETTINGS index_granularity = 8192"""
CLICKHOUSE_CSV = ("agg_trade_id UInt64, price Float64, quantity Float64, first_trade_id UInt64, "
                  "last_trade_id UInt64, transact_time Int64, is_buyer_maker Bool")


def unzip_to_file():
    with open(csv, "wb") as out:
        subprocess.run(["unzip", "-p", source], stdout=out, check=True)


def piped(read):
    os.mkfifo(csv)
    unzip = subprocess.Popen(["sh", "-c", f"exec unzip -p '{source}' > '{csv}'"])
    rows = read()
    assert unzip.wait() == 0
    return rows


def duckdb_rows():
    con = duckdb.connect(str(folder / "trades.db"))
    con.execute(f"CREATE TABLE trades AS SELECT * FROM read_csv('{csv}', header=true, columns={DUCKDB})")
    con.execute("CHECKPOINT")
    return con.execute("SELECT count(*) FROM trades").fetchone()[0]


def clickhouse_rows():
    con = session.Session(str(folder / "clickhouse"))
    con.query("CREATE DATABASE IF NOT EXISTS tape ENGINE = Atomic")
    con.query("USE tape")
    con.query(CLICKHOUSE)
    con.query(f"""INSERT INTO trades (symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker)
      SELECT 'BTCUSDT', agg_trade_id, price, quantity, first_trade_id, last_trade_id,
             fromUnixTimestamp64Milli(transact_time, 'UTC'), is_buyer_maker FROM file('{csv}', 'CSVWithNames', '{CLICKHOUSE_CSV}')
      SETTINGS max_insert_threads = 2""")
    return int(con.query("SELECT count() FROM trades", "TabSeparated").data())


def polars_rows():
    columns = {"agg_trade_id": pl.Int64, "price": pl.Float64, "quantity": pl.Float64, "first_trade_id": pl.Int64,
               "last_trade_id": pl.Int64, "transact_time": pl.Int64, "is_buyer_maker": pl.Boolean}
    parquet = folder / "trades.parquet"
    pl.scan_csv(csv, schema=columns).sink_parquet(parquet, compression="zstd", compression_level=3, row_group_size=1 << 18)
    return lambda: pl.scan_parquet(parquet).select(pl.len()).collect().item()


# Importing is not counted.
if name == "polars":
    import polars as pl
elif name == "clickhouse":
    from chdb import session
else:
    import duckdb



def cpu_seconds():
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in used)


begun, cpu_begun = time.perf_counter(), cpu_seconds()
if name in ("duckdb-pipe", "clickhouse"):
    rows = piped(duckdb_rows if name == "duckdb-pipe" else clickhouse_rows)
else:
    unzip_to_file()
    rows = duckdb_rows() if name == "duckdb" else polars_rows()
seconds, cpu = time.perf_counter() - begun, cpu_seconds() - cpu_begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = rows() if callable(rows) else rows
shutil.rmtree(folder, ignore_errors=True)
print(seconds, cpu, peak, rows, flush=True)
os._exit(0)
