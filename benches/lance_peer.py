"""What scripts/bench-lance measures our reader beside: Lance's own local read and the official clients' ways to read a table.

    lance_peer.py write PATH ROWS | arrow PATH FILE | change PATH | count PATH
    lance_peer.py local PATH
    lance_peer.py namespace URL TABLE ROWS IN_FLIGHT
    lance_peer.py cloud URL TABLE ROWS IN_FLIGHT       0 in flight asks for everything at once

Readers keep no rows and print one JSON line with rows and seconds.
"""
import datetime
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

PAGE = 10_000


def write(path, rows):
    import lance
    import numpy as np

    random = np.random.default_rng(7)
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    schema = pa.schema([
        pa.field("id", pa.int64(), nullable=False), ("name", pa.string()), ("ts", pa.timestamp("us", tz="UTC")),
        ("vector", pa.list_(pa.float32(), 128)),
    ])

    def batches():
        for at in range(0, rows, 50_000):
            count = min(50_000, rows - at)
            numbers = pa.array(random.random(count * 128, dtype=np.float32))
            times = pa.array(np.arange(at, at + count) * 1_000_000 + int(start.timestamp() * 1e6), pa.timestamp("us", tz="UTC"))
            columns = [pa.array(range(at, at + count), pa.int64()), pa.array([f"name {i}" for i in range(at, at + count)]), times,
                       pa.FixedSizeListArray.from_arrays(numbers, 128)]
            yield pa.record_batch(columns, schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    lance.write_dataset(reader, path, enable_stable_row_ids=True, max_rows_per_file=max(1, rows // 10))


def arrow(path, file):
    """The same rows as an Arrow IPC file."""
    import lance

    scanner = lance.dataset(path).scanner()
    with pa.ipc.new_file(file, scanner.projected_schema) as out:
        for batch in scanner.to_batches():
            out.write_batch(batch)


def change(path):
    """1,000 rows get another name, 100 go."""
    import lance

    table = lance.dataset(path)
    step = table.count_rows() // 1_000
    table.update({"name": "'changed'"}, where=f"id % {step} = 7")
    lance.dataset(path).delete(f"id % {step * 10} = 3")


def local(path):
    import lance

    scanner = lance.dataset(path).scanner(batch_size=8_192)
    return sum(batch.num_rows for batch in scanner.to_batches())


def pages(read, rows, in_flight):
    with ThreadPoolExecutor(in_flight) as pool:
        return sum(pool.map(read, range(0, rows, PAGE)))


def namespace(url, table, rows, in_flight):
    import lance_namespace
    from lance_namespace_urllib3_client.models import QueryTableRequest, QueryTableRequestVector

    client = lance_namespace.connect("rest", {"uri": url})

    def read(offset):
        request = QueryTableRequest(id=[table], k=PAGE, offset=offset, vector=QueryTableRequestVector(), prefilter=True, version=1)
        return pa.ipc.open_file(pa.py_buffer(client.query_table(request).data)).read_all().num_rows

    return pages(read, rows, in_flight)


def cloud(url, table, rows, in_flight):
    import lancedb

    opened = lancedb.connect("db://bench", api_key="sk_bench", host_override=url).open_table(table)
    if in_flight == 0:
        return opened.search().limit(rows).to_arrow().num_rows
    return pages(lambda offset: opened.search().limit(PAGE).offset(offset).to_arrow().num_rows, rows, in_flight)


def main(what, *args):
    if what == "write":
        return write(args[0], int(args[1]))
    if what == "arrow":
        return arrow(*args)
    if what == "change":
        return change(args[0])
    started = time.monotonic()
    if what == "count":
        import lance

        rows = lance.dataset(args[0]).count_rows()
    elif what == "local":
        import lance  # noqa: F401 its start is not the reading

        started = time.monotonic()
        rows = local(args[0])
    else:
        reader = {"namespace": namespace, "cloud": cloud}[what]
        import lancedb  # noqa: F401 nor is theirs

        started = time.monotonic()
        rows = reader(args[0], args[1], int(args[2]), int(args[3]))
    print(json.dumps({"rows": rows, "wall_seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
