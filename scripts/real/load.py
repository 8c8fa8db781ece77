#!/usr/bin/env python3
"""Puts the committed official R4 examples into a FHIR server. Usage: load.py BASE_URL [TOKEN_URL CLIENT_ID CLIENT_SECRET]"""
import base64
import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

EXAMPLES = pathlib.Path(__file__).parents[2] / "crates/simulators/data/fhir-r4-examples.ndjson"

# Some servers let nobody replace audit trails.
IMMUTABLE = ("AuditEvent (405)", "Provenance (405)")


def token(url, client, secret):
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "system/*.cruds"}).encode()
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    request = urllib.request.Request(url, form, {"Authorization": f"Basic {basic}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def main(base, *login):
    headers = {"Content-Type": "application/fhir+json"}
    loaded, refused = 0, {}
    for number, line in enumerate(EXAMPLES.read_bytes().splitlines()):
        if login and number % 100 == 0:
            headers["Authorization"] = f"Bearer {token(*login)}"
        resource = json.loads(line)
        url = f"{base}/{resource['resourceType']}/{resource['id']}"
        try:
            urllib.request.urlopen(urllib.request.Request(url, line, headers, method="PUT")).read()
            loaded += 1
        except urllib.error.HTTPError as error:
            refused.setdefault(f"{resource['resourceType']} ({error.code})", []).append(resource["id"])
    unexpected = {name: ids for name, ids in refused.items() if not name.startswith(IMMUTABLE)}
    assert not unexpected, f"{base} refused {unexpected}"
    print(f"real-servers: {loaded} resources loaded into {base}; refused: {', '.join(refused) or 'none'}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
