"""Every table of Lance's REST server synced into Delta by `lakeflow`, read back by deltalake, and written down for
lance_compare.py to compare with Lance's own read:

    lance_delta.py LAKEFLOW_BINARY URL FOLDER > cases.json

Run it with a Python that has deltalake and pyarrow; FOLDER gets the lake and a file of Arrow IPC for each table.
"""

import json
import pathlib
import subprocess
import sys

import pyarrow as pa
from deltalake import DeltaTable

# Of the first, the server cannot read a column, which lance_compare.py does not know; the others are made by tests.
LEFT_OUT = {"backtick", "million", "busy", "long_texts"}
# Columns by which changes are followed.
ADDED = {"_rowid", "_row_last_updated_at_version"}


def plain(kind):
    """The layout that the connector sends: deltalake reads texts, bytes and lists in others."""
    if kind in (pa.large_string(), pa.string_view()):
        return pa.string()
    if kind in (pa.large_binary(), pa.binary_view()):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(plain_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([plain_field(kind.field(place)) for place in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(plain_field(kind.key_field), plain_field(kind.item_field))
    return kind


def plain_field(field):
    return pa.field(field.name, plain(field.type), field.nullable)


def main(binary, url, folder):
    folder = pathlib.Path(folder)
    source = ["--source", "lancedb", "--option", f"uri={url}", "--format", "json"]
    listed = subprocess.run([binary, "tables", *source], check=True, stdout=subprocess.PIPE, text=True).stdout
    tables = sorted({json.loads(line)["table"] for line in listed.splitlines()} - LEFT_OUT)
    chosen = [word for table in tables for word in ("--table", table)]
    command = [binary, "sync", *source, *chosen, "--to", folder / "lake"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    cases = []
    for table in tables:
        rows = pa.table(DeltaTable(folder / "lake" / table).to_pyarrow_table())
        rows = rows.drop_columns([name for name in rows.column_names if name in ADDED])
        rows = rows.cast(pa.schema([plain_field(field) for field in rows.schema]))
        file = folder / f"{len(cases)}.arrow"
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows.combine_chunks())
        case = {"table": table, "file": str(file), "options": {"all_nullable": True}}
        if "id" in rows.column_names:
            case["sort"] = "id"
        cases.append(case)
    assert len(cases) > 50, f"only {len(cases)} tables"
    print(json.dumps(cases))


if __name__ == "__main__":
    main(*sys.argv[1:])
