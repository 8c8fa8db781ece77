"""Compares what the official clients read from servers with a local read by Lance: types, and values bit by bit.

    lance_clients.py DIR ADAPTER CLOUD < names.json

ADAPTER is the address of Lance's own REST server, read with the official namespace client; CLOUD that of a server that speaks as
LanceDB Cloud does, read with the official LanceDB client. Both serve the tables of DIR.
"""

import json
import sys

import lance
import lance_namespace
import lancedb
import pyarrow as pa
from lance_namespace_urllib3_client.models import QueryTableRequest, QueryTableRequestVector

from lance_compare import Wanted, location, one

ALL = 10_000_000


def has_word(kind):
    """Whether LanceDB Cloud's descriptions have a word for a type; its client opens no table without."""
    return not pa.types.is_map(kind)


def of_namespace(url):
    client = lance_namespace.connect("rest", {"uri": url})

    def read(name):
        request = QueryTableRequest(id=name.split("$"), k=ALL, vector=QueryTableRequestVector())
        return pa.ipc.open_file(pa.py_buffer(client.query_table(request).data)).read_all()

    return read


def of_cloud(url):
    client = lancedb.connect("db://lake", api_key="sk_none", host_override=url)

    def read(name):
        *namespace, table = name.split("$")
        return client.open_table(table, namespace_path=namespace).search().limit(ALL).to_arrow()

    return read


def compare(found, local):
    """How many values were compared; raises what differs."""
    found, local = found.combine_chunks(), local.combine_chunks()
    assert found.column_names == local.column_names, f"columns {found.column_names}, not {local.column_names}"
    assert found.num_rows == local.num_rows, f"{found.num_rows} rows, not {local.num_rows}"
    # Nothing is lost in this mapping: small integers, zones, bytes and nanoseconds stay.
    exact = Wanted({"int_mode": "exact", "timestamp_ntz": "ntz", "uuid_format": "binary"})
    exact.numbers = True
    for place, field in enumerate(local.schema):
        name, other = field.name, found.schema.field(place)
        assert (other.type, other.nullable) == (field.type, field.nullable), f"column {name}: {other}, not {field}"
        if pa.types.is_struct(field.type) and field.type.num_fields == 0:
            continue
        columns = [exact.of(field, one(table.column(place))) for table in (found, local)]
        assert columns[0] == columns[1], f"column {name} differs"
    return local.num_rows * local.num_columns


def main(folder, adapter, cloud):
    reads = values = failed = 0
    for name in json.load(sys.stdin):
        local = lance.dataset(location(folder, name)).to_table()
        clients = [("namespace client", of_namespace(adapter))]
        if all(has_word(field.type) for field in local.schema):
            clients.append(("LanceDB client", of_cloud(cloud)))
        for which, read in clients:
            try:
                values += compare(read(name), local)
                reads += 1
            except Exception as error:
                failed += 1
                print(f"differs: {name} with the {which}: {error}")
    print(f"compared: {reads} reads of official clients, {values} values")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
