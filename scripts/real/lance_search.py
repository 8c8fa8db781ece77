"""What searches find, by Lance's own scanner, by a plain measure of every vector, and by the official client.

    lance_search.py DIR < cases.json

Prints one JSON array for each case: the rows found, each as [id, measure], the best first. `by` is `scanner` (Lance, with its
indexes), `measure` (numpy over every row), `client` (lancedb, hybrid), or `filter`: the ids that a condition selects, or how it
was refused.
"""

import json
import os
import sys

import lance
import lancedb
import numpy as np
from lancedb.rerankers import RRFReranker


def scanner(root, case):
    dataset = lance.dataset(os.path.join(root, f"{case['table']}.lance"))
    options = {name: case[name] for name in ("nearest", "full_text_query", "filter", "prefilter", "fast_search") if name in case}
    if "nearest" in case:
        options["nearest"]["q"] = np.array(case["nearest"]["q"], "f4")
    name = "_distance" if "nearest" in case else "_score"
    found = dataset.to_table(columns=["id", name], limit=case["k"], **options)
    return list(zip(found["id"].to_pylist(), found[name].to_pylist()))


def measure(root, case):
    dataset = lance.dataset(os.path.join(root, f"{case['table']}.lance"))
    rows = dataset.to_table(columns=["id", case["column"]], filter=case.get("filter"))
    ids, vectors = rows["id"].to_pylist(), rows[case["column"]].to_pylist()
    wanted = np.array(case["vector"], "f8")
    found = []
    for id, vector in zip(ids, vectors):
        if vector is None:
            continue
        vector = np.array(vector, "f8")
        distance = {
            "l2": lambda: float(((vector - wanted) ** 2).sum()),
            "dot": lambda: 1 - float(vector @ wanted),
            "cosine": lambda: 1 - float(vector @ wanted / np.linalg.norm(vector) / np.linalg.norm(wanted)),
        }[case["distance_type"]]()
        if case.get("lower", -np.inf) <= distance < case.get("upper", np.inf):
            found.append([id, distance])
    return sorted(found, key=lambda row: row[1])[: case["k"]]


def client(root, case):
    table = lancedb.connect(root).open_table(case["table"])
    query = table.search(query_type="hybrid").vector(case["vector"]).text(case["words"]).limit(case["k"])
    found = query.rerank(RRFReranker(return_score="all")).to_list()
    return [[row["id"], row["_relevance_score"]] for row in found]


def filter(root, case):
    try:
        dataset = lance.dataset(os.path.join(root, f"{case['table']}.lance"))
        return dataset.to_table(columns=["id"], filter=case["filter"])["id"].to_pylist()
    except (ValueError, OSError) as error:
        return {"refused": str(error)[:200]}


if __name__ == "__main__":
    for case in json.load(sys.stdin):
        print(json.dumps(globals()[case["by"]](sys.argv[1], case)))
