"""Compares what the connector read with a local read by Lance, value by value.

    lance_compare.py DIR < cases.json

Each case names a `table` of DIR, its `version`, the `file` of Arrow IPC that the connector's batches were written to, and
optionally `columns`, `filter` and the table `options` that decide types. What a type becomes is worked out here anew, from the
documented mapping and not from the connector's code. Rows must come in the order of Lance's own scan, or in any when the case
names a column to `sort` by. The option `all_nullable` is for rows that come out of Delta, where everything may be null.
"""

import decimal
import glob
import json
import os
import struct
import sys
import uuid
from decimal import Decimal

import lance
import pyarrow as pa
import pyarrow.compute
import pyarrow.types as is_

WIDE = decimal.Context(prec=80)
SMALL = (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def raw(array, storage):
    """The numbers that an array of another meaning is stored as."""
    return array.view(storage).to_pylist()


def f32_bits(value):
    return None if value is None else struct.pack("<f", value)


def f64_bits(value):
    return None if value is None else struct.pack("<d", value)


def each(function, values):
    return [None if value is None else function(value) for value in values]


class Wanted:
    """Types and values as they should have arrived."""

    def __init__(self, options):
        self.exact = options.get("int_mode") == "exact"
        self.ntz = options.get("timestamp_ntz") == "ntz"
        self.binary_uuid = options.get("uuid_format") == "binary"
        self.binary_vectors = options.get("vector_format") == "binary"
        self.keep_nanos = options.get("keep_nanos") != "false"
        self.numbers = False

    def beside(self, field, array):
        """(field, type in words, values) of the column that keeps what is cut off a timestamp; None when nothing is."""
        if self.numbers or not self.keep_nanos or not is_cut(field.type):
            return None
        self.numbers = True
        words, values = self.of(field, array)
        self.numbers = False
        return pa.field(f"{field.name}_ns", pa.null(), field.nullable), words, values

    def of(self, field, array):
        """(type in words, values) of a column; None when it has no place in Spark."""
        kind = field.type
        extension = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
        if isinstance(kind, pa.BaseExtensionType):
            extension, kind = kind.extension_name, kind.storage_type
            array = array.storage
        if extension == "arrow.uuid":
            if self.binary_uuid:
                return "binary", array.to_pylist()
            return "string", each(lambda data: str(uuid.UUID(bytes=data)), array.to_pylist())
        if extension == "lance.bfloat16":
            return "float", each(lambda data: b"\0\0" + data, array.to_pylist())
        return self.plain(kind, array)

    def plain(self, kind, array):
        if is_.is_null(kind):
            return "string", array.to_pylist()
        if is_.is_boolean(kind):
            return "bool", array.to_pylist()
        if kind == pa.uint64():
            return "decimal(20,0)", each(Decimal, array.to_pylist())
        if is_.is_integer(kind):
            if self.exact and kind in SMALL:
                words = {pa.int8(): "int8", pa.int16(): "int16", pa.int32(): "int32", pa.uint8(): "int16",
                         pa.uint16(): "int32"}
                return words[kind], array.to_pylist()
            return "int64", array.to_pylist()
        if kind in (pa.float16(), pa.float32()):
            return "float", each(f32_bits, map(none_or_float, array.to_pylist()))
        if kind == pa.float64():
            return "double", each(f64_bits, array.to_pylist())
        if is_.is_date32(kind):
            return "date", raw(array, pa.int32())
        if is_.is_date64(kind):
            return "date", each(lambda ms: ms // 86_400_000, raw(array, pa.int64()))
        if is_.is_time(kind):
            numbers = raw(array, pa.int32() if kind.bit_width == 32 else pa.int64())
            return "string", each(lambda n: clock(n, kind.unit), numbers)
        if is_.is_timestamp(kind):
            ticks = PER_SECOND[kind.unit]
            if self.numbers and kind.unit == "ns":
                return "int64", raw(array, pa.int64())
            micros = each(lambda n: n * 1_000_000 // ticks, raw(array, pa.int64()))
            return ("timestamp" if kind.tz or not self.ntz else "timestamp_ntz"), micros
        if is_.is_duration(kind):
            scale = 1 if kind.unit == "ns" else 1_000_000 // PER_SECOND[kind.unit]
            return "int64", each(lambda n: n * scale, raw(array, pa.int64()))
        if is_.is_decimal(kind):
            digits = kind.precision - min(kind.scale, 0)
            if digits <= 38:
                exponent = Decimal(1).scaleb(-max(kind.scale, 0))
                values = each(lambda d: quantized(d, exponent), array.to_pylist())
                return f"decimal({digits},{max(kind.scale, 0)})", values
            return "string", each(lambda d: format(d, "f"), array.to_pylist())
        if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
            return "string", array.to_pylist()
        if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind) or is_.is_fixed_size_binary(kind):
            return "binary", array.to_pylist()
        if is_.is_dictionary(kind):
            return self.plain(kind.value_type, array.dictionary_decode())
        if is_.is_fixed_size_list(kind) and self.binary_vectors and is_.is_floating(kind.value_type):
            form = {16: "<e", 32: "<f", 64: "<d"}[kind.value_type.bit_width]
            return "binary", each(lambda v: b"".join(struct.pack(form, x) for x in v), array.to_pylist())
        if is_.is_fixed_size_list(kind) and self.binary_vectors and is_bfloat16(kind.value_field):
            return "binary", each(b"".join, array.to_pylist())
        if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
            return self.lists(kind.value_field, array)
        if is_.is_struct(kind):
            return self.structs(kind, array)
        if is_.is_map(kind):
            return self.maps(kind, array)
        raise TypeError(f"no rule for {kind}")

    def lists(self, field, array):
        inner = self.of(field, array.flatten())
        if inner is None:
            return None
        words, flat = inner
        rest = iter(flat)
        null = " null" if field.nullable else ""
        return f"array<{words}{null}>", each(lambda n: [next(rest) for _ in range(n)], lengths(array))

    def structs(self, kind, array):
        members = []
        for number in range(kind.num_fields):
            found = self.of(kind.field(number), array.field(number))
            if found is not None:
                members.append((kind.field(number), *found))
        if not members:
            return None
        beside = (self.beside(kind.field(number), array.field(number)) for number in range(kind.num_fields))
        members += filter(None, beside)
        words = ",".join(f"{field.name}:{word}{' null' if field.nullable else ''}" for field, word, _ in members)
        valid = array.is_valid().to_pylist()
        rows = [{field.name: values[row] for field, _, values in members} if valid[row] else None for row in range(len(array))]
        return f"struct<{words}>", rows

    def maps(self, kind, array):
        key_words, keys = self.of(kind.key_field, array.keys)
        value_words, values = self.of(kind.item_field, array.items)
        pairs = iter(zip(keys, values))
        null = " null" if kind.item_field.nullable else ""
        counts = lengths(array)
        if key_words == "string":
            return f"map<string,{value_words}{null}>", each(lambda n: [next(pairs) for _ in range(n)], counts)
        words = f"array<struct<key:{key_words},value:{value_words}{null}>>"
        return words, each(lambda n: [dict(zip(("key", "value"), next(pairs))) for _ in range(n)], counts)


def is_bfloat16(field):
    return (field.metadata or {}).get(b"ARROW:extension:name") == b"lance.bfloat16"


def is_cut(kind):
    if is_.is_timestamp(kind):
        return kind.unit == "ns"
    if is_.is_map(kind):
        return is_cut(kind.key_type) or is_cut(kind.item_type)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return is_cut(kind.value_type)
    return is_.is_dictionary(kind) and is_cut(kind.value_type)


def quantized(value, exponent):
    return value if value.as_tuple().exponent == exponent.as_tuple().exponent else value.quantize(exponent, context=WIDE)


def none_or_float(value):
    return None if value is None else float(value)


def lengths(array):
    if is_.is_fixed_size_list(array.type):
        return [array.type.list_size if valid else None for valid in array.is_valid().to_pylist()]
    offsets = array.offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [offsets[row + 1] - offsets[row] if valid[row] else None for row in range(len(array))]


def clock(number, unit):
    ticks = PER_SECOND[unit]
    digits = 9 if unit == "ns" else 6
    seconds, part = divmod(number, ticks)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{part * 10**digits // ticks:0{digits}}"


class Found:
    """Types and values as they have arrived."""

    def of(self, kind, array):
        if is_.is_float32(kind):
            return "float", each(f32_bits, array.to_pylist())
        if is_.is_float64(kind):
            return "double", each(f64_bits, array.to_pylist())
        if is_.is_date32(kind):
            return "date", raw(array, pa.int32())
        if is_.is_timestamp(kind) and kind.unit == "us" and kind.tz in (None, "UTC"):
            return ("timestamp" if kind.tz else "timestamp_ntz"), raw(array, pa.int64())
        if is_.is_decimal128(kind):
            return f"decimal({kind.precision},{kind.scale})", array.to_pylist()
        if is_.is_list(kind):
            words, flat = self.of(kind.value_type, array.flatten())
            rest = iter(flat)
            null = " null" if kind.value_field.nullable else ""
            return f"array<{words}{null}>", each(lambda n: [next(rest) for _ in range(n)], lengths(array))
        if is_.is_struct(kind):
            return self.structs(kind, array)
        if is_.is_map(kind):
            key_words, keys = self.of(kind.key_type, array.keys)
            value_words, values = self.of(kind.item_type, array.items)
            pairs = iter(zip(keys, values))
            null = " null" if kind.item_field.nullable else ""
            return f"map<{key_words},{value_words}{null}>", each(lambda n: [next(pairs) for _ in range(n)], lengths(array))
        if kind in (pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.string(), pa.binary()):
            return str(kind), array.to_pylist()
        raise TypeError(f"a layout that is not Spark's: {kind}")

    def structs(self, kind, array):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        parts = [(field, *self.of(field.type, array.field(number))) for number, field in enumerate(fields)]
        words = ",".join(f"{field.name}:{word}{' null' if field.nullable else ''}" for field, word, _ in parts)
        valid = array.is_valid().to_pylist()
        rows = [{field.name: values[row] for field, _, values in parts} if valid[row] else None for row in range(len(array))]
        return f"struct<{words}>", rows


def same_buffers(local, field, found):
    """Whether columns that need no conversion are equal, without a Python object for each value."""
    kind = field.type
    flat = is_.is_fixed_size_list(kind) and kind.value_type in (pa.float32(), pa.float64())
    plain = kind in (pa.int64(), pa.string(), pa.float64(), pa.timestamp("us", "UTC"))
    if field.metadata or not (flat or plain) or is_.is_binary(found.type):
        return False
    return local.cast(found.type).equals(found)


def spark_names(names):
    seen, renamed = set(), []
    for name in names:
        candidate, number = name, 2
        while candidate.lower() in seen:
            candidate, number = f"{name}_{number}", number + 1
        seen.add(candidate.lower())
        renamed.append(candidate)
    return renamed


# Rows compared at a time.
WINDOW = 100_000


def compare(root, case):
    """How many rows and values were compared; raises what differs."""
    options = case.get("options", {})
    dataset = lance.dataset(location(root, case["table"]), version=case.get("version"))
    wanted = {"columns": case.get("columns"), "filter": case.get("filter"),
              "with_row_id": options.get("with_row_id") == "true"}
    rows = dataset.count_rows(filter=case.get("filter"))
    with pa.memory_map(case["file"]) as file:
        found = pa.ipc.open_file(file).read_all()
        assert found.num_rows == rows, f"{found.num_rows} rows, not {rows}"
        if "sort" in case:
            parts = [table.take(pa.compute.sort_indices(table[case["sort"]])) for table in
                     (dataset.to_table(**wanted), found)]
            return compare_part(*parts, options)
        compared = 0
        for start in range(0, max(rows, 1), WINDOW):
            local = dataset.to_table(offset=start, limit=WINDOW, **wanted)
            compared += compare_part(local, found.slice(start, WINDOW), options)[1]
        return rows, compared


def compare_part(local, found, options):
    if "_rowid" in local.column_names:
        place = local.schema.get_field_index("_rowid")
        ids = pa.field("_rowid", pa.int64(), local.schema.field(place).nullable)
        local = local.set_column(place, ids, local["_rowid"].cast(pa.int64()))
    local, found = local.combine_chunks(), found.combine_chunks()
    wanted = Wanted(options)
    skipped = [] if options.get("blob_mode") != "skip" else [f.name for f in local.schema if is_blob(f)]
    columns = []
    for place in range(local.num_columns):
        field = local.schema.field(place)
        if field.name in skipped or (is_.is_struct(field.type) and field.type.num_fields == 0):
            continue
        columns.append(place)
    cut = [place for place in columns if wanted.keep_nanos and is_cut(local.schema.field(place).type)]
    names = [local.schema.field(place).name for place in columns]
    names = spark_names(names + [f"{local.schema.field(place).name}_ns" for place in cut])
    assert found.column_names == names, f"columns {found.column_names}, not {names}"
    assert found.num_rows == local.num_rows, f"{found.num_rows} rows, not {local.num_rows}"
    for number, place in enumerate(columns + cut):
        field, array = local.schema.field(place), found.column(number)
        if number >= len(columns):
            field, words, values = wanted.beside(field, one(local.column(place)))
        elif same_buffers(local.column(place), field, array):
            continue
        else:
            words, values = wanted.of(field, one(local.column(place)))
        found_words, found_values = Found().of(array.type, one(array))
        name = names[number]
        if options.get("all_nullable"):
            found_words, words = found_words.replace(" null", ""), words.replace(" null", "")
        assert found_words == words, f"column {name}: {found_words}, not {words}"
        if found_values != values:
            row = next(row for row, (a, b) in enumerate(zip(found_values, values)) if a != b)
            raise AssertionError(f"column {name}, row {row}: {found_values[row]!r}, not {values[row]!r}")
        nullable = options.get("all_nullable") or field.nullable
        assert found.schema.field(number).nullable == nullable, f"column {name}: nullable differs"
    return local.num_rows, local.num_rows * len(names)


def location(root, table):
    """The root's tables are folders of their name; those of namespaces have a number before it."""
    return glob.glob(os.path.join(root, f"*_{table}"))[0] if "$" in table else os.path.join(root, f"{table}.lance")


def is_blob(field):
    metadata = field.metadata or {}
    return metadata.get(b"lance-encoding:blob") == b"true" or metadata.get(b"ARROW:extension:name") == b"lance.blob.v2"


def one(column):
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


if __name__ == "__main__":
    rows = values = failed = 0
    cases = json.load(sys.stdin)
    for case in cases:
        try:
            more_rows, more_values = compare(sys.argv[1], case)
            rows, values = rows + more_rows, values + more_values
        except Exception as error:
            failed += 1
            print(f"differs: {case['table']} {case.get('columns') or ''} {case.get('filter') or ''} "
                  f"{case.get('options') or ''}: {error}")
    print(f"compared: {len(cases)} reads, {rows} rows, {values} values")
    sys.exit(1 if failed else 0)
