"""Runs the official LanceDB client against our simulated LanceDB Cloud and compares what it reads with what the simulator holds:
lance_client.py ORACLE_BINARY.

Each `@point` is one point of the checklist and prints one line. Counted are compared values.
"""

import json
import subprocess
import sys
import tempfile
import time

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KEY = "sk_simulated_key"
POINTS = []


class Differs(Exception):
    pass


class Count:
    values = 0


def point(text):
    def keep(check):
        POINTS.append((text, check))
        return check

    return keep


def true(holds, what):
    Count.values += 1
    if not holds:
        raise Differs(what)


def same(found, wanted, what):
    true(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def refused(call, words, what):
    """The call must fail, and say one of the words."""
    try:
        call()
    except Exception as error:
        text = str(error)
        true(any(word in text for word in words), f"{what}: {text[:200]}")
        true(KEY not in text, f"{what}: the key is in the error")
        return
    raise Differs(f"{what}: was accepted")


def plain(data_type):
    """A type without the names that lists give their items."""
    if pa.types.is_fixed_size_list(data_type):
        return ("fixed", data_type.list_size, plain(data_type.value_type))
    if pa.types.is_list(data_type) or pa.types.is_large_list(data_type):
        return ("list", plain(data_type.value_type))
    if pa.types.is_struct(data_type):
        return tuple((data_type.field(i).name, plain(data_type.field(i).type)) for i in range(data_type.num_fields))
    return data_type


def table_same(found, wanted, what):
    """The same columns with the same values in the same order."""
    same(found.column_names, wanted.column_names, f"{what}: columns")
    same(found.num_rows, wanted.num_rows, f"{what}: rows")
    for name in wanted.column_names:
        same(plain(found[name].type), plain(wanted[name].type), f"{what}: type of {name}")
        left, right = found[name].combine_chunks(), wanted[name].combine_chunks()
        Count.values += len(right)
        # NaN is no part of these tables: equal means equal.
        if not left.equals(right):
            at = next(i for i, (a, b) in enumerate(zip(left.to_pylist(), right.to_pylist())) if a != b)
            raise Differs(f"{what}: {name}, row {at}: {left[at]} instead of {right[at]}")


class Session:
    def __init__(self, binary, *options):
        self.folder = tempfile.TemporaryDirectory()
        command = [binary, self.folder.name, f"auth=api-key:{KEY}", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.url, self.tables = told["base_url"], told["tables"]
        self.db = self.connect(KEY)

    def connect(self, key):
        return lancedb.connect("db://simulated", api_key=key, host_override=self.url)

    def rows(self, table, version=None):
        versions = self.tables[table]
        version = version or max(versions, key=int)
        with pa.ipc.open_file(versions[str(version)]["file"]) as file:
            return file.read_all()

    def rowids(self, table, version=None):
        versions = self.tables[table]
        return versions[str(version or max(versions, key=int))]["rowids"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.folder.cleanup()


def everything(table):
    return table.search().limit(10_000_000).to_arrow()


@point("tables: listed by pages of any size, and in their namespaces")
def _(s):
    root = sorted(name for name in s.tables if "$" not in name)
    for limit in (3, 10, 1000):
        found, token = [], None
        while True:
            page = s.db.list_tables(limit=limit, page_token=token)
            found += page.tables
            token = page.page_token
            if not token:
                break
        same(found, root, f"list_tables by {limit}")
    same(sorted(s.db.table_names(limit=1000)), root, "table_names")
    same(list(s.db.list_namespaces().namespaces), ["plant"], "list_namespaces")
    same(list(s.db.list_tables(namespace_path=["plant"]).tables), ["readings"], "list_tables of a namespace")
    readings = s.db.open_table("readings", namespace_path=["plant"])
    table_same(everything(readings), s.rows("plant$readings"), "plant$readings")


@point("schemas: every type that has a word")
def _(s):
    for name in s.tables:
        if "$" in name:
            continue
        schema, wanted = s.db.open_table(name).schema, s.rows(name).schema
        same(schema.names, wanted.names, f"{name}: names")
        for field in wanted:
            same(plain(schema.field(field.name).type), plain(field.type), f"{name}.{field.name}")
            same(schema.field(field.name).nullable, field.nullable, f"{name}.{field.name}: nullable")


@point("versions: numbers, times, counts and rows of each, by number and by tag")
def _(s):
    table = s.db.open_table("history")
    versions = table.list_versions()
    same([one["version"] for one in versions], sorted(map(int, s.tables["history"])), "list_versions")
    for one in versions:
        true(abs(one["timestamp"].timestamp() - time.time()) < 86_400, "time of a version")
    for version in s.tables["history"]:
        table.checkout(int(version))
        same(table.version, int(version), "version")
        same(table.count_rows(), s.rows("history", version).num_rows, f"count of {version}")
        table_same(everything(table), s.rows("history", version), f"version {version}")
        same(table.schema.names, s.rows("history", version).schema.names, f"schema of {version}")
    table.checkout_latest()
    same(table.version, max(map(int, s.tables["history"])), "latest")
    same({tag: one["version"] for tag, one in table.tags.list().items()}, {"monday": 2}, "tags")
    same(table.tags.get_version("monday"), 2, "version of a tag")
    table.checkout("monday")
    table_same(everything(table), s.rows("history", 2), "rows of a tag")


@point("scans: whole, empty, by pages, by columns and expressions, with row ids")
def _(s):
    for name in ("documents", "types", "empty", "small_07"):
        table_same(everything(s.db.open_table(name)), s.rows(name), name)
    table, wanted = s.db.open_table("documents"), s.rows("documents")
    pages = [table.search().limit(300).offset(at).to_arrow() for at in range(0, wanted.num_rows, 300)]
    table_same(pa.concat_tables(pages), wanted, "pages")
    found = table.search().select(["score", "id"]).limit(5000).to_arrow()
    table_same(found, wanted.select(["score", "id"]), "two columns")
    found = table.search().select({"twice": "id * 2"}).limit(5000).to_arrow()
    same(found["twice"].to_pylist(), [2 * i for i in wanted["id"].to_pylist()], "expression")
    found = table.search().select(["id"]).with_row_id(True).limit(5000).to_arrow()
    same(found["_rowid"].to_pylist(), s.rowids("documents"), "row ids")
    same(table.head(7).num_rows, 7, "head")


@point("filters: the same rows as pyarrow selects, counted and read")
def _(s):
    table, rows = s.db.open_table("documents"), s.rows("documents")
    for text, mask in (
        ("id < 100", pc.less(rows["id"], 100)),
        ("score > 500.0 AND category = 'note'", pc.and_kleene(pc.greater(rows["score"], 500.0), pc.equal(rows["category"], "note"))),
        ("title IS NULL", pc.is_null(rows["title"])),
        ("title LIKE 'pump%' OR score IS NULL", pc.or_kleene(pc.starts_with(rows["title"], "pump"), pc.is_null(rows["score"]))),
        ("id IN (5, 7, 1999, 4000)", pc.is_in(rows["id"], pa.array([5, 7, 1999, 4000], pa.int64()))),
        ("NOT (category = 'note')", pc.not_equal(rows["category"], "note")),
        ("embedding IS NULL", pc.is_null(rows["embedding"])),
        ("id BETWEEN 10 AND 19 AND id % 2 = 0", pc.is_in(rows["id"], pa.array([10, 12, 14, 16, 18], pa.int64()))),
        ("updated_at < timestamp '2026-01-01 01:00:00'", pc.less(rows["id"], 60)),
    ):
        wanted = rows.filter(mask)
        same(table.count_rows(text), wanted.num_rows, f"count {text}")
        table_same(table.search().where(text).limit(5000).to_arrow(), wanted, text)


def distances(rows, query, metric):
    """The distance of each row that has one, by place."""
    found = {}
    for at, vector in enumerate(rows["embedding"].to_pylist()):
        if vector is None:
            continue
        vector = np.asarray(vector, dtype=np.float64)
        if metric == "l2":
            found[at] = float(((vector - query) ** 2).sum())
        elif metric == "dot":
            found[at] = float(1 - vector @ query)
        else:
            found[at] = float(1 - vector @ query / np.linalg.norm(vector) / np.linalg.norm(query))
    return found


def neighbours(found, rows, wanted, k, what):
    """`found` are the k nearest of `wanted`, by row; equal distances may stand in any order."""
    best = sorted(wanted.values())[:k]
    same(found.num_rows, len(best), f"{what}: rows")
    row = {id_: at for at, id_ in enumerate(rows["id"].to_pylist())}
    true(np.allclose(found["_distance"].to_pylist(), best, rtol=1e-4, atol=1e-5), f"{what}: distances")
    for id_, distance in zip(found["id"].to_pylist(), found["_distance"].to_pylist()):
        true(abs(wanted[row[id_]] - distance) < 1e-4, f"{what}: distance of {id_}")


@point("neighbours: every distance, with filters before and after, offsets and bounds")
def _(s):
    table, rows = s.db.open_table("documents"), s.rows("documents")
    query = np.sin(np.arange(32)).astype(np.float32)
    ask = lambda: table.search(query, vector_column_name="embedding")
    for metric in ("l2", "cosine", "dot"):
        wanted = distances(rows, query.astype(np.float64), metric)
        neighbours(ask().distance_type(metric).limit(50).to_arrow(), rows, wanted, 50, metric)
    wanted = distances(rows, query.astype(np.float64), "l2")
    near = {at: far for at, far in wanted.items() if at < 200}
    neighbours(ask().where("id < 200", prefilter=True).limit(30).to_arrow(), rows, near, 30, "filter before")
    after = ask().where("id < 200", prefilter=False).limit(30).to_arrow()
    best = sorted(wanted, key=wanted.get)[:30]
    same(sorted(after["id"].to_pylist()), sorted(at for at in best if at < 200), "filter after")
    low, high = sorted(wanted.values())[10], sorted(wanted.values())[40]
    between = ask().distance_range(low, high).limit(2000).to_arrow()
    true(abs(between.num_rows - 30) <= 1, f"bounds: {between.num_rows} rows")
    neighbours(ask().limit(5000).to_arrow(), rows, wanted, 5000, "all that have a vector")
    both = table.search([query, -query], vector_column_name="embedding").limit(5).to_arrow()
    same(sorted(both["query_index"].to_pylist()), [0] * 5 + [1] * 5, "two vectors")
    rows_v = s.rows("plant$readings")
    plant = s.db.open_table("readings", namespace_path=["plant"])
    found = plant.search(query).limit(3).to_arrow()
    neighbours(found, rows_v, distances(rows_v, query.astype(np.float64), "l2"), 3, "the only vector column")


@point("neighbours of bytes, by the bits that differ")
def _(s):
    table, rows = s.db.open_table("bytes"), s.rows("bytes")
    query = [1, 3, 127, 255]
    bits = lambda vector: sum(bin(a ^ b).count("1") for a, b in zip(vector, query))
    wanted = {at: float(bits(vector)) for at, vector in enumerate(rows["vector"].to_pylist()) if vector is not None}
    for metric in ("hamming", None):
        search = table.search(query, vector_column_name="vector")
        search = search.distance_type(metric) if metric else search
        neighbours(search.limit(30).to_arrow(), rows, wanted, 30, f"bytes by {metric}")
    refused(lambda: table.search(query, vector_column_name="vector").distance_type("l2").limit(5).to_arrow(),
            ["does not support", "retry limit"], "bytes by l2")


@point("words: every row that has them, ranked; both kinds of search together")
def _(s):
    table, rows = s.db.open_table("documents"), s.rows("documents")
    bodies = dict(zip(rows["id"].to_pylist(), rows["body"].to_pylist()))
    for text in ("turbine", "gasket leak"):
        found = table.search(text, query_type="fts", fts_columns="body").limit(5000).to_arrow()
        wanted = {id_ for id_, body in bodies.items() if set(text.split()) & set(body.split())}
        same(set(found["id"].to_pylist()), wanted, text)
        scores = found["_score"].to_pylist()
        true(scores == sorted(scores, reverse=True) and min(scores) > 0, f"{text}: order of scores")
    found = table.search("pump", query_type="fts").where("id < 300").limit(5000).to_arrow()
    same(set(found["id"].to_pylist()), {i for i in range(300) if "pump" in bodies[i].split()}, "words and a filter")
    query = np.sin(np.arange(32)).astype(np.float32)
    hybrid = table.search(query_type="hybrid", vector_column_name="embedding").vector(query).text("valve").limit(10).to_arrow()
    same(hybrid.num_rows, 10, "hybrid search")


@point("indices, statistics and plans")
def _(s):
    table, rows = s.db.open_table("documents"), s.rows("documents")
    found = {one.name: (one.index_type.upper().replace("_", ""), one.columns) for one in table.list_indices()}
    same(found, {"body_idx": ("FTS", ["body"]), "embedding_idx": ("IVFFLAT", ["embedding"]), "category_idx": ("BTREE", ["category"])}, "indices")
    stats = table.index_stats("body_idx")
    same((stats.num_indexed_rows, stats.num_unindexed_rows), (rows.num_rows, 0), "statistics of an index")
    stats = table.stats()
    same((stats["num_rows"], stats["fragment_stats"]["num_fragments"]), (rows.num_rows, 3), "statistics")
    plan = table.search().where("id < 5").limit(3).explain_plan()
    true("id < 5" in plan, f"plan: {plan}")


@point("what a server refuses")
def _(s):
    refused(lambda: s.connect("sk_wrong").table_names(), ["401", "nauthorized"], "a wrong key")
    refused(lambda: s.db.open_table("nope"), ["not found", "nope"], "an unknown table")
    table = s.db.open_table("documents")
    for text in ("nope = 1", "id = 'x'", "id = = 1", "id", "; drop table documents"):
        refused(lambda: table.search().where(text).limit(5).to_arrow(), ["InvalidInput", "retry limit"], text)
        refused(lambda: table.count_rows(text), ["InvalidInput", "retry limit"], text)
    refused(lambda: table.search().select(["nope"]).limit(5).to_arrow(), ["FieldNotFound", "retry limit"], "an unknown column")
    refused(lambda: table.search([1.0, 2.0], vector_column_name="embedding").limit(5).to_arrow(), ["dim"], "a short vector")
    refused(lambda: table.search([1.0], vector_column_name="body").limit(5).to_arrow(), ["vector"], "a text as vector")
    refused(lambda: table.checkout(99), ["99", "not found"], "an unknown version")
    refused(lambda: table.tags.get_version("nope"), ["not found"], "an unknown tag")


def run(binary, checks, *options):
    """The checks that do not hold, each told on a line."""
    failed = 0
    session = Session(binary, *options)
    try:
        for text, check in checks:
            before = Count.values
            try:
                check(session)
                print(f"ok   {text} ({Count.values - before})", flush=True)
            except Exception as error:  # one that fails does not hide the others
                kind = "" if isinstance(error, Differs) else f"{type(error).__name__}: "
                print(f"FAIL {text}: {kind}{error}", flush=True)
                failed += 1
    finally:
        session.stop()
    return failed


def main(binary):
    # It repeats what was answered with 500, however often that says the same.
    failed = run(binary, POINTS, "personality=bad-filter-400")
    failed += run(binary, POINTS[-1:])
    reads = [one for one in POINTS if one[0].startswith(("scans", "filters", "versions"))]
    for personality in ("lz4,plain-ids", "zstd,small-fragments,gzip", "many-batches,version-millis"):
        print(f"-- personality={personality}", flush=True)
        failed += run(binary, reads, f"personality={personality}")
    # The client tries failed requests again.
    print("-- every 5th request fails", flush=True)
    failed += run(binary, reads[:1], "fault=every:5@/query=status:503")
    print(f"compared: {Count.values} values" if not failed else f"{failed} points failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
