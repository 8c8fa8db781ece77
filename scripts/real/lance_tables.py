"""Tables that a Lance REST server serves to the tests: every type that Lance stores, and every history a table can have.

    lance_tables.py DIR              all tables but the large one, a few seconds
    lance_tables.py DIR million      the table `million`: 1,000,000 rows with 128 numbers each, 550 MB
    lance_tables.py DIR long_texts   the table `long_texts`: 9,000 texts of 256 KiB, more than one answer can hold; 1 MB on disk

Values are the same each time. Tables are written by Lance itself, not through the server.
"""

import datetime as dt
import os
import shutil
import sys
import uuid
from decimal import Decimal

import lance
import lance.blob
import lance.namespace
import numpy as np
import pyarrow as pa
from lance_namespace_urllib3_client.models import CreateNamespaceRequest, CreateTableRequest, DeclareTableRequest

UTC = dt.timezone.utc
DAY_MS = 86_400_000


def integers(kind, low, high):
    return pa.array([None, 0, low, high, 1, None], kind)


def floats(kind):
    values = np.array([0, np.nan, np.inf, -np.inf, -0.0, 1.5], kind)
    return pa.array(values, mask=np.array([True, False, False, False, False, False]))


def ticks(kind, *values):
    return pa.array([None, *values, None], pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)


def scalars():
    """Each type once; nulls before and after the values, and the ends of every range."""
    text = [None, "", "it's", "ünï\U0001f600\x00\n", "x" * 1000, None]
    data = [None, b"", b"\x00\xff", b"'; --", b"x" * 1000, None]
    columns = {
        "id": pa.array(range(6), pa.int64()),
        "nothing": pa.nulls(6),
        "boolean": pa.array([None, True, False, True, False, None]),
        "i8": integers(pa.int8(), -128, 127),
        "i16": integers(pa.int16(), -(2**15), 2**15 - 1),
        "i32": integers(pa.int32(), -(2**31), 2**31 - 1),
        "i64": integers(pa.int64(), -(2**63), 2**63 - 1),
        "u8": integers(pa.uint8(), 2, 255),
        "u16": integers(pa.uint16(), 2, 2**16 - 1),
        "u32": integers(pa.uint32(), 2, 2**32 - 1),
        "u64": integers(pa.uint64(), 2, 2**64 - 1),
        "f16": floats("f2"),
        "f32": floats("f4"),
        "f64": floats("f8"),
        "date32": ticks(pa.date32(), 0, -1, 19_753, -719_162),
        "date64": ticks(pa.date64(), 0, -DAY_MS, 19_753 * DAY_MS, -719_162 * DAY_MS),
        "time32_s": ticks(pa.time32("s"), 0, 1, 86_399, 43_200),
        "time32_ms": ticks(pa.time32("ms"), 0, 1, 86_399_999, 43_200_000),
        "time64_us": ticks(pa.time64("us"), 0, 1, 86_399_999_999, 43_200_000_000),
        "time64_ns": ticks(pa.time64("ns"), 0, 1, 86_399_999_999_999, 43_200_000_000_000),
        "utf8": pa.array(text, pa.utf8()),
        "large_utf8": pa.array(text, pa.large_utf8()),
        "utf8_view": pa.array(text, pa.string_view()),
        "binary": pa.array(data, pa.binary()),
        "large_binary": pa.array(data, pa.large_binary()),
        "binary_view": pa.array(data, pa.binary_view()),
        "fixed_binary": pa.array([None, b"abc", b"\x00\x00\x00", b"\xff\xff\xff", b"'''", None], pa.binary(3)),
        "decimal128": pa.array([None, *map(Decimal, ["0.00", "-999.99", "999.99", "0.01"]), None], pa.decimal128(5, 2)),
        "decimal128_38": pa.array([None, *map(Decimal, [0, 10**38 - 1, 1 - 10**38, 7]), None], pa.decimal128(38, 0)),
        "decimal128_neg": pa.array([None, *map(Decimal, [0, 1200, -99900, 100]), None], pa.decimal128(3, -2)),
        "decimal256": pa.array([None, *map(Decimal, ["0.00", "-1.25", "9" * 20, "0.01"]), None], pa.decimal256(30, 2)),
        "decimal256_60": pa.array([None, *map(Decimal, ["0.00", "-1.25", "9" * 55, "0.01"]), None], pa.decimal256(60, 2)),
        "word": pa.array([None, "a", "b", "a", "", None]).dictionary_encode(),
        "number_word": pa.array([None, 7, 100_000, 7, -1, None], pa.int32()).dictionary_encode(),
        "uuid": pa.array([None, *(uuid.UUID(int=n).bytes for n in (0, 1, 2**128 - 1, 2**64)), None], pa.uuid()),
        "json": pa.array([None, '{"a":[1,null]}', "[]", '"ü"', "1.5", None], pa.json_()),
        "bf16": pa.array([None, b"\x00\x00", b"\x80\x3f", b"\xc0\x7f", b"\x80\xff", None], pa.binary(2)),
    }
    for unit, one in [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)]:
        values = (0, -1, 1_706_700_645 * one + one // 3, -6_000_000_000 * one)
        columns[f"ts_{unit}"] = ticks(pa.timestamp(unit), *values)
        columns[f"ts_{unit}_utc"] = ticks(pa.timestamp(unit, "UTC"), *values)
        columns[f"ts_{unit}_zone"] = ticks(pa.timestamp(unit, "+05:30"), *values)
        columns[f"duration_{unit}"] = ticks(pa.duration(unit), *values)
    fields = [pa.field(name, array.type, metadata=EXTENSIONS.get(name)) for name, array in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


EXTENSIONS = {"bf16": {"ARROW:extension:name": "lance.bfloat16"}}


def nested():
    """Lists, structs and maps, each null, empty, with null members, and of types that need a conversion inside."""
    micros = pa.timestamp("us", "UTC")
    point = pa.struct([("x", pa.int16()), ("y", pa.list_(pa.string())), ("at", pa.timestamp("ns", "UTC"))])
    at = 1_706_700_645_000_000_001
    points = [None, {"x": 1, "y": ["a", None], "at": at}, {"x": None, "y": [], "at": None}, {"x": -1, "y": None, "at": 0}]
    deep = pa.struct([("a", pa.struct([("b", pa.list_(pa.struct([("c", pa.uint8())])))]))])
    words = pa.array(["a", "b", None]).dictionary_encode()
    columns = {
        "id": pa.array(range(4), pa.int64()),
        "point": pa.array(points, point),
        "points": pa.array([None, [points[1], None], [], [points[2]]], pa.list_(point)),
        "large_points": pa.array([[], [points[1]], None, [points[3]]], pa.large_list(point)),
        "deep": pa.array([None, {"a": None}, {"a": {"b": None}}, {"a": {"b": [{"c": 255}, {"c": None}]}}], deep),
        "i8s": pa.array([None, [1, None, -128], [], [127]], pa.list_(pa.int8())),
        "u64s": pa.array([None, [2**64 - 1, None], [], [0]], pa.list_(pa.uint64())),
        "lists": pa.array([None, [[1], None, []], [], [[None, 2]]], pa.list_(pa.large_list(pa.int32()))),
        "texts": pa.array([None, ["a", None], [], [""]], pa.list_(pa.large_string())),
        "times": pa.array([None, [dt.time(1, 2, 3), None], [], [dt.time(0)]], pa.list_(pa.time64("us"))),
        "instants": pa.array([None, [dt.datetime(2024, 1, 31, tzinfo=UTC), None], [], []], pa.list_(micros)),
        "nanos": pa.array([None, [at, None], [], [-1]], pa.list_(pa.timestamp("ns"))),
        "nano_map": pa.array([None, [("a", at), ("", None)], [], [("b", -1)]], pa.map_(pa.string(), pa.timestamp("ns", "UTC"))),
        "nano_keys": pa.array([None, [(at, -1), (0, None)], [], [(-1, at)]], pa.map_(pa.timestamp("ns"), pa.timestamp("ns"))),
        "words": pa.ListArray.from_arrays(pa.array([0, 1, None, 3, 3], pa.int32()), words),
        "map": pa.array([None, [("a", 1), ("", None)], [], [("b", -1)]], pa.map_(pa.string(), pa.int16())),
        "number_map": pa.array([None, [(1, "a"), (2, None)], [], [(3, "")]], pa.map_(pa.int32(), pa.string())),
        "map_of_lists": pa.array([None, [("a", [1, None])], [], [("b", None)]], pa.map_(pa.string(), pa.list_(pa.int8()))),
        "rows": pa.array([None, [{"a": 1}], [None], [{"a": None}]], pa.list_(pa.struct([("a", pa.int64())]), 1)),
        "void_member": pa.array([None, {"n": None}, {"n": None}, None], pa.struct([("n", pa.null())])),
        "voids": pa.array([None, [None], [], [None, None]], pa.list_(pa.null())),
    }
    return pa.table(columns)


def vectors():
    """Vectors of several kinds and lengths; some are null, some hold NaN, infinities, zeros or nulls."""
    rows = 60
    random = np.random.default_rng(7)

    def column(kind, size):
        values = random.standard_normal((rows, size)).astype(kind)
        values[3] = np.nan
        values[4, 0] = np.inf
        values[5] = 0
        flat = pa.array(values.reshape(-1))
        nulls = pa.array([row in (0, 7, rows - 1) for row in range(rows)])
        return pa.FixedSizeListArray.from_arrays(flat, size, mask=nulls)

    small = [None if row % 5 == 0 else [row % 120, None if row == 6 else 1] for row in range(rows)]
    columns = {"id": pa.array(range(rows), pa.int64())}
    for kind, size in [("f2", 4), ("f2", 16), ("f4", 4), ("f4", 8), ("f4", 128), ("f8", 4), ("f8", 16)]:
        columns[f"v_{kind}_{size}"] = column(kind, size)
    columns["v_i8"] = pa.array(small, pa.list_(pa.int8(), 2))
    columns["v_u8"] = pa.array(small, pa.list_(pa.uint8(), 2))
    columns["v_bool"] = pa.array([None if s is None else [True, False] for s in small], pa.list_(pa.bool_(), 2))
    columns["v_of_v"] = pa.array([None if s is None else [[1.5, row], [0, -1]] for row, s in enumerate(small)],
                                 pa.list_(pa.list_(pa.float32(), 2), 2))
    columns["many_v"] = pa.array([None if s is None else [[1.5, row]] * (row % 3) for row, s in enumerate(small)],
                                 pa.list_(pa.list_(pa.float32(), 2)))
    halves = pa.field("item", pa.binary(2), metadata={"ARROW:extension:name": "lance.bfloat16", "ARROW:extension:metadata": ""})
    upper = [b"\x80\x3f", b"\x00\xc0", b"\xc0\x7f", b"\x80\xff"]
    columns["v_bf16"] = pa.array([None if s is None else [upper[row % 4], bytes([row, row])] for row, s in enumerate(small)],
                                 pa.list_(halves, 2))
    return pa.table(columns)


def odd_names():
    names = ["id", "has space", "it's", 'double"quote', "select", "where", "ünï\U0001f600", "UPPER", "a-b", "a/b", "100%",
             "_under", "date", "null", "a;b", "--", "(", "trailing "]
    return pa.table({name: pa.array([f"{name} {row}" if row % 3 else None for row in range(9)]) for name in names})


def people(rows, start=0):
    ids = range(start, start + rows)
    names = [None if row % 11 == 0 else f"name {row % 97}" for row in ids]
    at = [dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=row) for row in ids]
    vector = np.array([[row % 7, row % 5, row % 3, 1] for row in ids], "f4").reshape(-1)
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "name": pa.array(names, pa.string()),
        "score": pa.array([row / 8 for row in ids], pa.float64()),
        "updated_at": pa.array(at, pa.timestamp("us", "UTC")),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vector), 4),
    })


def history(path, stable):
    """Appended to, updated, merged into, deleted from, compacted and indexed: the rows move, and come back."""
    table = lance.write_dataset(people(2000), path, max_rows_per_file=500, enable_stable_row_ids=stable)
    table.insert(people(500, 2000))
    table.update({"name": "'updated'"}, where="id % 10 = 3")
    table.delete("id % 7 = 2")
    table = lance.dataset(path)
    table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(people(300, 2400))
    table = lance.dataset(path)
    table.tags.create("before", table.version)
    table.optimize.compact_files(target_rows_per_fragment=1000)
    table = lance.dataset(path)
    table.delete("id BETWEEN 100 AND 160")
    table.update({"score": "score + 1000"}, where="id > 2650")
    table.insert(people(100, 5000))


def searched(path):
    """Vectors and words with an index each; the last rows are in neither."""
    rows = 4000
    random = np.random.default_rng(11)
    topics = ["apple pie", "banana bread", "cherry cake", "quick brown fox", "lazy dog", "apple and banana"]
    values = random.standard_normal((rows, 16)).astype("f4")
    table = pa.table({
        "id": pa.array(range(rows), pa.int64()),
        "text": pa.array([None if row % 50 == 0 else f"{topics[row % 6]} number {row}" for row in range(rows)]),
        "part": pa.array([row % 40 for row in range(rows)], pa.int32()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 16),
    })
    data = lance.write_dataset(table.slice(0, 3900), path)
    data.create_index("vector", "IVF_PQ", num_partitions=8, num_sub_vectors=4, metric="l2")
    data = lance.dataset(path)
    data.create_scalar_index("text", "INVERTED", with_position=True)
    lance.dataset(path).insert(table.slice(3900))


def inner_vectors():
    """Vectors that are members of structs, some of them null with their struct."""
    rows = 400
    values = np.random.default_rng(13).standard_normal((rows, 4)).astype("f4")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 4)
    nulls = pa.array([row % 10 == 0 for row in range(rows)])
    inner = pa.StructArray.from_arrays([vectors, pa.array(range(rows), pa.int32())], ["e", "n"], mask=nulls)
    return pa.table({"id": pa.array(range(rows), pa.int64()), "s": inner})


def graph(path):
    """Vectors with an index that is a graph."""
    rows = 3000
    values = np.random.default_rng(17).standard_normal((rows, 16)).astype("f4")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 16)
    data = lance.write_dataset(pa.table({"id": pa.array(range(rows), pa.int64()), "vector": vectors}), path)
    data.create_index("vector", "IVF_HNSW_SQ", num_partitions=1, metric="l2", m=4, ef_construction=20)


def blobs(path):
    """Bytes beside the table, in both of the forms that Lance has for them."""
    schema = pa.schema([pa.field("id", pa.int64()),
                        pa.field("blob", pa.large_binary(), metadata={"lance-encoding:blob": "true"})])
    rows = [pa.array(range(4), pa.int64()), pa.array([None, b"abc", b"", b"x" * 100_000], pa.large_binary())]
    lance.write_dataset(pa.table(rows, schema=schema), path("blobs"))
    schema = pa.schema([pa.field("id", pa.int64()), lance.blob.blob_field("blob")])
    rows[1] = lance.blob.blob_array([None, b"abc", b"", b"x" * 100_000])
    lance.write_dataset(pa.table(rows, schema=schema), path("blobs_2"), data_storage_version="2.2")


def filtered():
    """Few values, many of them null, so that random conditions select some rows and not others."""
    texts = [None, "", "a", "b", "A", "a%", "it's", "x; --", "`", "é", "a_b", "' OR 1=1"]
    rows = range(132)
    return pa.table({
        "id": pa.array(rows, pa.int64()),
        "a": pa.array([None if row % 7 == 0 else row % 7 - 3 for row in rows], pa.int64()),
        "t": pa.array([texts[row % 12] for row in rows]),
        "f": pa.array([None if row % 5 == 0 else (row % 5 - 2) / 2 for row in rows], pa.float64()),
        "flag": pa.array([(None, True, False)[row % 3] for row in rows]),
        "has space": pa.array([texts[row % 11] for row in rows]),
        "select": pa.array([row % 4 for row in rows], pa.int32()),
    })


def literals():
    """Ends of ranges and odd values of every type that a condition of ours may compare with."""
    micros = [None, 0, -1, 1, 253_402_300_799_999_999, -62_135_596_800_000_000, 1_706_700_645_123_456, 999_999]
    return pa.table({
        "id": pa.array(range(8), pa.int64()),
        "i64": pa.array([None, 0, -1, 2**63 - 1, -(2**63), 7, -7, 10**18], pa.int64()),
        "u64": pa.array([None, 0, 1, 2**63, 2**64 - 1, 2**63 - 1, 7, 10**19], pa.uint64()),
        "f64": pa.array([None, 0.0, -1.5, 1e300, -1e-300, 5e-324, 0.1, 123456789.123456789], pa.float64()),
        "text": pa.array([None, "", "'", "''; --", "\\", "é\U0001f600", "a\nb", "\"x`"]),
        "flag": pa.array([None, True, False, True, False, None, True, False]),
        "day": pa.array([None, 0, -1, 19_753, 2_932_896, -719_162, 1, 20_000], pa.int32()).cast(pa.date32()),
        "at": pa.array(micros, pa.int64()).cast(pa.timestamp("us")),
        "at_utc": pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC")),
        "data": pa.array([None, b"", b"\x00", b"\xff\x00", b"'", b"--", b"abc", b"\xff\xff"]),
    })


def branched(path):
    """Four rows, and a branch that has three more."""
    lance.write_dataset(pa.table({"id": [1, 2, 3, 4]}), path)
    lance.dataset(path).create_branch("dev").insert(pa.table({"id": [10, 11, 12]}))


def below_namespaces(root):
    """Tables two namespaces down, and a table that was declared and never written."""
    server = lance.namespace.DirectoryNamespace(root=root)
    body = pa.BufferOutputStream()
    with pa.ipc.new_stream(body, people(0).schema) as writer:
        writer.write_table(people(25))
    for namespace in (["plant"], ["plant", "line-1"]):
        server.create_namespace(CreateNamespaceRequest(id=namespace))
        server.create_table(CreateTableRequest(id=[*namespace, "people"]), body.getvalue().to_pybytes())
    server.declare_table(DeclareTableRequest(id=["declared"]))


def write_all(root):
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)

    def path(name):
        return os.path.join(root, f"{name}.lance")

    def write(name, table, **options):
        return lance.write_dataset(table, path(name), **options)

    write("scalars", scalars())
    # Values first, then rows that are all null, each in a fragment of its own.
    write("scalars_apart", scalars().slice(1, 4))
    lance.dataset(path("scalars_apart")).insert(scalars().slice(0, 1))
    write("nested", nested())
    no_maps = [field.name for field in nested().schema if not pa.types.is_map(field.type)]
    write("nested_no_maps", nested().select(no_maps))
    write("vectors", vectors())
    write("no_vectors", people(1500).drop_columns(["vector"]))
    write("filtered", filtered(), max_rows_per_file=50)
    write("literals", literals())
    write("empty", people(0))
    write("empty_types", scalars().slice(0, 0))
    write("wide", pa.table({f"c{n:03}": pa.array([None, n, *range(28)], pa.int32()) for n in range(600)}))
    write("odd_names", odd_names())
    write("backtick", pa.table({"id": pa.array([1, 2, 3], pa.int64()), "a`b": pa.array(["x", None, "y"])}))
    write("case_twins", pa.table({"a": pa.array([1, 2, None]), "A": pa.array(["x", None, "y"])}))
    empty = pa.field("nothing", pa.struct([]), nullable=False)
    write("no_members", pa.table([pa.array([1, 2]), pa.array([{}, {}], empty.type)],
                                 schema=pa.schema([pa.field("id", pa.int64()), empty])))
    write("fragments", people(3000), max_rows_per_file=10)
    write("third_deleted", people(30_000), max_rows_per_file=7_000)
    lance.dataset(path("third_deleted")).delete("id % 3 = 0")
    write("all_deleted", people(100))
    lance.dataset(path("all_deleted")).delete("true")
    history(path("plain_history"), stable=False)
    history(path("stable_history"), stable=True)
    searched(path("searched"))
    write("inner_vectors", inner_vectors())
    graph(path("graph"))
    blobs(path)
    branched(path("branched"))
    for number in range(35):
        write(f"small_{number:02}", pa.table({"id": pa.array(range(number), pa.int64())}))
    below_namespaces(root)


def write_million(root):
    rows, size, part = 1_000_000, 128, 100_000
    random = np.random.default_rng(3)

    def batches():
        for start in range(0, rows, part):
            ids = np.arange(start, start + part, dtype="i8")
            vector = pa.FixedSizeListArray.from_arrays(pa.array(random.random(part * size, dtype="f4")), size)
            at = pa.array(ids * 1_000_000, pa.timestamp("us", "UTC"))
            yield pa.record_batch([pa.array(ids), pa.array([f"row {row}" for row in ids]), at, vector], schema=schema)

    schema = pa.schema([("id", pa.int64()), ("name", pa.string()), ("ts", pa.timestamp("us", "UTC")),
                        ("vector", pa.list_(pa.float32(), size))])
    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), os.path.join(root, "million.lance"),
                        mode="overwrite")


def write_long_texts(root):
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])

    def batches():
        for start in range(0, 9_000, 250):
            ids = range(start, start + 250)
            texts = [f"{row:08}".ljust(2**18, "x") for row in ids]
            yield pa.record_batch([pa.array(ids, pa.int64()), pa.array(texts)], schema=schema)

    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), os.path.join(root, "long_texts.lance"),
                        mode="overwrite")


if __name__ == "__main__":
    {"million": write_million, "long_texts": write_long_texts, "all": write_all}[(sys.argv[2:] or ["all"])[0]](sys.argv[1])
