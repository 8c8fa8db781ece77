#!/usr/bin/env python3
"""Reads a FHIR table the way Python connectors do: json.loads, then dictionaries, one resource after the other.

The figure to beat. Usage: python_peer.py BASE_URL TYPE [PAGE_SIZE [LIMIT]]; prints one JSON line with rows and CPU seconds.

Standard library only. Does what such a connector and its framework do, in the same steps: json.loads of the page; each
resource mapped to a dictionary of the compat columns (Patient and Observation), with raw_json and extension as text; each
dictionary cast to the table's schema, value by value.
"""
import json
import resource
import sys
import time
import urllib.request
from datetime import datetime, timezone


def coding(v):
    return {"system": v.get("system"), "code": v.get("code"), "display": v.get("display")}


def concept(v):
    return v and {"coding": [coding(c) for c in v.get("coding", [])], "text": v.get("text")}


def concepts(v):
    return [concept(c) for c in v or []]


def reference(v):
    return v and {"reference": v.get("reference"), "display": v.get("display")}


def references(v):
    return [reference(r) for r in v or []]


def identifier(v):
    return {"system": v.get("system"), "value": v.get("value"), "use": v.get("use")}


def quantity(v):
    return v and {"value": v.get("value"), "unit": v.get("unit"), "system": v.get("system"), "code": v.get("code")}


def period(v):
    return v and {"start": v.get("start"), "end": v.get("end")}


def common(r):
    extension = r.get("extension")
    return {
        "id": r.get("id"),
        "resourceType": r.get("resourceType"),
        "lastUpdated": (r.get("meta") or {}).get("lastUpdated"),
        "raw_json": json.dumps(r),
        "extension": json.dumps(extension) if extension else None,
    }


def patient(r):
    row = common(r)
    row["identifier"] = [identifier(i) for i in r.get("identifier", [])]
    row["active"] = r.get("active")
    row["name"] = [{k: n.get(k) for k in ("family", "given", "text", "use")} for n in r.get("name", [])]
    row["telecom"] = [identifier(t) for t in r.get("telecom", [])]
    row["gender"] = r.get("gender")
    row["birthDate"] = r.get("birthDate")
    row["deceased_boolean"] = r.get("deceasedBoolean")
    row["deceased_datetime"] = r.get("deceasedDateTime")
    fields = ("use", "line", "city", "district", "postalCode", "country")
    row["address"] = [{k: a.get(k) for k in fields} for a in r.get("address", [])]
    row["maritalStatus"] = concept(r.get("maritalStatus"))
    row["generalPractitioner"] = references(r.get("generalPractitioner"))
    row["managingOrganization"] = reference(r.get("managingOrganization"))
    return row


def bounds(g):
    low, high = g.get("low") or {}, g.get("high") or {}
    return {
        "low_value": low.get("value"),
        "low_unit": low.get("unit"),
        "high_value": high.get("value"),
        "high_unit": high.get("unit"),
        "type": concept(g.get("type")),
        "text": g.get("text"),
    }


def values(r):
    return {
        "value_quantity": quantity(r.get("valueQuantity")),
        "value_codeable_concept": concept(r.get("valueCodeableConcept")),
        "value_string": r.get("valueString"),
        "value_boolean": r.get("valueBoolean"),
        "value_integer": r.get("valueInteger"),
        "data_absent_reason": concept(r.get("dataAbsentReason")),
    }


def observation(r):
    row = common(r)
    row["status"] = r.get("status")
    row["category"] = concepts(r.get("category"))
    row["code"] = concept(r.get("code"))
    row["subject"] = reference(r.get("subject"))
    row["encounter"] = reference(r.get("encounter"))
    row["effective_datetime"] = r.get("effectiveDateTime")
    row["effective_period"] = period(r.get("effectivePeriod"))
    row["issued"] = r.get("issued")
    row["performer"] = references(r.get("performer"))
    row.update(values(r))
    row["interpretation"] = concepts(r.get("interpretation"))
    row["body_site"] = concept(r.get("bodySite"))
    row["method"] = concept(r.get("method"))
    row["specimen"] = reference(r.get("specimen"))
    row["device"] = reference(r.get("device"))
    row["reference_range"] = [bounds(g) for g in r.get("referenceRange", [])]
    row["has_member"] = references(r.get("hasMember"))
    row["derived_from"] = references(r.get("derivedFrom"))
    row["component"] = [{"code": concept(c.get("code")), **values(c)} for c in r.get("component", [])]
    return row


# Types: a word for a scalar, [element] for an array, {name: type} for a struct.
CODING = {"system": "string", "code": "string", "display": "string"}
CONCEPT = {"coding": [CODING], "text": "string"}
REFERENCE = {"reference": "string", "display": "string"}
IDENTIFIER = {"system": "string", "value": "string", "use": "string"}
QUANTITY = {"value": "double", "unit": "string", "system": "string", "code": "string"}
PERIOD = {"start": "timestamp", "end": "timestamp"}
NAME = {"family": "string", "given": ["string"], "text": "string", "use": "string"}
ADDRESS = {name: "string" for name in ("use", "city", "district", "postalCode", "country")} | {"line": ["string"]}
BOUNDS = {
    "low_value": "double",
    "low_unit": "string",
    "high_value": "double",
    "high_unit": "string",
    "type": CONCEPT,
    "text": "string",
}
VALUES = {
    "value_quantity": QUANTITY,
    "value_codeable_concept": CONCEPT,
    "value_string": "string",
    "value_boolean": "boolean",
    "value_integer": "long",
    "data_absent_reason": CONCEPT,
}
COMMON = {
    "id": "string",
    "resourceType": "string",
    "lastUpdated": "timestamp",
    "raw_json": "string",
    "extension": "string",
}
SCHEMAS = {
    "Patient": {
        **COMMON,
        "identifier": [IDENTIFIER],
        "active": "boolean",
        "name": [NAME],
        "telecom": [IDENTIFIER],
        "gender": "string",
        "birthDate": "string",
        "deceased_boolean": "boolean",
        "deceased_datetime": "timestamp",
        "address": [ADDRESS],
        "maritalStatus": CONCEPT,
        "generalPractitioner": [REFERENCE],
        "managingOrganization": REFERENCE,
    },
    "Observation": {
        **COMMON,
        "status": "string",
        "category": [CONCEPT],
        "code": CONCEPT,
        "subject": REFERENCE,
        "encounter": REFERENCE,
        "effective_datetime": "timestamp",
        "effective_period": PERIOD,
        "issued": "timestamp",
        "performer": [REFERENCE],
        **VALUES,
        "interpretation": [CONCEPT],
        "body_site": CONCEPT,
        "method": CONCEPT,
        "specimen": REFERENCE,
        "device": REFERENCE,
        "reference_range": [BOUNDS],
        "has_member": [REFERENCE],
        "derived_from": [REFERENCE],
        "component": [{"code": CONCEPT, **VALUES}],
    },
}


def boolean(v):
    if isinstance(v, bool):
        return v
    if str(v).lower() in ("true", "t", "yes", "y", "1"):
        return True
    if str(v).lower() in ("false", "f", "no", "n", "0"):
        return False
    raise ValueError("not a boolean")


def instant(v):
    if len(v) < 10:
        v = (v + "-01-01")[:10]
    t = datetime.fromisoformat(v.replace("Z", "+00:00"))
    return t if t.tzinfo else t.replace(tzinfo=timezone.utc)


SCALARS = {"string": str, "double": float, "long": int, "boolean": boolean, "timestamp": instant}


def cast(value, kind):
    if value is None:
        return None
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return {name: cast(value.get(name), inner) for name, inner in kind.items()}
    if isinstance(kind, list):
        if not isinstance(value, list):
            value = [value]
        return [cast(element, kind[0]) for element in value]
    return SCALARS[kind](value)


def read(base, kind, page_size, limit):
    build, schema = {"Patient": patient, "Observation": observation}[kind], SCHEMAS[kind]
    url = f"{base}/{kind}?_count={page_size}&_sort=_lastUpdated"
    rows = size = 0
    while url and rows < limit:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "application/fhir+json"})) as answer:
            body = answer.read()
        size += len(body)
        bundle = json.loads(body)
        batch = [cast(build(entry["resource"]), schema) for entry in bundle.get("entry", [])]
        rows += len(batch)
        url = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
    return rows, size


if __name__ == "__main__":
    base, kind = sys.argv[1:3]
    page_size = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    limit = int(sys.argv[4]) if len(sys.argv) > 4 else 10**9
    started = time.monotonic()
    rows, size = read(base.rstrip("/"), kind, page_size, limit)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "reader": "python json.loads and dictionaries",
        "rows": rows,
        "bytes": size,
        "wall_seconds": round(time.monotonic() - started, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_memory_bytes": used.ru_maxrss * 1024,
    }))
