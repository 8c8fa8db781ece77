"""Random histories of Lance tables, one commit after the other, for tests that follow them.

    lance_history.py DIR TABLE SEED stable|plain

Creates the table, then reads commands, one a line: `step` for a random change, or the name of one of CHANGES. After each it
writes one line of JSON: what was done, the version, and all rows as Lance itself reads them.
"""

import json
import random
import shutil
import sys
from datetime import timedelta

import lance
import numpy as np
import pyarrow as pa

folder, name, seed, kind = sys.argv[1:5]
path = f"{folder}/{name}.lance"
chance = random.Random(int(seed))
next_id = 0
written = 0


def rows(ids):
    global written
    written += 1
    vector = pa.FixedSizeListArray.from_arrays(
        pa.array(np.array([[i, written, chance.randrange(80) / 8, 0] for i in ids], "f4").reshape(-1)), 4,
        mask=pa.array([chance.random() < 0.1 for _ in ids], pa.bool_()))
    columns = {
        "id": pa.array(ids, pa.int64()),
        "name": pa.array([None if chance.random() < 0.1 else f"{i} of {written}" for i in ids], pa.string()),
        "n": pa.array([chance.randrange(100) for _ in ids], pa.int32()),
        "vector": vector,
    }
    table = pa.table(columns)
    extra = [] if not lance_exists() else [f for f in lance.dataset(path).schema if f.name not in columns]
    for field in extra:
        table = table.append_column(field, pa.nulls(len(ids), field.type))
    return table


def lance_exists():
    try:
        lance.dataset(path)
        return True
    except ValueError:
        return False


def new_ids(most=20, least=1):
    global next_id
    count = chance.randint(least, most)
    next_id += count
    return list(range(next_id - count, next_id))


def some(most=12):
    ids = lance.dataset(path).to_table(columns=["id"])["id"].to_pylist()
    return chance.sample(ids, min(len(ids), chance.randint(1, most)))


def listed(ids):
    return f"id IN ({','.join(map(str, ids))})" if ids else "false"


def create():
    lance.write_dataset(rows(new_ids(80, 40)), path, max_rows_per_file=16, enable_stable_row_ids=kind == "stable")


def append():
    lance.write_dataset(rows(new_ids()), path, mode="append")


def update():
    lance.dataset(path).update({"name": f"'updated {chance.randrange(1000)}'", "n": str(chance.randrange(100))}, where=listed(some()))


def merge():
    table = lance.dataset(path)
    ids = some() + new_ids(5)
    table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows(ids))


def delete():
    lance.dataset(path).delete(listed(some()))


def reinsert():
    ids = some()
    lance.dataset(path).delete(listed(ids))
    lance.write_dataset(rows(ids), path, mode="append")


def compact():
    lance.dataset(path).optimize.compact_files(target_rows_per_fragment=chance.choice([16, 64, 1000]))


def restore():
    latest = lance.dataset(path).version
    lance.dataset(path, version=chance.randint(max(1, latest - 6), latest)).restore()


def overwrite():
    lance.write_dataset(rows(some() + new_ids()), path, mode="overwrite", max_rows_per_file=16)


def add_column():
    table = lance.dataset(path)
    names = [f.name for f in table.schema]
    if "twice" in names:
        table.drop_columns(["twice"])
    else:
        table.add_columns({"twice": "cast(n as bigint) * 2"})


def index():
    lance.dataset(path).create_scalar_index("id", "BTREE", replace=True)


def clean_up():
    lance.dataset(path).cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def recreate():
    shutil.rmtree(path)
    create()


STEPS = [append, append, update, update, merge, merge, delete, delete, reinsert, compact, restore, overwrite, add_column, index]
CHANGES = {change.__name__: change for change in [*STEPS, clean_up, recreate]}


def tell(done):
    table = lance.dataset(path)
    print(json.dumps({"done": done, "version": table.version, "rows": table.to_table().to_pylist()}), flush=True)


create()
tell("create")
for line in sys.stdin:
    change = CHANGES.get(line.strip()) or chance.choice(STEPS)
    change()
    tell(change.__name__)
