"""Changes a Lance table without a pause until its input ends: appends, updates, deletes, compacts.

    lance_writer.py DIR NAME

Prints `ready` once the table is there, and how many commits it made at the end.
"""

import os
import random
import sys
import threading

import lance

from lance_tables import people

path = os.path.join(sys.argv[1], f"{sys.argv[2]}.lance")
lance.write_dataset(people(20_000), path, mode="overwrite", max_rows_per_file=2_000, enable_stable_row_ids=True)
print("ready", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
choice = random.Random(5)
next_id = 20_000
commits = 0
while not ended.is_set():
    table = lance.dataset(path)
    what = choice.choice(["append", "delete", "update", "compact"])
    if what == "append":
        table.insert(people(300, next_id))
        next_id += 300
    elif what == "delete":
        start = choice.randrange(next_id)
        table.delete(f"id BETWEEN {start} AND {start + 200}")
    elif what == "update":
        table.update({"name": f"'changed {commits}'"}, where=f"id % 97 = {choice.randrange(97)}")
    else:
        table.optimize.compact_files(target_rows_per_fragment=4_000)
    commits += 1
print(commits, flush=True)
