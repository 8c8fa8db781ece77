"""Runs the PI vendor's own Python client (2017 R2) against our simulated PI Web API and compares what it decodes with what
the simulator holds: pi_client.py ORACLE_BINARY.

Each `@point` is one point of the checklist and prints one line. Counted are comparisons of single
values, and of the type of every member that came with the type that the client declares.
"""

import json
import subprocess
import sys
import types
from collections import Counter
from contextlib import contextmanager

for name in ("requests_kerberos", "requests_ntlm"):  # their import needs system libraries, their code is not run here
    stub = types.ModuleType(name)
    stub.HTTPKerberosAuth = stub.HttpNtlmAuth = object
    stub.OPTIONAL = None
    sys.modules.setdefault(name, stub)

from osisoft.pidevclub.piwebapi import models  # noqa: E402
from osisoft.pidevclub.piwebapi.pi_web_api_client import PIWebApiClient  # noqa: E402
from osisoft.pidevclub.piwebapi.rest import ApiException  # noqa: E402

USER, PASSWORD = r"PLANT\reader", "pä:ss"
DAY = {"start_time": "2026-02-28T00:00:00Z", "end_time": "2026-03-02T00:00:00Z"}
HOUR = {"start_time": "2026-03-01T06:00:00Z", "end_time": "2026-03-01T06:10:00Z"}
# What the product has sent only since after the client's release.
NEWER = {
    "PIDataServer": {"ServerTime"},
    "PIPoint": {"Id", "Span", "Zero", "DisplayDigits"},
    "PIAttribute": {"DisplayDigits", "Span", "Zero", "DefaultUnitsNameAbbreviation", "Paths"},
    "PIAttributeTemplate": {"DefaultUnitsNameAbbreviation"},
    "PITimedValue": {"Annotated"},
    "PITimedValues": {"Links"},
    "PIElement": {"Paths"},
    "PIEventFrame": {"Paths"},
    "PISystemStatus": {"ServerTime"},
}
# What the client knows but a reader without administration rights, or an object without one, is not sent.
UNSENT = {"Security", "WebException", "Exception"} | {
    f"Serialize{what}" for what in ("WebId", "Id", "Description", "Path", "Links")
}


class Differs(Exception):
    pass


class Count:
    values = 0
    points = 0


def same(got, wanted, what):
    """Equal in type and value, all the way down; numbers to the last bit."""
    Count.values += 1
    if isinstance(got, bool) != isinstance(wanted, bool) or got != wanted:
        raise Differs(f"{what}: the client has {got!r}, the simulator holds {wanted!r}")


def true(condition, what):
    Count.values += 1
    if not condition:
        raise Differs(what)


def json_name(model, attribute):
    return model.attribute_map[attribute]


def decoded(value):
    """What the client made of an answer, under the names of the API and without what was absent."""
    if hasattr(value, "attribute_map"):
        fields = ((json_name(value, name), getattr(value, name)) for name in value.swagger_types)
        return {name: decoded(field) for name, field in fields if field is not None}
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if isinstance(value, dict):
        return {name: decoded(one) for name, one in value.items()}
    return value


def same_object(model, wanted, what):
    """Every member that the client knows of this kind of object, against the oracle's."""
    for attribute in model.swagger_types:
        name = json_name(model, attribute)
        if name == "Links" or name in UNSENT:
            continue
        same(decoded(getattr(model, attribute)), without_nulls(wanted.get(name)), f"{what}: {name}")


def without_nulls(value):
    """As `decoded` gives it: the client cannot tell a null from nothing inside its own kinds of objects."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return value


def same_event(got, wanted, what):
    for name in ("Timestamp", "UnitsAbbreviation", "Good", "Questionable", "Substituted", "Errors"):
        attribute = {"UnitsAbbreviation": "units_abbreviation"}.get(name, name.lower())
        same(decoded(getattr(got, attribute)), wanted[name], f"{what}: {name}")
    same(got.value, json.loads(wanted["Value"]), f"{what}: Value")


def same_events(got, wanted, what):
    same(len(got), len(wanted), f"{what}: number of events")
    for one, other in zip(got, wanted):
        same_event(one, other, f"{what} at {other['Timestamp']}")


def fits(value, kind):
    """Whether JSON is of the type that the client's models declare; they would turn other types into it."""
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}
    if kind in plain:
        return isinstance(value, plain[kind]) and (kind != "int" or not isinstance(value, bool))
    return isinstance(value, list if kind.startswith("list[") else dict)


class Session:
    """A simulator, the vendor's client on it, and every answer as it came."""

    def __init__(self, binary, *options):
        # The user's options come last.
        self.process = subprocess.Popen(
            [binary, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.oracle = json.loads(self.process.stdout.readline())
        self.seen = {}
        self.client = self.login(USER, PASSWORD)

    def login(self, user, password):
        client = PIWebApiClient(self.oracle["base"], False, user, password.encode(), True)
        # The client gives requests a str, which it would send as Latin-1.
        client.api_client.rest_client.auth.username = user.encode()
        make = client.api_client.deserialize

        def recorded(response, kind):
            self.note(kind, json.loads(response.content))
            return make(response, kind)

        client.api_client.deserialize = recorded
        return client

    def note(self, kind, body):
        """Remembers which members came, by the client's type."""
        if body is None:
            return
        if kind.startswith("list["):
            for one in body:
                self.note(kind[5:-1], one)
        elif kind.startswith("dict("):
            for one in body.values():
                self.note(kind[5:-1].split(", ", 1)[1], one)
        elif hasattr(models, kind) and isinstance(body, dict):
            model = getattr(models, kind)
            by_name = {name: model.swagger_types[attribute] for attribute, name in model.attribute_map.items()}
            seen = self.seen.setdefault(kind, set())
            for name, value in body.items():
                if value is not None:
                    seen.add(name)
                if value is not None and name in by_name:
                    true(fits(value, by_name[name]), f"{kind}.{name} is no {by_name[name]}: {value!r}")
                    self.note(by_name[name], value)

    def point(self, name):
        return next(one for one in self.oracle["points"] if one["Name"] == name)

    def fields(self, kind):
        return [one["fields"] for one in self.oracle["objects"][kind]]

    def objects(self, kind, **of):
        return [
            one for one in self.oracle["objects"][kind] if all(one[name] == wanted for name, wanted in of.items())
        ]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


POINTS = []


def point(text):
    def keep(check):
        POINTS.append((text, check))
        return check

    return keep


@contextmanager
def refused(status, words):
    """The body of an error becomes the text of the client's exception."""
    try:
        yield
    except ApiException as error:
        same(error.status, status, f"status of a refusal ({words})")
        true(words in str(error), f"the exception does not tell {words!r}: {error}")
        true(all(isinstance(text, str) for text in error.error["Errors"]), "Errors is no list of texts")
        return
    raise Differs(f"no error, where {status} was due ({words})")


def by_name(items, wanted, what):
    """Lists that must hold exactly the oracle's objects."""
    found = {one.web_id: one for one in items}
    same(len(found), len(items), f"{what}: no object twice")
    same(sorted(found), sorted(one["WebId"] for one in wanted), f"{what}: which objects")
    for one in wanted:
        same_object(found[one["WebId"]], one, f"{what} {one['Name']}")


def paged(ask, size):
    """All pages of a list, by its links: the next one is there while pages are full."""
    from urllib.parse import parse_qs, urlparse

    items, start = [], 0
    while True:
        page = ask(max_count=size, start_index=start)
        items += page.items
        if page.links.next is None:
            true(len(page.items) < size, "a full page has a next one")
            return items
        same(len(page.items), size, "items of a page that is followed by another")
        query = parse_qs(urlparse(page.links.next).query)
        start = int(query["startIndex"][0])
        same(start, len(items), "where the next page starts")


ID = {"web_id_type": "IDOnly"}


@point("home, system, versions and user")
def _(s):
    links = s.client.home.get().links
    same(links.data_servers, f"{s.oracle['base']}/dataservers", "link to the data servers")
    same(links.asset_servers, f"{s.oracle['base']}/assetservers", "link to the asset servers")
    same(s.client.system.status().state, "Running", "state")
    true(s.client.system.user_info().is_authenticated, "the user is authenticated")
    versions = s.client.system.versions()
    true(all(isinstance(one.full_version, str) for one in versions.values()), "versions are texts")
    true(bool(s.client.system.landing().product_title), "the landing page tells the product")


@point("data servers: list, by name, by path, by WebID")
def _(s):
    wanted = s.oracle["server"]
    listed = s.client.dataServer.list(**ID).items
    same([one.web_id for one in listed], [wanted["WebId"]], "data servers")
    for one in (
        s.client.dataServer.get_by_name(wanted["Name"], **ID),
        s.client.dataServer.get_by_path("\\\\" + wanted["Name"], **ID),
        s.client.dataServer.get(wanted["WebId"], **ID),
    ):
        same((one.web_id, one.name, one.is_connected), (wanted["WebId"], wanted["Name"], True), "data server")
    with refused(404, "PISRV9"):
        s.client.dataServer.get_by_name("PISRV9")


def points_of(s):
    return [one for one in s.oracle["points"] if one["Name"] != "Check.Forbidden"]


@point("points: list by pages and links, filter, by path, by WebID")
def _(s):
    def ask(**page):
        return s.client.dataServer.get_points(s.oracle["server"]["WebId"], **page, **ID)

    wanted = {one["WebId"]: one for one in s.oracle["points"]}
    for size in (5, 1000):
        found = paged(ask, size)
        same(sorted(one.web_id for one in found), sorted(wanted), f"points by pages of {size}")
        for one in found:
            expected = wanted[one.web_id]
            for name in ("Path", "Name", "Descriptor", "PointType", "DigitalSetName", "EngineeringUnits", "Step", "Future"):
                same(decoded(one)[name], expected[name], f"point {one.name}: {name}")
    filtered = ask(name_filter="check.?a*").items
    same(sorted(one.name for one in filtered), ["Check.Ramp"], "points by filter")
    for one in points_of(s):
        same(s.client.point.get_by_path(one["Path"], **ID).web_id, one["WebId"], "point by path")
        for spelling in ("WebId", "Full", "PathOnly"):
            same(s.client.point.get(one[spelling], **ID).name, one["Name"], f"point by {spelling}")
        same(s.client.point.get_by_path(one["Path"], web_id_type="PathOnly").web_id, one["PathOnly"], "path spelling")
        same(s.client.point.get_by_path(one["Path"], web_id_type="Full").web_id, one["Full"], "full spelling")


@point("points: attributes, all and by name")
def _(s):
    ramp = s.point("Check.Ramp")
    values = {one.name: one.value for one in s.client.point.get_attributes(ramp["WebId"]).items}
    same(values["tag"], "Check.Ramp", "attribute tag")
    same(values["pointtype"], "Float64", "attribute pointtype")
    same(values["engunits"], ramp["EngineeringUnits"], "attribute engunits")
    named = s.client.point.get_attributes(ramp["WebId"], name=["descriptor", "span"]).items
    same(sorted(one.name for one in named), ["descriptor", "span"], "attributes by name")
    same(s.client.point.get_attribute_by_name("descriptor", ramp["WebId"]).value, ramp["Descriptor"], "one attribute")


@point("several points at once, with exceptions for those that fail")
def _(s):
    good, hidden = s.point("Check.Ramp"), s.point("Check.Forbidden")
    absent = r"\\PISRV1\No.Such.Point"
    got = s.client.point.get_multiple(path=[good["Path"], absent], web_id=[hidden["WebId"]], **ID).items
    by = {one.identifier: one for one in got}
    same(sorted(by), sorted([good["Path"], absent, hidden["WebId"]]), "identifiers")
    same(by[good["Path"]].object.web_id, good["WebId"], "the one that is there")
    same(by[good["Path"]].exception, None, "no exception for it")
    for identifier, kind in ((absent, "Path"), (hidden["WebId"], "WebId")):
        same(by[identifier].identifier_type, kind, "kind of identifier")
        same(by[identifier].object, None, "no object")
        true(bool(by[identifier].exception.errors), "an exception with errors")


@point("recorded values: every event of every point, kinds of values, flags, errors")
def _(s):
    for one in points_of(s):
        if one["PointType"] == "Blob":
            with refused(501, ""):
                s.client.stream.get_recorded(one["WebId"], max_count=100_000, **DAY)
            continue
        got = s.client.stream.get_recorded(one["WebId"], max_count=100_000, **DAY)
        same(got.units_abbreviation, one["EngineeringUnits"], "units of the stream")
        same_events(got.items, one["events"], one["Name"])
    kinds = [type(json.loads(one["Value"])).__name__ for one in s.point("Check.Kinds")["events"]]
    same(len(set(kinds)), 6, f"kinds of JSON values that were seen ({kinds})")


@point("recorded values: cut at maxCount, windows closed at both ends, backwards")
def _(s):
    ramp = s.point("Check.Ramp")
    events = ramp["events"]
    same_events(s.client.stream.get_recorded(ramp["WebId"], max_count=3, **HOUR).items, events[:3], "cut")
    same_events(s.client.stream.get_recorded(ramp["WebId"], **HOUR).items, events, "closed at both ends")
    back = s.client.stream.get_recorded(
        ramp["WebId"], start_time=HOUR["end_time"], end_time=HOUR["start_time"], max_count=4
    )
    same_events(back.items, events[::-1][:4], "backwards")
    inner = {"start_time": "2026-03-01T06:00:30Z", "end_time": "2026-03-01T06:02:30Z"}
    outside = s.client.stream.get_recorded(ramp["WebId"], boundary_type="Outside", **inner).items
    same_events(outside, events[:4], "with the events around the window")
    bounds = s.client.stream.get_recorded(ramp["WebId"], boundary_type="Interpolated", **inner).items
    same([one.value for one in bounds], [5.0, 10.0, 20.0, 15.0], "with interpolated ends")
    same(s.client.stream.get_recorded(s.point("Check.Empty")["WebId"], **HOUR).items, [], "no events")


@point("value, end, value at a time, recorded at a time")
def _(s):
    for one in points_of(s):
        if one["PointType"] == "Blob" or not one["events"]:
            continue
        newest = one["events"][-1]
        same_event(s.client.stream.get_end(one["WebId"]), newest, f"end of {one['Name']}")
        if one["Name"].startswith("Check."):
            same_event(s.client.stream.get_value(one["WebId"]), newest, f"value of {one['Name']}")
    ramp = s.point("Check.Ramp")
    got = s.client.stream.get_value(ramp["WebId"], time="2026-03-01T06:03:30Z")
    same((got.timestamp, got.value), ("2026-03-01T06:03:30Z", 25.0), "value between two events")
    for mode, event in (("AtOrBefore", 3), ("Before", 3), ("AtOrAfter", 4), ("After", 4), ("Auto", 3)):
        got = s.client.stream.get_recorded_at_time(ramp["WebId"], "2026-03-01T06:03:30Z", retrieval_mode=mode)
        same_event(got, ramp["events"][event], f"recorded at time, {mode}")
    got = s.client.stream.get_recorded_at_time(ramp["WebId"], "2026-03-01T06:03:00Z", retrieval_mode="Exact")
    same_event(got, ramp["events"][3], "recorded at time, Exact")


@point("interpolated, plot and summary values against sums made here")
def _(s):
    ramp = s.point("Check.Ramp")["WebId"]
    got = s.client.stream.get_interpolated(ramp, interval="30s", **HOUR).items
    corners = [json.loads(one["Value"]) for one in s.point("Check.Ramp")["events"]]
    halves = [
        corners[at // 2] if at % 2 == 0 else (corners[at // 2] + corners[at // 2 + 1]) / 2 for at in range(21)
    ]
    same([one.value for one in got], halves, "interpolated every half minute")
    same(got[1].timestamp, "2026-03-01T06:00:30Z", "instants of interpolated values")
    same(got[1].good, True, "quality of interpolated values")
    plot = s.client.stream.get_plot(ramp, intervals=1, **HOUR).items
    same(sorted({one.value for one in plot}), sorted({0.0, 40.0, -5.0, 30.0}), "plot: first, last, lowest, highest")
    kinds = ["Average", "Minimum", "Maximum", "Range", "Count", "Total", "PercentGood", "StdDev"]
    summary = s.client.stream.get_summary(ramp, summary_type=kinds, calculation_basis="EventWeighted", **HOUR).items
    by = {one.type: one.value for one in summary}
    same(sorted(by), sorted(kinds), "summaries asked for")
    # By events, the total is their sum and the end of the only interval belongs to it.
    same((by["Minimum"].value, by["Maximum"].value, by["Range"].value), (-5.0, 40.0, 45.0), "extremes")
    same(by["Count"].value, len(corners), "count of events, both ends included")
    true(abs(by["Average"].value - sum(corners) / len(corners)) < 1e-9, f"average by events: {by['Average'].value}")
    weighted = s.client.stream.get_summary(ramp, summary_type=["Average", "PercentGood"], **HOUR).items
    by = {one.type: one.value.value for one in weighted}
    mean = sum((a + b) / 2 for a, b in zip(corners, corners[1:])) / (len(corners) - 1)
    true(abs(by["Average"] - mean) < 1e-9, f"average by time: {by['Average']}, not {mean}")
    same(by["PercentGood"], 100.0, "good time")
    spans = s.client.stream.get_summary(ramp, summary_type=["Maximum"], summary_duration="5m", **HOUR).items
    same([one.value.value for one in spans], [40.0, 40.0], "maximum of each five minutes")


@point("streamsets ad hoc: recorded, values, end, interpolated, plot, summaries, at times")
def _(s):
    chosen = [one for one in points_of(s) if one["PointType"] != "Blob" and one["events"]]
    ids = [one["WebId"] for one in chosen]

    def joined(answer):
        found = {one.web_id: one for one in answer.items}
        same(sorted(found), sorted(ids), "streams of the set")
        pairs = [(found[one["WebId"]], one) for one in chosen]
        for stream, one in pairs:
            same((stream.name, stream.path), (one["Name"], one["Path"]), "name and path of a stream")
            same(stream.web_exception, None, "no exception")
        return pairs

    sets = s.client.streamSet
    for stream, one in joined(sets.get_recorded_ad_hoc(ids, max_count=100_000, **DAY, **ID)):
        same_events(stream.items, one["events"], f"set: {one['Name']}")
    for stream, one in joined(sets.get_recorded_ad_hoc(ids, max_count=7, **DAY, **ID)):
        same_events(stream.items, one["events"][:7], f"maxCount is each stream's: {one['Name']}")
    for stream, one in joined(sets.get_end_ad_hoc(ids, **ID)):
        same_events(stream.items, one["events"][-1:], f"end in a set: {one['Name']}")
    for stream, one in joined(sets.get_values_ad_hoc(ids, **ID)):
        true(stream.value.timestamp <= s.oracle["now"], "current value")
    ids = [s.point("Check.Ramp")["WebId"]]
    chosen = [s.point("Check.Ramp")]
    ((stream, _),) = joined(sets.get_interpolated_ad_hoc(ids, interval="5m", **HOUR, **ID))
    same([one.value for one in stream.items], [0.0, 40.0, 30.0], "interpolated set")
    ((stream, _),) = joined(sets.get_plot_ad_hoc(ids, intervals=1, **HOUR, **ID))
    same({one.value for one in stream.items}, {0.0, 40.0, -5.0, 30.0}, "plot set")
    ((stream, _),) = joined(sets.get_summaries_ad_hoc(ids, summary_type=["Count", "Minimum"], calculation_basis="EventWeighted", **HOUR, **ID))
    same({one.type: one.value.value for one in stream.items}, {"Count": 11, "Minimum": -5.0}, "summaries of a set")
    ((stream, one),) = joined(
        sets.get_recorded_at_time_ad_hoc("2026-03-01T06:04:00Z", ids, retrieval_mode="Exact", **ID)
    )
    same_event(stream.value, one["events"][4], "recorded at a time, set")


@point("a stream of a set that fails says so itself")
def _(s):
    good, hidden = s.point("Check.Ramp"), s.point("Check.Forbidden")
    got = s.client.streamSet.get_recorded_ad_hoc([good["WebId"], hidden["WebId"]], **HOUR, **ID)
    found = {one.web_id: one for one in got.items}
    same_events(found[good["WebId"]].items, good["events"], "the good one")
    bad = [one for one in got.items if one.web_exception is not None]
    same(len(bad), 1, "one stream failed")
    same(bad[0].web_exception.status_code, 403, "its status")
    true(bool(bad[0].web_exception.errors), "its errors")


def ask(resource, parents=None, parameters=None, template=False):
    one = models.PIRequest(method="GET", parent_ids=parents, parameters=parameters)
    if template:
        one.request_template = models.PIRequestTemplate(resource=resource)
    else:
        one.resource = resource
    return one


@point("batch: keys, parents, a template, failed parts, calls that depend on them")
def _(s):
    base, server = s.oracle["base"], s.oracle["server"]
    ramp, hidden = s.point("Check.Ramp"), s.point("Check.Forbidden")
    window = "?startTime=2026-03-01T06:00:00Z&endTime=2026-03-01T06:10:00Z"
    got = s.client.batch.execute({
        "server": ask(f"{base}/dataservers?name={server['Name']}&webIdType=IDOnly"),
        "points": ask("{0}?nameFilter=Check.R*&webIdType=IDOnly", ["server"], ["$.server.Content.Links.Points"]),
        "values": ask(
            base + "/streams/{0}/recorded" + window, ["points"], ["$.points.Content.Items[*].WebId"], template=True
        ),
        "direct": ask(f"https://elsewhere.example/piwebapi/streams/{ramp['WebId']}/end"),
        "denied": ask(f"{base}/streams/{hidden['WebId']}/end"),
        "orphan": ask("{0}", ["denied"], ["$.denied.Content.WebId"]),
    })
    same(sorted(got), ["denied", "direct", "orphan", "points", "server", "values"], "keys of the answer")
    same(got["server"].status, 200, "status of a part")
    same(got["server"].content["WebId"], server["WebId"], "content of a part")
    same([one["WebId"] for one in got["points"].content["Items"]], [ramp["WebId"]], "a child of it")
    (values,) = got["values"].content["Items"]
    same((values["Status"], len(values["Content"]["Items"])), (200, 11), "the template's call for each point")
    same(got["direct"].content["Value"], json.loads(ramp["events"][-1]["Value"]), "the host part is ignored")
    same(got["denied"].status, 403, "a part that is denied")
    true(bool(got["denied"].content["Errors"]), "tells why")
    true(got["orphan"].status >= 400, "a child of a failed part fails")


@point("asset servers and databases")
def _(s):
    servers = s.fields("AssetServer")
    by_name(s.client.assetServer.list(**ID).items, servers, "asset servers")
    for one in servers:
        same(s.client.assetServer.get_by_name(one["Name"], **ID).web_id, one["WebId"], "asset server by name")
        same(s.client.assetServer.get_by_path(one["Path"], **ID).web_id, one["WebId"], "asset server by path")
        owned = [o["fields"] for o in s.objects("AssetDatabase", owner=one["WebId"])]
        by_name(s.client.assetServer.get_databases(one["WebId"], **ID).items, owned, "databases")
    for one in s.fields("AssetDatabase"):
        same_object(s.client.assetDatabase.get_by_path(one["Path"], **ID), one, "database by path")
        same_object(s.client.assetDatabase.get(one["WebId"], **ID), one, "database by WebID")


@point("elements: whole hierarchy by pages, by path, several at once")
def _(s):
    for database in s.fields("AssetDatabase"):
        wanted = [one["fields"] for one in s.objects("Element", database=database["WebId"])]

        def pages(**page):
            return s.client.assetDatabase.get_elements(
                database["WebId"], search_full_hierarchy=True, sort_field="Name", **page, **ID
            )

        by_name(paged(pages, 7), wanted, "elements")
        for one in wanted:
            same_object(s.client.element.get_by_path(one["Path"], **ID), one, "element by path")
        if wanted:
            both = [wanted[0]["Path"], r"\\AFSRV1\Nowhere\Nothing"]
            got = s.client.element.get_multiple(path=both, **ID).items
            same(got[0].object.web_id, wanted[0]["WebId"], "one of several elements")
            true(bool(got[1].exception.errors), "the other has an exception")


@point("attributes: of elements with nested ones, by path, their values")
def _(s):
    values = 0
    for element in s.fields("Element"):
        wanted = [one["fields"] for one in s.objects("Attribute", holder=element["WebId"])]
        got = s.client.element.get_attributes(
            element["WebId"], search_full_hierarchy=True, show_hidden=True, show_excluded=True, max_count=1000, **ID
        ).items
        by_name(got, wanted, f"attributes of {element['Name']}")
        for one in wanted[:2]:
            same_object(s.client.attribute.get_by_path(one["Path"], **ID), one, "attribute by path")
            value = s.client.attribute.get_value(one["WebId"])
            true(value.timestamp is not None and value.good is not None, f"value of {one['Path']}")
            values += 1
    true(values > 0, "values of attributes were read")
    kinds = {one["TraitName"] for one in s.fields("Attribute")} - {""}
    known = {one.name: one for one in s.client.attributeTrait.get_by_category(["All"]).items}
    same(sorted(known), sorted(s.oracle["traits"]), "attribute traits")
    true(kinds <= set(known), "traits of attributes are known ones")


@point("templates of elements, event frames and attributes")
def _(s):
    nested = 0
    for database in s.fields("AssetDatabase"):
        wanted = [one["fields"] for one in s.objects("ElementTemplate", database=database["WebId"])]
        got = s.client.assetDatabase.get_element_templates(database["WebId"], ["Name"], max_count=1000, **ID).items
        by_name(got, wanted, "element templates")
        for template in wanted:
            owned = [o["fields"] for o in s.objects("AttributeTemplate", owner=template["WebId"])]
            got = s.client.elementTemplate.get_attribute_templates(template["WebId"], show_inherited=False, **ID).items
            by_name(got, owned, f"attribute templates of {template['Name']}")
            for one in owned:
                below = [o["fields"] for o in s.objects("AttributeTemplate", owner=one["WebId"])]
                got = s.client.attributeTemplate.get_attribute_templates(one["WebId"], **ID).items
                by_name(got, below, "nested attribute templates")
                nested += len(below)
    true(nested > 0, "attribute templates are nested somewhere")


@point("categories, analyses and their templates")
def _(s):
    api = s.client.assetDatabase
    for database in s.fields("AssetDatabase"):
        web_id = database["WebId"]
        lists = [
            ("ElementCategory", api.get_element_categories),
            ("AttributeCategory", api.get_attribute_categories),
            ("AnalysisCategory", api.get_analysis_categories),
            ("TableCategory", api.get_table_categories),
        ]
        for kind, ask_for in lists:
            by_name(ask_for(web_id, **ID).items, [o["fields"] for o in s.objects(kind, database=web_id)], kind)
        wanted = [o["fields"] for o in s.objects("Analysis", database=web_id)]
        by_name(api.find_analyses(web_id, ["Name"], max_count=1000, **ID).items, wanted, "analyses")
        wanted = [o["fields"] for o in s.objects("AnalysisTemplate", database=web_id)]
        by_name(api.get_analysis_templates(web_id, ["Name"], max_count=1000, **ID).items, wanted, "analysis templates")


@point("tables and their rows")
def _(s):
    rows = 0
    for database in s.fields("AssetDatabase"):
        owned = s.objects("Table", database=database["WebId"])
        by_name(s.client.assetDatabase.get_tables(database["WebId"], **ID).items, [o["fields"] for o in owned], "tables")
        for one in owned:
            got = s.client.table.get_data(one["fields"]["WebId"])
            same(got.rows, one["rows"], f"rows of {one['fields']['Name']}")
            true(all(set(row) <= set(got.columns) for row in got.rows), "cells belong to columns")
            rows += len(got.rows)
    true(rows > 0, "tables have rows")


@point("enumeration sets of assets and of the data server")
def _(s):
    for database in s.fields("AssetDatabase"):
        owned = s.objects("EnumerationSet", database=database["WebId"])
        by_name(s.client.assetDatabase.get_enumeration_sets(database["WebId"], **ID).items, [o["fields"] for o in owned], "sets")
        for one in owned:
            web_id = one["fields"]["WebId"]
            wanted = [o["fields"] for o in s.objects("EnumerationValue", owner=web_id)]
            got = s.client.enumerationSet.get_values(web_id, **ID).items
            same(sorted(v.web_id for v in got), sorted(v["WebId"] for v in wanted), "values of a set")
            by = {v["WebId"]: v for v in wanted}
            for value in got:
                same((value.name, value.value), (by[value.web_id]["Name"], by[value.web_id]["Value"]), "a value")
    sets = s.client.dataServer.get_enumeration_sets(s.oracle["server"]["WebId"], **ID).items
    states = {one.name: {v.value: v.name for v in s.client.enumerationSet.get_values(one.web_id, **ID).items} for one in sets}
    seen = 0
    for one in s.oracle["points"]:
        for event in one["events"]:
            value = json.loads(event["Value"])
            if isinstance(value, dict):
                of = "SYSTEM" if value["IsSystem"] else one["DigitalSetName"]
                same(states[of].get(value["Value"]), value["Name"], f"state {value} of {one['Name']}")
                seen += 1
    true(seen > 0, "digital states were seen")


@point("classes of units and their units")
def _(s):
    for server in s.fields("AssetServer"):
        owned = s.objects("UnitClass", owner=server["WebId"])
        by_name(s.client.assetServer.get_unit_classes(server["WebId"], **ID).items, [o["fields"] for o in owned], "classes")
        for one in owned:
            wanted = [o["fields"] for o in s.objects("Unit", owner=one["fields"]["WebId"])]
            # The client takes the list for one unit: its parts are read as that.
            url = f"{s.oracle['base']}/unitclasses/{one['fields']['WebId']}/units?webIdType=IDOnly"
            body = s.client.api_client.request("GET", url).json()
            s.note("list[PIUnit]", body["Items"])
            by_name(s.client.api_client.deserialize_object(body["Items"], "list[PIUnit]"), wanted, "units")
            canonical = s.client.unitClass.get_canonical_unit(one["fields"]["WebId"], **ID)
            same(canonical.name, one["fields"]["CanonicalUnitName"], "canonical unit")


@point("event frames: nested, open, acknowledged; attributes, annotations, elements")
def _(s):
    when = {"start_time": "2020-01-01T00:00:00Z", "end_time": "*", "search_mode": "Overlapped"}
    states = set()
    for database in s.fields("AssetDatabase"):
        frames = [one for one in s.oracle["frames"] if one["database"] == database["WebId"]]
        paths = Counter(one["fields"]["Path"] for one in frames)

        def pages(**page):
            return s.client.assetDatabase.get_event_frames(
                database["WebId"], search_full_hierarchy=True, sort_field="StartTime", **when, **page, **ID
            )

        by_name(paged(pages, 11), [one["fields"] for one in frames], "event frames")
        for one in frames:
            fields = one["fields"]
            states |= {("open", fields["EndTime"][:4] == "9999"), ("acknowledged", fields["IsAcknowledged"])}
            states |= {("nested", one["owner"] is not None), ("annotated", fields["IsAnnotated"])}
            same_object(s.client.eventFrame.get(fields["WebId"], **ID), fields, "event frame by WebID")
            if paths[fields["Path"]] == 1:
                same_object(s.client.eventFrame.get_by_path(fields["Path"], **ID), fields, "event frame by path")
            notes = s.client.eventFrame.get_annotations(fields["WebId"], **ID).items
            same([decoded(note) | {"Links": 0} for note in notes], [note | {"Links": 0} for note in one["annotations"]], "annotations")
            elements = s.client.eventFrame.get_referenced_elements(fields["WebId"], **ID).items
            same([e.web_id for e in elements], one["readable_elements"], "elements of a frame")
            got = s.client.eventFrame.get_attributes(
                fields["WebId"], search_full_hierarchy=True, show_hidden=True, show_excluded=True, max_count=1000, **ID
            ).items
            same(sorted(a.web_id for a in got), sorted(a["WebId"] for a in one["attributes"]), "attributes of a frame")
        for one in frames[:10]:
            wanted = {a["WebId"]: a for a in one["attributes"]}
            got = s.client.streamSet.get_values(
                one["fields"]["WebId"], search_full_hierarchy=True, show_hidden=True, show_excluded=True, **ID
            ).items
            for value in got:
                if wanted[value.web_id]["value"] is not None:
                    same(value.value.value, wanted[value.web_id]["value"], "captured value")
        if frames:
            both = [frames[0]["fields"]["WebId"], "I1Fm" + "A" * 44]
            got = s.client.eventFrame.get_multiple(web_id=both, **ID).items
            same_object(got[0].object, frames[0]["fields"], "one of several event frames")
            true(bool(got[1].exception.errors), "the other has an exception")
    same(len(states), 8, f"event frames in every state: {sorted(states)}")


@point("calculations")
def _(s):
    got = s.client.calculation.get_at_times(
        expression="'Check.Ramp' * 2 + 1", time=["2026-03-01T06:01:00Z", "2026-03-01T06:04:00Z"],
        web_id=s.oracle["server"]["WebId"],
    )
    same([one.value for one in got.items], [21.0, 81.0], "an expression at two instants")


@point("pandas helpers: paths to streams to data frames")
def _(s):
    ramp = s.point("Check.Ramp")
    frame = s.client.data.get_recorded_values("pi:" + ramp["Path"], **HOUR)
    same(list(frame["Value"]), [json.loads(one["Value"]) for one in ramp["events"]], "values of a data frame")
    same(list(frame["Timestamp"]), [one["Timestamp"] for one in ramp["events"]], "instants of a data frame")


@point("errors: their bodies become the text of exceptions")
def _(s):
    ramp, hidden = s.point("Check.Ramp")["WebId"], s.point("Check.Forbidden")["WebId"]
    with refused(404, "No.Such"):
        s.client.point.get_by_path(r"\\PISRV1\No.Such", **ID)
    with refused(400, "150000"):
        s.client.stream.get_recorded(ramp, max_count=150_001)
    with refused(400, "yesteryear"):
        s.client.stream.get_recorded(ramp, start_time="yesteryear")
    with refused(403, "permission"):
        s.client.stream.get_end(hidden)
    with refused(400, "rubbish"):
        s.client.stream.get_end("rubbish")
    try:
        s.login(USER, "wrong").system.status()
    except (ApiException, ValueError):  # a 401 has no JSON for the client to read
        Count.values += 1
    else:
        raise Differs("a wrong password was accepted")


@point("WebIDs: the client's own generator and parser agree")
def _(s):
    from osisoft.pidevclub.piwebapi.web_id.web_id_helper import WebIdHelper

    helper, m = WebIdHelper(), models
    # Server GUID 3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d10, point 1207, and the paths below.
    same(helper.generate_web_id_by_path(r"\\PISRV1\sinusoid", m.PIPoint), "P1DPUElTUlYxXFNJTlVTT0lE", "point by path")
    same(
        helper.generate_web_id_by_path(r"\\AFSRV\Plant\Unit1|Temp", m.PIAttribute, m.PIElement),
        "P1AbEQUZTUlZcUExBTlRcVU5JVDF8VEVNUA", "attribute by path",
    )
    for one in s.oracle["points"]:
        same(helper.generate_web_id_by_path(one["Path"], m.PIPoint), one["PathOnly"], "PathOnly of a point")
        full, ids = helper.get_web_id_info(one["Full"]), helper.get_web_id_info(one["WebId"])
        same((full.path, full.point_id), (one["Path"].lstrip("\\").upper(), ids.point_id), "ids and path of a point")
        same(ids.point_id, s.client.point.get(one["PathOnly"]).id if one in points_of(s) else ids.point_id, "point id")
    for kind in s.oracle["objects"]:
        for one in s.fields(kind)[:20]:
            info = helper.get_web_id_info(one["WebId"])
            own = info.server_id if kind == "AssetServer" else info.object_id
            same(own.lower(), one["Id"].lower(), f"id inside the WebID of {kind} {one['Name']}")


@point("links of objects lead somewhere")
def _(s):
    import requests

    def follow(links, what):
        for attribute in links.swagger_types:
            url = getattr(links, attribute)
            if url is None:
                continue
            if url.endswith("templates") and "assetdatabases" in url:
                url += "?field=Name"  # which lists of a database demand
            answer = requests.get(url, auth=(USER.encode(), PASSWORD.encode()), headers={"Accept": "application/json"})
            true(answer.status_code in (200, 207), f"{what}: link {attribute} answers {answer.status_code}")

    c = s.client
    attribute = next(one for one in s.fields("Attribute") if one["DataReferencePlugIn"] == "PI Point")
    follow(c.home.get().links, "home")
    follow(c.dataServer.list().items[0].links, "data server")
    follow(c.point.get(s.point("Check.Ramp")["WebId"]).links, "point")
    follow(c.assetServer.list().items[0].links, "asset server")
    follow(c.attribute.get(attribute["WebId"]).links, "attribute")
    follow(c.eventFrame.get(s.oracle["frames"][0]["fields"]["WebId"]).links, "event frame")
    reads = {
        "AssetDatabase": c.assetDatabase, "Element": c.element, "ElementTemplate": c.elementTemplate,
        "AttributeTemplate": c.attributeTemplate, "Analysis": c.analysis, "AnalysisTemplate": c.analysisTemplate,
        "Table": c.table, "EnumerationSet": c.enumerationSet, "UnitClass": c.unitClass, "Unit": c.unit,
    }
    for kind, api in reads.items():
        follow(api.get(s.fields(kind)[0]["WebId"]).links, kind)


@point("every member that the client knows was sent, and none that it does not know")
def _(s):
    for kind, seen in sorted(s.seen.items()):
        model = getattr(models, kind)
        known = set(model.attribute_map.values())
        if kind.endswith("Links") or kind in ("PIPaginationLinks", "PIErrors"):
            continue
        missing = known - seen - UNSENT
        true(not missing, f"{kind}: never sent: {sorted(missing)}")
        extra = seen - known - NEWER.get(kind, set()) - UNSENT
        true(not extra, f"{kind}: unknown to the client: {sorted(extra)}")


def run(binary, checks, *options):
    """The checks that do not hold, each told on a line."""
    failed = 0
    session = Session(binary, f"auth=basic:{USER}:{PASSWORD}", *options)
    try:
        for text, check in checks:
            before = Count.values
            try:
                check(session)
                print(f"ok   {text} ({Count.values - before})", flush=True)
            except Exception as error:  # one that fails does not hide the others
                kind = "" if isinstance(error, Differs) else f"{type(error).__name__}: "
                print(f"FAIL {text}: {kind}{error}", flush=True)
                failed += 1
    finally:
        session.stop()
    return failed


def main(binary):
    failed = run(binary, POINTS)
    # Members that were not always there, or are not for everybody, may be missing: values are read all the same.
    chosen = [one for one in POINTS if one[0].startswith(("recorded", "streamsets", "value", "points: list", "data servers"))]
    plain = [one for one in chosen if "by pages" not in one[0]]
    for options, checks in (
        (("personality=old,in-order",), chosen),
        (("personality=no-links,no-gzip",), plain),
        (("personality=ties,floor,bad-quality,odd-numbers,value-errors",), plain),
    ):
        print(f"-- {options[0]}", flush=True)
        failed += run(binary, checks, *options)
    print(f"compared: {Count.values} values" if not failed else f"{failed} points failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
