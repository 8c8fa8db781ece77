"""Writes what Lance itself reads of tables as Arrow IPC files, one table a file and in one batch.

    lance_export.py DIR OUT < names.json

DIR holds the tables, OUT gets the files `NUMBER.arrow`, in the order of the names.
"""

import json
import os
import sys

import lance
import pyarrow as pa

from lance_compare import location

for number, name in enumerate(json.load(sys.stdin)):
    table = lance.dataset(location(sys.argv[1], name)).to_table().combine_chunks()
    with pa.ipc.new_file(os.path.join(sys.argv[2], f"{number}.arrow"), table.schema) as file:
        file.write_table(table)
