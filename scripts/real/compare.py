#!/usr/bin/env python3
"""Sync a real FHIR server into Delta and compare, resource by resource.

Usage: compare.py LAKEFLOW_BINARY BASE_URL [TOKEN_URL KEY_DIR]
With the last two the server checks tokens: `lakeflow` signs assertions, this script has a secret.
"""
import decimal
import email.utils
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import deltalake
import polars

import load

PUBLIC_TYPES = (
    "Patient Observation Condition Encounter Procedure MedicationRequest DiagnosticReport AllergyIntolerance "
    "Immunization Coverage CarePlan Goal Device DocumentReference"
).split()


def exact(text):
    """Numbers keep their digits, so 1.0 and 1.00 differ."""
    return json.loads(text, parse_float=decimal.Decimal)


class Login:
    """How this script and `lakeflow` are let in."""

    def __init__(self, token_url=None, key_dir=None):
        self.token_url, self.key_dir, self.token, self.until = token_url, key_dir, None, 0

    def headers(self):
        if self.token_url is None:
            return {}
        if time.monotonic() > self.until:
            secret = "a-test-secret-of-at-least-32-bytes-length"
            self.token = load.token(self.token_url, "lakeflow-secret", secret)
            self.until = time.monotonic() + 5
        return {"Authorization": f"Bearer {self.token}"}

    def options(self):
        if self.token_url is None:
            return []
        client = "lakeflow-es384"
        options = ["auth_type=jwt_assertion", f"client_id={client}", f"kid={client}", "scope=system/*.rs"]
        options.append("private_key_pem=${file:%s/%s.pem}" % (self.key_dir, client))
        return [word for option in options for word in ("--option", option)]


login = Login()


def send(url, body=None):
    headers = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json", **login.headers()}
    method = "GET" if body is None else "PUT"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as answer:
        return answer.read().decode()


def get(url):
    return send(url)


def server_rows(base, kind):
    """All resources of a type by a plain walk without filter or sort: not the way the connector reads."""
    rows, url = {}, f"{base}/{kind}?_count=200"
    while url:
        bundle = exact(get(url))
        for entry in bundle.get("entry", []):
            resource = entry["resource"]
            assert resource["id"] not in rows, f"{kind}: the server's own walk repeated a resource"
            rows[resource["id"]] = resource
        url = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
    return rows


def sync(binary, base, target):
    command = [binary, "sync", "--source", "fhir", "--option", f"base_url={base}", "--to", target]
    command += login.options()
    command += ["--table-option", "safety_lag_seconds=0", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"lakeflow sync ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def optimize(binary, target):
    command = [binary, "optimize", "--to", target, "--cluster-by", "lastUpdated,id", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"lakeflow optimize ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def compare(base, target):
    compared = 0
    for kind in PUBLIC_TYPES:
        expected = server_rows(base, kind)
        path = pathlib.Path(target) / kind
        lake = polars.read_delta(str(path))
        ids = lake["id"].to_list()
        assert len(ids) == len(set(ids)), f"{kind}: a resource stands twice in the lake"
        assert set(ids) == set(expected), f"{kind}: lake {len(ids)} rows, server {len(expected)}"
        stamps = lake["lastUpdated"].dt.epoch("us").to_list()
        for identity, raw, stamp in zip(ids, lake["raw_json"].to_list(), stamps):
            assert exact(raw) == expected[identity], f"{kind}: a resource differs"
            wanted = polars.Series([expected[identity]["meta"]["lastUpdated"]]).str.to_datetime(time_unit="us", time_zone="UTC")
            assert stamp == wanted.dt.epoch("us")[0], f"{kind}: lastUpdated differs"
        compared += len(ids)
    return compared


def touch(base, kind, count):
    """Changes some resources at the server."""
    rows = server_rows(base, kind)
    for identity in sorted(rows)[:count]:
        resource = json.loads(get(f"{base}/{kind}/{identity}"))
        resource["language"] = "fr" if resource.get("language") != "fr" else "en"
        send(f"{base}/{kind}/{identity}", json.dumps(resource).encode())
    let_the_second_end(base)


def let_the_second_end(base):
    """Waits until the server's clock, which tells whole seconds, is past every change: a run reads up to that clock."""
    changed = clock(base)
    while clock(base) <= changed:
        time.sleep(0.05)


def clock(base):
    with urllib.request.urlopen(f"{base}/metadata") as answer:
        return email.utils.parsedate_to_datetime(answer.headers["Date"])


def main(binary, base, *guard):
    global login
    login = Login(*guard)
    with tempfile.TemporaryDirectory() as target:
        sync(binary, base, target)
        first = compare(base, target)
        versions = {kind: deltalake.DeltaTable(f"{target}/{kind}").version() for kind in PUBLIC_TYPES}
        touch(base, "Patient", 7)
        touch(base, "Observation", 11)
        sync(binary, base, target)
        second = compare(base, target)
        assert second == first, "an update must not add rows"
        for kind in ("Patient", "Observation"):
            assert deltalake.DeltaTable(f"{target}/{kind}").version() > versions[kind], f"{kind}: nothing was committed"
        optimize(binary, target)
        assert compare(base, target) == second, "maintenance must not change rows"
        touch(base, "Patient", 3)
        sync(binary, base, target)
        assert compare(base, target) == second, "a sync after maintenance must go on where the one before ended"
        print(f"compared: {first} resources after the first sync, {second} after the second and after maintenance, in {len(PUBLIC_TYPES)} tables, all equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
