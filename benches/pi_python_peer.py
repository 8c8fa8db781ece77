#!/usr/bin/env python3
"""Reads recorded values of PI Web API the way Python connectors do: a tag a request, json.loads, a dictionary an event.

The figure to beat. Usage: pi_python_peer.py BASE_URL TAGS START END [SECONDS]; prints one JSON line. It stops after SECONDS
(default 120) and tells how many tags it has read by then.

Standard library only, over one connection that is kept. Does what such a connector and its framework do, in the same steps:
the points are listed, each tag is asked for in pages of 1,000 events, each event becomes a dictionary of the nine compat
columns (numbers only, what is not said is good), and each dictionary is cast to the table's schema, value by value. Going on
a second after the last event loses events that share one; here none do.
"""
import http.client
import json
import resource
import sys
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlsplit

PAGE = 1000
FIELDS = "Items.Timestamp;Items.Value;Items.UnitsAbbreviation;Items.Good;Items.Questionable;Items.Substituted;Items.Annotated"


class Client:
    def __init__(self, base):
        parts = urlsplit(base)
        self.path, self.connection = parts.path, http.client.HTTPConnection(parts.netloc)
        self.requests = self.bytes = 0

    def get(self, path, **query):
        text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        headers = {"Accept": "application/json", "X-Requested-With": "peer"}
        self.connection.request("GET", f"{self.path}/{path}?{text}", headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body[:300]}")
        self.requests += 1
        self.bytes += len(body)
        return json.loads(body)


def points(client, wanted):
    found = []
    for server in client.get("dataservers")["Items"]:
        start = 0
        while len(found) < wanted:
            items = client.get(f"dataservers/{server['WebId']}/points", startIndex=start, maxCount=PAGE)["Items"]
            found += [item["WebId"] for item in items]
            start += len(items)
            if len(items) < PAGE:
                break
    return found[:wanted]


def number(value):
    if isinstance(value, dict):
        value = value.get("Value")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def boolean(value, default):
    if value is None:
        return default
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "t", "yes", "y")


def instant(text):
    # Python takes six digits of a second; the server sends up to seven.
    head, dot, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}+00:00" if dot else f"{head}+00:00")


def event(tag, item, now):
    return {
        "tag_webid": tag,
        "timestamp": item.get("Timestamp"),
        "value": number(item.get("Value")),
        "good": boolean(item.get("Good"), True),
        "questionable": boolean(item.get("Questionable"), False),
        "substituted": boolean(item.get("Substituted"), False),
        "annotated": boolean(item.get("Annotated"), False),
        "units": item.get("UnitsAbbreviation", ""),
        "ingestion_timestamp": now,
    }


CASTS = {
    "tag_webid": str,
    "timestamp": instant,
    "value": float,
    "good": bool,
    "questionable": bool,
    "substituted": bool,
    "annotated": bool,
    "units": str,
    "ingestion_timestamp": lambda value: value,
}


def cast(row):
    return {name: None if row[name] is None else cast_to(row[name]) for name, cast_to in CASTS.items()}


def read_tag(client, tag, start, end, now):
    rows = 0
    while True:
        query = {"startTime": start, "endTime": end, "maxCount": PAGE, "selectedFields": FIELDS}
        items = client.get(f"streams/{tag}/recorded", **query)["Items"]
        batch = [cast(event(tag, item, now)) for item in items]
        rows += len(batch)
        if len(batch) < PAGE:
            return rows
        start = (batch[-1]["timestamp"] + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    base, wanted, start, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    limit = float(sys.argv[5]) if len(sys.argv) > 5 else 120
    begun, now = time.monotonic(), datetime.now(timezone.utc)
    client = Client(base)
    rows = tags = 0
    for tag in points(client, wanted):
        rows += read_tag(client, tag, start, end, now)
        tags += 1
        if time.monotonic() - begun > limit:
            break
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "reader": "python, a tag a request, dictionaries",
        "tags": tags,
        "rows": rows,
        "requests": client.requests,
        "bytes": client.bytes,
        "wall_seconds": round(time.monotonic() - begun, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_memory_bytes": used.ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
